// The BSD projects' own test suites, restated (spec 10.1), on virtual time.
#include "scenario.h"

using namespace carp;
using namespace carp::test;

namespace {

wire::Prefix prefix(const wire::IpAddress& address, std::uint8_t length) {
  return {address, length};
}

}  // namespace

TEST(f1_two_hosts_of_default_skew_have_one_master_and_the_vip_answers) {
  Network net;
  const auto segment = net.add_segment();
  const wire::IpAddress vip = ip4(192, 0, 2, 1);
  for (const std::uint8_t n : {std::uint8_t{202}, std::uint8_t{203}}) {
    const auto host = net.add_host();
    net.add_carpdev(host, segment, {.mac = mac(n), .addresses = {prefix(ip4(192, 0, 2, n), 29)}});
    net.add_vhost(host, 0, {.vhid = 1, .vips = {prefix(vip, 29)}});
    net.boot(host);
  }
  const auto client = net.add_client(segment, mac(4), ip4(192, 0, 2, 4));
  net.run_for(milliseconds{1});
  int masters = 0;
  while (net.now() < at(seconds{10}) && masters == 0) {
    net.run_for(seconds{1});
    masters = 0;
    for (const sim::HostId host : {0U, 1U}) {
      if (net.state(host, 0) == VhostState::kMaster) ++masters;
    }
    CHECK(masters < 2);
  }
  CHECK_EQ(masters, 1);
  CHECK_STATE(net, 0, kMaster);  // the lower address
  const auto ping = net.ping(client, vip, milliseconds{100});
  net.run_for(milliseconds{290});
  net.stop_ping(ping);
  net.run_for(seconds{1});
  CHECK_EQ(net.ping_result(ping).answered, 3U);
  CHECK_EQ(net.ping_result(ping).lost, 0U);
  CHECK(net.neighbour(client, vip) == wire::virtual_mac(1));
  CHECK_NO_VIOLATION(net);
}

TEST(f2_two_hosts_with_an_ipv6_vip_have_one_master_and_the_vip_answers) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0, {kVip6})});
  const auto b = lan.booted(3, {vhid(1, 0, {kVip6})});
  const auto client = lan.net.add_client(lan.segment, mac(8), ip6(0xfd00, 8));
  lan.net.run_for(seconds{4});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  const auto ping = lan.net.ping(client, kVip6, milliseconds{100});
  lan.net.run_for(seconds{1});
  CHECK_EQ(lan.net.ping_result(ping).lost, 0U);
  CHECK(lan.net.neighbour(client, kVip6) == wire::virtual_mac(1));
  CHECK_NO_VIOLATION(lan.net);
}

TEST(f4_unicast_peers_behind_a_router_have_one_master_at_a_ttl_below_255) {
  Network net;
  const auto a = net.add_host();
  const auto b = net.add_host();
  const wire::IpAddress a_address = ip4(198, 51, 100, 1);
  const wire::IpAddress b_address = ip4(198, 51, 100, 224);
  core::VhostConfig config{.vhid = 1, .vips = {prefix(ip4(192, 0, 2, 1), 32)}};
  net.add_carpdev(a, net.add_segment(), {.mac = mac(1), .addresses = {prefix(a_address, 25)}});
  net.add_carpdev(b, net.add_segment(), {.mac = mac(2), .addresses = {prefix(b_address, 25)}});
  config.peers = {b_address};
  net.add_vhost(a, 0, config);
  core::VhostConfig other = config;
  other.peers = {a_address};
  other.advskew = 100;
  net.add_vhost(b, 0, other);
  net.boot(a);
  net.boot(b);
  net.run_for(seconds{5});
  CHECK_STATE(net, a, kMaster);
  CHECK_STATE(net, b, kBackup);
  CHECK(counter(net, b, core::VhostCounter::kAccepted) > 0);
  const auto heard = advertisements(net, a).back().advertisement();
  REQUIRE(heard.has_value());
  CHECK_EQ(heard->ttl, 254);
  CHECK(heard->ethernet_source == mac(1));
  // A change of advskew keeps the peer and the state.
  config.advskew = 50;
  net.configure(a, 0, config);
  net.run_for(seconds{5});
  CHECK_STATE(net, a, kMaster);
  CHECK_STATE(net, b, kBackup);
  CHECK_EQ(said(advertisements(net, a).back()).advskew, 50);
  CHECK_NO_VIOLATION(net);
}

TEST(f5_unicast_ipv6_over_a_router_and_link_local_on_the_segment) {
  for (const bool link_local : {false, true}) {
    Network net;
    const auto a = net.add_host();
    const auto b = net.add_host();
    const auto segment = net.add_segment();
    const std::uint16_t scope = link_local ? 0xfe80 : 0xfd00;
    const auto dev = [&](std::uint8_t n) {
      return core::CarpdevConfig{
          .mac = mac(n), .addresses = {prefix(ip6(0xfd00, n), 64), prefix(ip6(0xfe80, n), 64)}};
    };
    net.add_carpdev(a, segment, dev(1));
    net.add_carpdev(b, link_local ? segment : net.add_segment(), dev(2));
    core::VhostConfig config{.vhid = 1, .vips = {prefix(ip6(0xfd01, 1), 64)}};
    config.peers = {ip6(scope, 2)};
    net.add_vhost(a, 0, config);
    config.peers = {ip6(scope, 1)};
    config.advskew = 100;
    net.add_vhost(b, 0, config);
    net.boot(a);
    net.boot(b);
    net.run_for(seconds{10});
    CHECK_STATE(net, a, kMaster);
    CHECK_STATE(net, b, kBackup);
    const auto heard = advertisements(net, a).back().advertisement();
    REQUIRE(heard.has_value());
    CHECK_EQ(heard->ttl, link_local ? 255 : 254);
    CHECK(heard->source == ip6(scope, 1));
    CHECK_NO_VIOLATION(net);
  }
}

TEST(f7_negative_demotion_does_not_make_two_masters) {
  Lan lan;
  const core::HostOptions preempt{.preempt = true};
  const auto a = lan.booted(2, {vhid(1, 0)}, preempt);
  const auto b = lan.booted(3, {vhid(1, 100)}, preempt);
  lan.net.run_for(seconds{4});
  lan.net.command(a, [](core::Host& host, Instant now) { host.handle_demotion(now, "test", -1); });
  lan.net.run_for(seconds{3});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  CHECK_EQ(lan.net.vhost(a, 0)->effective_advskew(), 0);
  CHECK_EQ(count_changes(lan.net, b), 1U);
  CHECK_NO_VIOLATION(lan.net);
}

TEST(f8_the_neighbour_advertisement_of_an_ipv6_vip_carries_the_virtual_mac) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0, {kVip6})});
  const auto b = lan.booted(3, {vhid(1, 100, {kVip6})});
  lan.net.run_for(seconds{10});
  std::size_t seen = 0;
  for (const sim::Sent& sent : lan.net.sent()) {
    const auto na = wire::parse_neighbour(sent.frame);
    if (!na || na->solicitation || na->solicited) continue;
    ++seen;
    CHECK_EQ(sent.host, a);
    CHECK(wire::IpAddress::from(na->target) == kVip6);
    CHECK(na->link_layer == wire::virtual_mac(1));
    CHECK_EQ(sent.frame[11], 1);            // Ethernet source 00:00:5e:00:01:01
    CHECK_EQ(sent.frame[58] & 0xa0, 0xa0);  // router and override
  }
  CHECK_EQ(seen, 3U);  // at promotion and after one and two intervals
  CHECK(!lan.net.forwarding(b, 0));
  CHECK(lan.net.neighbour(lan.client, kVip6) == wire::virtual_mac(1));
  CHECK_NO_VIOLATION(lan.net);
}

TEST(f9_state_backup_then_master_on_a_single_host) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 100)});
  lan.net.run_for(seconds{4});
  CHECK_STATE(lan.net, a, kMaster);
  lan.net.admin(a, 0, AdminAction::kBackup);
  CHECK_STATE(lan.net, a, kMaster);  // forwards until somebody else does, or the limit
  lan.net.run_for(seconds{2});
  CHECK_STATE(lan.net, a, kBackup);
  lan.net.admin(a, 0, AdminAction::kMaster);
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_EQ(lan.net.vhost(a, 0)->cause(), Cause::kUserRequest);
  CHECK_NO_VIOLATION(lan.net);
}

namespace {

// N1: 10.1.1.1 skew 0, 10.1.1.2 skew 200, vhid 175; N4 the same on fd00:1::/64.
struct HandoverPair {
  Network net;
  sim::SegmentId segment = net.add_segment();
  sim::HostId a = net.add_host();
  sim::HostId b = net.add_host();
  wire::IpAddress vip;
  sim::ClientId client;
  sim::PingId ping;

  explicit HandoverPair(bool v6)
      : vip(v6 ? ip6(0xfd00, 100) : ip4(10, 1, 1, 100)),
        client(net.add_client(segment, mac(9), v6 ? ip6(0xfd00, 9) : ip4(10, 1, 1, 9))) {
    for (const sim::HostId host : {a, b}) {
      const auto n = static_cast<std::uint8_t>(host + 1);
      net.add_carpdev(host, segment,
                      {.mac = mac(n),
                       .addresses = {prefix(ip4(10, 1, 1, n), 24), prefix(ip6(0xfd00, n), 64),
                                     prefix(ip6(0xfe80, n), 64)}});
      net.add_vhost(host, 0,
                    {.vhid = 175,
                     .advskew = static_cast<std::uint8_t>(host == a ? 0 : 200),
                     .key = key("s3cret"),
                     .vips = {prefix(vip, v6 ? 64 : 24)}});
      net.boot(host);
    }
    net.run_for(seconds{4});
    ping = net.ping(client, vip, seconds{1});
    net.run_for(milliseconds{2'500});
  }
};

}  // namespace

TEST(n1_the_skew_decides_and_the_vip_answers_within_three_seconds) {
  HandoverPair pair(false);
  CHECK_STATE(pair.net, pair.a, kMaster);
  CHECK_STATE(pair.net, pair.b, kBackup);
  CHECK_EQ(pair.net.ping_result(pair.ping).lost, 0U);
  CHECK_EQ(pair.net.ping_result(pair.ping).answered, 3U);
  CHECK_NO_VIOLATION(pair.net);
}

// N2 the host halts, N3 its interface goes down; N4 both for IPv6.
TEST(n2_n3_n4_the_backup_answers_within_five_tries) {
  for (const bool v6 : {false, true}) {
    for (const bool halt : {true, false}) {
      HandoverPair pair(v6);
      const Instant failed = pair.net.now();
      if (halt) {
        pair.net.crash(pair.a);
      } else {
        pair.net.set_admin_up(pair.a, 0, false);
      }
      pair.net.run_for(seconds{5});
      CHECK_STATE(pair.net, pair.a, kInit);
      CHECK_STATE(pair.net, pair.b, kMaster);
      const sim::PingResult result = pair.net.ping_result(pair.ping);
      CHECK(result.lost > 0 && result.lost < 5);
      REQUIRE(result.last_lost.has_value());
      CHECK(*result.last_lost - failed < seconds{5});
      CHECK_NO_VIOLATION(pair.net);
    }
  }
}

TEST(o1_o3_skew_decides_with_physical_mac_with_unicast_peers_and_with_both) {
  for (const bool physical : {false, true}) {
    for (const bool unicast : {false, true}) {
      Lan lan;
      const core::HostOptions options{.router = false};
      core::VhostConfig config = vhid(251, 0);
      config.profile = core::Profile::kOpenbsd;
      if (physical) config.mac = core::MacMode::kPhysical;
      if (unicast) config.peers = {ip4(192, 168, 1, 3)};
      core::VhostConfig other = config;
      other.advskew = 100;
      if (unicast) other.peers = {ip4(192, 168, 1, 2)};
      const auto a = lan.booted(2, {config}, options);
      const auto b = lan.booted(3, {other}, options);
      lan.net.run_for(milliseconds{3'100});
      CHECK_STATE(lan.net, a, kMaster);
      CHECK_STATE(lan.net, b, kBackup);
      // O2: the demotion of A's group, preempt off.
      lan.net.command(a,
                      [](core::Host& host, Instant now) { host.handle_demotion(now, "group", 1); });
      lan.net.run_for(milliseconds{100});
      CHECK_STATE(lan.net, a, kBackup);
      CHECK_STATE(lan.net, b, kMaster);
      CHECK_EQ(lan.net.vhost(b, 0)->cause(), Cause::kMasterMoreDemoted);
      CHECK_EQ(lan.net.vhost(a, 0)->cause(), Cause::kLessDemoted);
      CHECK(lan.net.neighbour(lan.client, kVip) == (physical ? mac(3) : wire::virtual_mac(251)));
      CHECK_NO_VIOLATION(lan.net);
    }
  }
}

// Dead links, demotion across segments, and sends that fail (spec 4.7, 5.4; P15, P16, P18).
#include "crafted.h"

using namespace carp;
using namespace carp::test;

namespace {

constexpr core::HostOptions kPreempt{.preempt = true};

// Two routers on two segments: vhid 1 on eth0, vhid 2 on eth1; A is the faster on both.
struct TwoSegments {
  Network net;
  sim::SegmentId segments[2] = {net.add_segment(), net.add_segment()};
  sim::HostId a = add(2, 0);
  sim::HostId b = add(3, 100);

  sim::HostId add(std::uint8_t n, std::uint8_t skew) {
    const sim::HostId host = net.add_host(kPreempt);
    for (const std::uint8_t side : {std::uint8_t{0}, std::uint8_t{1}}) {
      net.add_carpdev(host, segments[side],
                      {.mac = mac(static_cast<std::uint8_t>(n + 16 * side)),
                       .addresses = {{ip4(192, 168, side, n), 24}}});
      net.add_vhost(host, side,
                    vhid(static_cast<std::uint8_t>(side + 1), skew, {ip4(192, 168, side, 1)}));
    }
    net.boot(host);
    return host;
  }
};

std::vector<std::string> reasons(const Network& net, sim::HostId host) {
  std::vector<std::string> out;
  for (const auto& reason : net.core(host)->demotion_reasons()) out.emplace_back(reason.text());
  return out;
}

}  // namespace

TEST(p15_p16_a_dead_link_demotes_the_other_segment_at_once_and_comes_back) {
  TwoSegments two;
  two.net.run_for(milliseconds{10'300});
  CHECK_EQ(two.net.state(two.a, 0), VhostState::kMaster);
  CHECK_EQ(two.net.state(two.a, 1), VhostState::kMaster);
  const Instant pulled = two.net.now();
  two.net.set_plugged(two.net.port(two.a, 0), false);
  two.net.run_for(milliseconds{1});
  CHECK_EQ(two.net.state(two.a, 0), VhostState::kInit);
  CHECK_EQ(two.net.vhost(two.a, 0)->cause(), Cause::kLinkDown);
  CHECK(reasons(two.net, two.a) == std::vector<std::string>{"link:eth0"});
  // vhid 2: advertised at once with 240, taken 50 us later, yielded 50 us after that.
  const auto sent = advertisements(two.net, two.a, pulled);
  REQUIRE(sent.size() == 1);
  CHECK_EQ(sent[0].at.us, pulled.us);
  CHECK_EQ(sent[0].vhost, 1);
  CHECK_EQ(said(sent[0]).advskew, 240);
  CHECK_EQ((last_change(two.net, two.b, VhostState::kMaster, 1)->at - pulled).count(), 50);
  CHECK_EQ((last_change(two.net, two.a, VhostState::kBackup, 1)->at - pulled).count(), 100);
  // vhid 1: T_down after A's last advertisement.
  two.net.run_for(seconds{5});
  CHECK_EQ(two.net.state(two.b, 0), VhostState::kMaster);
  CHECK(last_change(two.net, two.b, VhostState::kMaster, 0)->at - pulled <= Duration{3'390'625});
  const Instant back = two.net.now();
  two.net.set_plugged(two.net.port(two.a, 0), true);
  two.net.run_for(Duration{3'000'000 + 1'390'625});
  CHECK_EQ(two.net.state(two.a, 0), VhostState::kMaster);
  CHECK_EQ(two.net.state(two.a, 1), VhostState::kMaster);
  CHECK_EQ(two.net.state(two.b, 0), VhostState::kBackup);
  CHECK_EQ(two.net.state(two.b, 1), VhostState::kBackup);
  CHECK_EQ(two.net.core(two.a)->demotion_total(), 0);
  CHECK(last_change(two.net, two.a, VhostState::kMaster, 1)->at - back <= Duration{1'390'700});
  CHECK_NO_VIOLATION(two.net);
}

TEST(a_dead_carpdev_demotes_once_and_only_where_a_vhid_should_run) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0), vhid(2, 0, {ip4(192, 168, 1, 5)})});
  lan.net.set_plugged(lan.port(a), false);
  lan.net.run_for(seconds{1});
  CHECK_EQ(lan.net.core(a)->demotion_total(), 240);
  lan.net.admin(a, 0, AdminAction::kDown);
  CHECK_EQ(lan.net.core(a)->demotion_total(), 240);
  lan.net.admin(a, 1, AdminAction::kDown);
  CHECK_EQ(lan.net.core(a)->demotion_total(), 0);
  lan.net.admin(a, 1, AdminAction::kUp);
  CHECK_EQ(lan.net.core(a)->demotion_total(), 240);
  lan.net.command(a, [](core::Host& host, Instant now) { host.remove_vhost(now, 1); });
  CHECK_EQ(lan.net.core(a)->demotion_total(), 0);
}

TEST(a_repeated_link_event_changes_nothing) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(seconds{5});
  lan.net.set_plugged(lan.port(a), true);
  lan.net.set_admin_up(a, 0, true);
  lan.net.run_for(seconds{1});
  CHECK_EQ(count_changes(lan.net, a), 2U);
  CHECK_STATE(lan.net, a, kMaster);
}

TEST(link_down_and_up_have_their_causes) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(seconds{5});
  lan.net.set_plugged(lan.port(a), false);
  lan.net.run_for(milliseconds{1});
  CHECK_STATE(lan.net, a, kInit);
  CHECK(!lan.net.forwarding(a, 0));
  lan.net.set_plugged(lan.port(a), true);
  lan.net.run_for(milliseconds{1});
  CHECK_STATE(lan.net, a, kBackup);
  CHECK_EQ(lan.net.vhost(a, 0)->cause(), Cause::kLinkUp);
  lan.net.run_for(seconds{3});
  CHECK_STATE(lan.net, a, kMaster);
}

TEST(p18_three_send_errors_demote_and_the_other_segment_moves) {
  TwoSegments two;
  two.net.run_for(milliseconds{10'300});
  const Instant start = two.net.now();
  two.net.set_send_failure(two.a, 0, true);
  two.net.run_for(milliseconds{2'600});  // failures at 11 s and 12 s
  CHECK_EQ(two.net.core(two.a)->demotion_total(), 0);
  two.net.run_for(milliseconds{200});  // and 13 s
  CHECK(reasons(two.net, two.a) == std::vector<std::string>{"send:eth0"});
  CHECK_EQ(two.net.core(two.a)->demotion_total(), 240);
  CHECK_EQ(two.net.state(two.b, 1), VhostState::kMaster);
  CHECK_EQ((last_change(two.net, two.b, VhostState::kMaster, 1)->at - start).count(),
           2'700'000 + 50);
  CHECK(counter(two.net, two.a, core::VhostCounter::kOerrors) >= 3);
  // B takes vhid 1 too; A, BACKUP there, sends nothing but its probes, and they fail.
  two.net.run_for(seconds{10});
  CHECK_EQ(two.net.state(two.a, 0), VhostState::kBackup);
  CHECK_EQ(two.net.core(two.a)->demotion_total(), 240);
  // Sending works again: three probes, a second apart, clear it, and A takes both back.
  two.net.set_send_failure(two.a, 0, false);
  const Instant works = two.net.now();
  two.net.run_for(milliseconds{3'001});
  CHECK_EQ(two.net.core(two.a)->demotion_total(), 0);
  CHECK_EQ(count_kind(two.net, two.a, core::TransmitKind::kProbe, works), 3U);
  two.net.run_for(seconds{2});
  CHECK_EQ(two.net.state(two.a, 0), VhostState::kMaster);
  CHECK_EQ(two.net.state(two.a, 1), VhostState::kMaster);
  for (const sim::Sent& sent : two.net.sent()) {
    if (sent.kind != core::TransmitKind::kProbe || sent.at < works) continue;
    const auto arp = wire::parse_arp(sent.frame);
    if (arp && arp->is_gratuitous()) {
      CHECK(arp->sender_mac == mac(2));
      CHECK(wire::IpAddress::from(arp->sender) == ip4(192, 168, 0, 2));
    }
  }
  CHECK_NO_VIOLATION(two.net);
}

TEST(a_success_between_failures_forgets_them) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(milliseconds{10'500});
  for (int i = 0; i < 5; ++i) {
    lan.net.set_send_failure(a, 0, true);
    lan.net.run_for(seconds{2});
    lan.net.set_send_failure(a, 0, false);
    lan.net.run_for(seconds{1});
  }
  CHECK_EQ(lan.net.core(a)->demotion_total(), 0);
  CHECK_EQ(counter(lan.net, a, core::VhostCounter::kOerrors), 10U);
}

TEST(a_link_that_dies_takes_over_from_the_send_errors) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(milliseconds{10'500});
  lan.net.set_send_failure(a, 0, true);
  lan.net.run_for(seconds{5});
  CHECK(reasons(lan.net, a) == std::vector<std::string>{"send:eth0"});
  lan.net.set_plugged(lan.port(a), false);
  lan.net.run_for(seconds{1});
  CHECK(reasons(lan.net, a) == std::vector<std::string>{"link:eth0"});
  lan.net.set_send_failure(a, 0, false);
  lan.net.set_plugged(lan.port(a), true);
  lan.net.run_for(seconds{1});
  CHECK_EQ(lan.net.core(a)->demotion_total(), 0);
}

TEST(an_unreachable_unicast_peer_is_not_our_fault) {
  Lan lan;
  core::VhostConfig config = vhid(1, 0);
  config.peers = {ip4(192, 168, 1, 3)};
  const auto a = lan.booted(2, {config});
  lan.net.run_for(seconds{20});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_EQ(lan.net.core(a)->demotion_total(), 0);
  CHECK(counter(lan.net, a, core::VhostCounter::kOerrors) > 10);
}

TEST(one_way_loss_ends_as_one_master_when_it_is_mended) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 100)});
  lan.net.run_for(seconds{10});
  lan.net.set_blocked(lan.port(a), lan.port(b), true);
  lan.net.run_for(seconds{10});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kMaster);  // hears nobody
  lan.net.set_blocked(lan.port(a), lan.port(b), false);
  lan.net.run_for(seconds{2});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  CHECK_NO_VIOLATION(lan.net);
}

TEST(counters_rise_over_crash_and_takeover_and_continue_the_highest_heard) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)}, kPreempt);
  const auto b = lan.booted(3, {vhid(1, 100)}, kPreempt);
  for (int i = 0; i < 5; ++i) {
    lan.net.run_for(seconds{6});
    lan.net.crash(a);
    lan.net.run_for(seconds{6});
    lan.net.boot(a);
  }
  lan.net.run_for(seconds{10});
  CHECK_NO_VIOLATION(lan.net);  // strictly rising, each host over all its boots
  // max(own, heard) + 1: never the number just heard, and never lowered by an older one.
  const auto client = lan.net.client_port(lan.client);
  const std::uint64_t high = lan.net.vhost(a, 0)->counter() + 1'000'000;
  lan.net.inject(client, craft({.skew = 200, .counter = high}));
  lan.net.run_for(milliseconds{1});
  CHECK_EQ(said(advertisements(lan.net, a).back()).counter, high + 1);
  lan.net.inject(client, craft({.skew = 200, .counter = 5}));
  lan.net.run_for(seconds{1});
  CHECK(said(advertisements(lan.net, a).back()).counter >= high + 2);
  CHECK(counter(lan.net, a, core::VhostCounter::kReplayed) <= 1);
  CHECK_EQ(lan.net.state(b, 0), VhostState::kBackup);
}

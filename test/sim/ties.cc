// Equal intervals (spec 4.5): the lower address keeps MASTER, and there are never two for long,
// whoever the peer is.
#include "crafted.h"

using namespace carp;
using namespace carp::test;

namespace {

// A peer with the same interval that advertises every second whatever it hears, as a UCarp does
// that ranks the addresses the other way round.
void advertise_stubbornly(Lan& lan, Instant from, int count, Crafted c = {}) {
  for (int i = 0; i < count; ++i) {
    c.counter = 1000 + static_cast<std::uint64_t>(i);
    lan.net.inject_at(from + seconds{i}, lan.net.client_port(lan.client), craft(c));
  }
}

}  // namespace

// Two equal hosts: the first has the lower IPv4 and the higher IPv6 address.
static void boot_dual_stack_equals(Network& net, sim::SegmentId segment) {
  for (const sim::HostId host : {0U, 1U}) {
    net.add_host();
    const auto low = static_cast<std::uint8_t>(host + 2);
    const auto high = static_cast<std::uint16_t>(9 - host);
    net.add_carpdev(
        host, segment,
        {.mac = mac(low), .addresses = {{ip4(192, 168, 1, low), 24}, {ip6(0xfe80, high), 64}}});
    net.add_vhost(host, 0, vhid(1, 0, {kVip, kVip6}));
    net.boot(host);
  }
}

TEST(a_peer_that_keeps_advertising_at_equal_interval_is_yielded_to_after_two) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(milliseconds{10'500});
  const Instant start = lan.net.now();
  advertise_stubbornly(lan, start, 10);  // 192.168.1.77 is the higher address
  lan.net.run_for(seconds{9});
  CHECK_STATE(lan.net, a, kBackup);
  const auto* down = last_change(lan.net, a, VhostState::kBackup);
  CHECK_EQ(down->cause, Cause::kPeerKeepsClaim);
  CHECK(down->at - start <= seconds{3} + Duration{50});
  // It has had our immediate answer and two periodic advertisements.
  CHECK(advertisements(lan.net, a, start).size() >= 3);
  CHECK(advertisements(lan.net, a, start).size() <= 4);
  CHECK_EQ(count_changes(lan.net, a, start), 1U);
}

TEST(an_equal_peer_with_a_lower_address_is_yielded_to_at_once) {
  Lan lan;
  const auto a = lan.booted(200, {vhid(1, 0)});
  lan.net.run_for(milliseconds{10'500});
  lan.net.inject(lan.net.client_port(lan.client), craft({}));
  lan.net.run_for(Duration{50});
  CHECK_STATE(lan.net, a, kBackup);
  CHECK_EQ(lan.net.vhost(a, 0)->cause(), Cause::kEqualFromLower);
}

TEST(addresses_are_compared_as_numbers_not_as_reversed_octets) {
  // 10.9.1.2 is lower than 10.9.2.1, though a little-endian UCarp thinks otherwise.
  Network net;
  const auto segment = net.add_segment();
  for (const wire::IpAddress& own : {ip4(10, 9, 1, 2), ip4(10, 9, 2, 1)}) {
    const auto host = net.add_host();
    net.add_carpdev(host, segment,
                    {.mac = mac(static_cast<std::uint8_t>(host)), .addresses = {{own, 16}}});
    net.add_vhost(host, 0, vhid(1, 0, {ip4(10, 9, 0, 1)}));
    net.boot(host);
  }
  net.run_for(seconds{10});
  CHECK_STATE(net, 0, kMaster);
  CHECK_STATE(net, 1, kBackup);
  CHECK_NO_VIOLATION(net);
}

// A has the lower IPv4 address and the higher IPv6 address: judged on both families, each would
// lose one and both would yield.
TEST(a_dual_stack_tie_is_judged_on_ipv4_alone) {
  for (const bool lose_v6 : {false, true}) {
    Network net;
    const auto segment = net.add_segment();
    for (const sim::HostId host : {0U, 1U}) {
      net.add_host();
      const auto low = static_cast<std::uint8_t>(host + 2);
      const auto high = static_cast<std::uint16_t>(9 - host);
      net.add_carpdev(
          host, segment,
          {.mac = mac(low), .addresses = {{ip4(192, 168, 1, low), 24}, {ip6(0xfe80, high), 64}}});
      net.add_vhost(host, 0, vhid(1, 0, {kVip, kVip6}));
      net.boot(host);
    }
    if (lose_v6) net.set_filter(segment, [](auto, auto, auto frame) { return frame[12] != 0x86; });
    net.run_for(seconds{30});
    CHECK_STATE(net, 0, kMaster);
    CHECK_STATE(net, 1, kBackup);
    CHECK_EQ(count_changes(net, 0), 2U);
    CHECK_EQ(count_changes(net, 1), 3U);
    CHECK_NO_VIOLATION(net);
  }
}

// Found by the random runs: the IPv6 advertisement came first, and was judged alone.
TEST(a_lost_or_overtaken_ipv4_advertisement_does_not_hand_the_tie_to_ipv6) {
  Network net;
  const auto segment = net.add_segment();
  boot_dual_stack_equals(net, segment);
  int lost = 0;
  net.set_filter(segment, [&](sim::PortId from, sim::PortId, auto frame) {
    const bool advertisement = frame[12] == 0x08 && frame[13] == 0x00;
    return !(advertisement && from == 1 && lost++ < 1);
  });
  net.run_for(seconds{10});
  CHECK_STATE(net, 0, kMaster);
  CHECK_STATE(net, 1, kBackup);
  CHECK_EQ(count_changes(net, 0), 2U);
  CHECK_NO_VIOLATION(net);
}

TEST(a_dual_stack_tie_without_ipv4_is_judged_on_ipv6) {
  Network net;
  const auto segment = net.add_segment();
  boot_dual_stack_equals(net, segment);
  net.set_filter(segment, [](auto, auto, auto frame) { return frame[12] == 0x86; });
  net.run_for(seconds{30});
  CHECK_STATE(net, 0, kBackup);
  CHECK_STATE(net, 1, kMaster);
  CHECK_NO_VIOLATION(net);
}

TEST(two_hosts_at_the_demotion_clamp_do_not_yield_to_each_other) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 100)});
  lan.net.run_for(seconds{5});
  for (const sim::HostId host : {a, b}) {
    lan.net.command(host, [](core::Host& h, Instant now) { h.handle_demotion(now, "x", 500); });
  }
  lan.net.run_for(seconds{30});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  CHECK_EQ(said(advertisements(lan.net, a).back()).advskew, 240);
  CHECK_EQ(count_changes(lan.net, b), 1U);
}

TEST(a_ucarp_winner_gets_a_last_word_from_the_physical_mac) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 100)});
  lan.net.run_for(seconds{10});
  const Instant start = lan.net.now();
  lan.net.inject(lan.net.client_port(lan.client),
                 craft({.ethernet_source = {{0, 0, 0x5e, 0, 0, 1}}, .skew = 0}));
  lan.net.run_for(milliseconds{1});
  CHECK_STATE(lan.net, a, kBackup);
  const auto sent = advertisements(lan.net, a, start);
  REQUIRE(sent.size() == 1);
  const auto last = sent[0].advertisement();
  CHECK(last->ethernet_source == mac(2));
  CHECK_EQ(said(sent[0]).advskew, 100);
  CHECK_EQ(said(sent[0]).counter, 6U);  // the sixth that we sent, and above the 1 just heard
  CHECK_NO_VIOLATION(lan.net);
}

TEST(a_winner_with_the_virtual_mac_gets_a_question_and_no_last_word) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 100)});
  lan.net.run_for(seconds{10});
  const Instant start = lan.net.now();
  lan.net.inject(lan.net.client_port(lan.client), craft({.skew = 0}));
  lan.net.run_for(milliseconds{1});
  CHECK_STATE(lan.net, a, kBackup);
  CHECK(advertisements(lan.net, a, start).empty());
  std::size_t questions = 0;
  for (const sim::Sent& sent : lan.net.sent()) {
    if (sent.host != a || sent.at < start) continue;
    const auto arp = wire::parse_arp(sent.frame);
    REQUIRE(arp.has_value());
    ++questions;
    CHECK(arp->ethernet_source == mac(2));
    CHECK(arp->sender_mac == mac(2));
    CHECK(wire::IpAddress::from(arp->sender) == ip4(192, 168, 1, 2));
    CHECK(wire::IpAddress::from(arp->target) == kVip);
    CHECK(!arp->is_gratuitous());
  }
  CHECK_EQ(questions, 1U);
}

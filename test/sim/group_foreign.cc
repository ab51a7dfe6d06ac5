// The group take-over among hosts that are not ours, with forged and unknown senders, over IPv6 and
// with unicast peers.
#include "group_lab.h"

using namespace carp;
using namespace carp::test;

namespace {

constexpr Duration kSettled = milliseconds{10'300};
const wire::MacAddress kUcarpMac{{0, 0, 0x5e, 0, 0, 2}};

}  // namespace

// Segment 1's master is a UCarp or a BSD. It knows nothing of any of this, but its kernel answers.
TEST(a_healthy_ucarp_or_bsd_master_stays_and_a_dead_one_is_followed) {
  for (const wire::MacAddress& source : {kUcarpMac, wire::virtual_mac(2)}) {
    Routers r;
    Foreign foreign(r, 1, 77, 0, source);
    r.net.set_tap([&](Instant, sim::SegmentId segment, std::span<const std::uint8_t> frame) {
      foreign.hear(segment, frame);
    });
    const auto a = r.add(2, {0, 50});
    const auto b = r.add(3, {100, 100});
    r.net.run_for(kSettled);
    CHECK(r.is_master(a, 0) && r.is_backup(a, 1) && r.is_backup(b, 1));
    Instant start = r.net.now();
    r.demote(a, 240);
    r.net.run_for(seconds{2});
    CHECK(r.is_master(b, 0));
    CHECK_EQ(changes_of(r.net, 2, start), 0U);
    CHECK_EQ(counter(r.net, b, core::VhostCounter::kGroupAnswered, 1), 1U);
    // The same with its cable out: A's is out as well, as far as B can tell.
    r.demote(a, 0);
    r.net.run_for(seconds{3});
    CHECK(r.is_master(a, 0));
    foreign.alive = false;
    start = r.net.now();
    r.demote(a, 240);
    r.net.run_for(milliseconds{10});
    CHECK(r.is_master(b, 1));
    CHECK_EQ(r.net.vhost(b, 1)->cause(), Cause::kGroupTakeover);
    CHECK(taken_after(r.net, b, 1, start) <= milliseconds{10});
  }
}

// A BSD that has lost its cable on segment 1 says 240 on segment 0; OpenBSD counts instead.
TEST(a_failed_bsd_is_followed_on_its_dead_segment) {
  for (const bool openbsd : {false, true}) {
    const Routers::Edit profile = [&](std::size_t, core::VhostConfig& config) {
      if (openbsd) config.profile = core::Profile::kOpenbsd;
    };
    Routers r;
    Foreign first(r, 0, 77, 0, wire::virtual_mac(1));
    Foreign second(r, 1, 78, 0, wire::virtual_mac(2));
    r.net.set_tap([&](Instant, sim::SegmentId segment, std::span<const std::uint8_t> frame) {
      first.hear(segment, frame);
      second.hear(segment, frame);
    });
    const auto b = r.add(3, {100, 100}, kGroupOptions, profile);
    r.net.run_for(kSettled);
    CHECK(r.is_backup(b, 0) && r.is_backup(b, 1));
    second.alive = false;
    if (openbsd) {
      first.advert().pad = 1;
    } else {
      first.advert().skew = 240;
    }
    const Instant start = r.net.now();
    first.advertise();
    r.net.run_for(milliseconds{10});
    CHECK(r.is_master(b, 0) && r.is_master(b, 1));
    CHECK(taken_after(r.net, b, 1, start) <= milliseconds{10});
    CHECK_NO_VIOLATION(r.net);
  }
}

TEST(a_farewell_is_no_demotion_of_the_group) {
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {100, 100});
  r.net.run_for(kSettled);
  const Instant start = r.net.now();
  r.net.admin(a, 0, AdminAction::kDown);
  r.net.run_for(milliseconds{500});
  CHECK(r.is_master(b, 0));
  CHECK(r.is_master(a, 1));
  CHECK_EQ(changes_of(r.net, 2, start), 0U);
  for (const Question& question : questions(r.net, b, start)) {
    CHECK(question.target != Routers::address(1, 2));
  }
}

// --- forged and unknown ----------------------------------------------------------------------

TEST(a_forged_demotion_does_nothing_and_one_from_an_unknown_host_only_asks) {
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {100, 100});
  const auto attacker =
      r.net.client_port(r.net.add_client(r.segments[0], mac(200), Routers::address(0, 200)));
  r.net.run_for(kSettled);
  const Crafted valid{.source = Routers::address(0, 200),
                      .skew = 240,
                      .counter = 1000,
                      .password = kManualPassword,
                      .vips = {Routers::vip(0)}};
  Instant start = r.net.now();
  std::vector<Crafted> forged(6, valid);
  forged[0].spoil_digest = true;
  forged[1].password = "otherpass";
  forged[2].ttl = 254;
  forged[3].vips = {Routers::vip(1)};
  forged[4].spoil_checksum = true;
  forged[5].version = 3;
  for (const Crafted& frame : forged) {
    for (const std::uint8_t pad : {std::uint8_t{0}, std::uint8_t{255}}) {
      Crafted copy = frame;
      copy.pad = pad;
      r.net.inject(attacker, craft(copy));
    }
    r.net.run_for(milliseconds{20});
  }
  CHECK_EQ(changes_of(r.net, 1, start) + changes_of(r.net, 2, start), 0U);
  CHECK(questions(r.net, b, start).empty());
  CHECK_EQ(r.net.core(a)->demotion_total() + r.net.core(b)->demotion_total(), 0);
  // Who has the password can do to vhid 1 what CARP lets anybody do who has it; vhid 2 is only
  // asked for, and A answers. A takes vhid 1 back at B's advertisement.
  start = r.net.now();
  r.net.inject(attacker, craft(valid));
  r.net.run_for(seconds{3});
  CHECK_EQ(questions(r.net, b, start).size() > 0, true);
  CHECK(r.is_master(a, 0) && r.is_master(a, 1));
  CHECK_EQ(changes_of(r.net, 2, start), 0U);
  CHECK_EQ(r.net.core(a)->demotion_total() + r.net.core(b)->demotion_total(), 0);
  CHECK_NO_VIOLATION(r.net);
}

// Nobody but the one who was asked can answer in its place by chance; a reply from another address
// is no answer, and one for A's is taken from whoever says it (it only keeps the old state).
TEST(an_answer_from_another_host_is_no_answer) {
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {100, 100});
  const auto other =
      r.net.client_port(r.net.add_client(r.segments[0], mac(200), Routers::address(0, 200)));
  r.net.run_for(kSettled);
  r.pull(a, 0);
  r.net.run_for(milliseconds{1});
  const wire::Arp reply{.operation = wire::ArpOperation::kReply,
                        .ethernet_source = mac(200),
                        .ethernet_destination = mac(3),
                        .sender_mac = mac(200),
                        .sender = Routers::address(0, 200).v4(),
                        .target_mac = mac(3),
                        .target = Routers::address(0, 3).v4()};
  sim::Frame frame(wire::kArpFrame);
  wire::write_arp(frame, reply);
  r.net.inject(other, frame);
  r.net.run_for(milliseconds{9});
  CHECK(r.is_master(b, 0));
}

// --- IPv6 and unicast ------------------------------------------------------------------------

TEST(ipv6_only_vhids_ask_by_neighbour_solicitation) {
  const Routers::Edit only6 = [](std::size_t segment, core::VhostConfig& config) {
    config.vips = {{Routers::vip6(segment), 64}};
  };
  for (const bool healthy_third : {false, true}) {
    Routers r;
    const auto a = r.add(2, {0, 50}, kGroupOptions, only6);
    const auto b = r.add(3, {100, 100}, kGroupOptions, only6);
    const auto c = healthy_third ? r.add(4, {200, 0}, kGroupOptions, only6) : a;
    r.net.run_for(kSettled);
    const Instant start = r.net.now();
    r.pull(a, 1);
    r.net.run_for(milliseconds{10});
    CHECK(r.is_master(b, 0));
    CHECK_EQ(r.is_master(b, 1), !healthy_third);
    const auto asked = questions(r.net, b, start);
    REQUIRE(asked.size() == (healthy_third ? 1U : 2U));
    CHECK_EQ(asked[0].segment, r.segments[1]);
    CHECK(asked[0].target == ip6(0xfe80, static_cast<std::uint16_t>(16 + (healthy_third ? 4 : 2))));
    if (healthy_third) {
      r.net.run_for(seconds{5});
      CHECK(r.is_master(c, 1));
      CHECK_EQ(reigns(r.net, 2, start).most, 1U);
    }
    CHECK_NO_VIOLATION(r.net);
  }
}

TEST(a_dual_stack_vhid_is_followed_once_and_a_lost_family_does_not_hide_the_answer) {
  const Routers::Edit dual = [](std::size_t segment, core::VhostConfig& config) {
    config.vips.push_back({Routers::vip6(segment), 64});
  };
  Routers r;
  const auto a = r.add(2, {0, 0}, kGroupOptions, dual);
  const auto b = r.add(3, {100, 100}, kGroupOptions, dual);
  r.net.run_for(kSettled);
  const Instant pulled = r.net.now();
  r.pull(a, 0);
  r.net.run_for(milliseconds{10});
  CHECK(r.is_master(b, 0) && r.is_master(b, 1));
  CHECK_EQ(changes_of(r.net, 1, pulled), 2U);
  CHECK_NO_VIOLATION(r.net);
}

// On the segment a unicast peer is asked like any other. Behind a router it cannot be: ARP ends
// there, so its silence would say nothing, and the down time decides.
TEST(a_unicast_master_is_asked_on_its_segment_and_waited_for_behind_a_router) {
  for (const bool routed : {false, true}) {
    Network net;
    const sim::SegmentId lan = net.add_segment();
    const sim::SegmentId left = net.add_segment();
    const sim::SegmentId right = routed ? net.add_segment() : left;
    const auto there = [&](std::uint8_t n) {
      return ip4(10, static_cast<std::uint8_t>(routed ? n : 1), 0, n);
    };
    const auto add = [&](std::uint8_t n, std::uint8_t skew, sim::SegmentId other) {
      const sim::HostId host = net.add_host(kGroupOptions);
      net.add_carpdev(host, lan, {.mac = mac(n), .addresses = {{ip4(192, 168, 1, n), 24}}});
      net.add_carpdev(
          host, other,
          {.mac = mac(static_cast<std::uint8_t>(n + 16)), .addresses = {{there(n), 24}}});
      net.add_vhost(host, 0, vhid(1, skew));
      core::VhostConfig unicast = vhid(2, skew, {ip4(10, 9, 9, 9)});
      unicast.peers = {there(n == 2 ? 3 : 2)};
      net.add_vhost(host, 1, unicast);
      net.boot(host);
      return host;
    };
    const sim::HostId a = add(2, 0, left);
    const sim::HostId b = add(3, 100, right);
    net.run_for(kSettled);
    CHECK_EQ(net.state(a, 1), VhostState::kMaster);
    CHECK_EQ(net.state(b, 1), VhostState::kBackup);
    const Instant pulled = net.now();
    net.set_plugged(net.port(a, 1), false);
    net.run_for(milliseconds{10});
    CHECK_EQ(net.state(b, 0), VhostState::kMaster);
    CHECK_EQ(net.state(b, 1), routed ? VhostState::kBackup : VhostState::kMaster);
    CHECK_EQ(questions(net, b, pulled).size(), routed ? 0U : 2U);
    net.run_for(seconds{4});
    CHECK_EQ(net.state(b, 1), VhostState::kMaster);
    CHECK_NO_VIOLATION(net);
  }
}

// Without an address of its own the host cannot be answered, so it does not ask.
TEST(a_host_without_an_address_on_the_dead_segment_waits) {
  Network net;
  const sim::SegmentId segments[2] = {net.add_segment(), net.add_segment()};
  const auto add = [&](std::uint8_t n, std::uint8_t skew) {
    const sim::HostId host = net.add_host(kGroupOptions);
    for (std::uint8_t s = 0; s < 2; ++s) {
      core::CarpdevConfig dev{.mac = mac(static_cast<std::uint8_t>(n + 16 * s)), .addresses = {}};
      if (s == 1 || n == 2) dev.addresses.push_back({Routers::address(s, n), 24});
      net.add_carpdev(host, segments[s], dev);
      net.add_vhost(host, s, Routers::vhost(s, skew));
    }
    net.boot(host);
    return host;
  };
  const sim::HostId a = add(2, 0);
  const sim::HostId b = add(3, 100);
  net.run_for(kSettled);
  const Instant pulled = net.now();
  net.set_plugged(net.port(a, 0), false);
  net.run_for(milliseconds{10});
  CHECK_EQ(net.state(b, 1), VhostState::kMaster);
  CHECK_EQ(net.state(b, 0), VhostState::kBackup);
  CHECK(questions(net, b, pulled).empty());
  net.run_for(seconds{4});
  CHECK_EQ(net.state(b, 0), VhostState::kMaster);
}

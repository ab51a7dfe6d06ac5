// The scenarios of spec 10.2 on virtual time. P4, P5, P6, P18 and the ties have files of their own
// beside this one where they need more room.
#include "crafted.h"

using namespace carp;
using namespace carp::test;

TEST(p1_silence_for_three_seconds_then_advertisement_and_arp) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_until(at(seconds{3}) - Duration{1});
  CHECK(lan.net.sent().empty());
  CHECK_STATE(lan.net, a, kBackup);
  lan.net.run_until(at(seconds{3}));
  CHECK_STATE(lan.net, a, kMaster);
  REQUIRE(lan.net.sent().size() == 2);
  const sim::Sent& advertisement = lan.net.sent()[0];
  const sim::Sent& announcement = lan.net.sent()[1];
  CHECK_EQ(advertisement.kind, core::TransmitKind::kAdvertisement);
  CHECK_EQ(announcement.kind, core::TransmitKind::kAnnouncement);
  CHECK_EQ(advertisement.at.us, 3'000'000);
  const auto arp = wire::parse_arp(announcement.frame);
  REQUIRE(arp.has_value());
  CHECK(arp->operation == wire::ArpOperation::kRequest);
  CHECK(arp->is_gratuitous());
  CHECK(wire::IpAddress::from(arp->sender) == kVip);
  CHECK(arp->sender_mac == wire::virtual_mac(1));
  CHECK(arp->ethernet_source == wire::virtual_mac(1));
  CHECK(arp->ethernet_destination == wire::kBroadcastMac);
  // Announced again after one and two intervals, and then no more.
  lan.net.run_for(seconds{20});
  std::vector<std::int64_t> times;
  for (const sim::Sent& sent : lan.net.sent()) {
    if (sent.kind == core::TransmitKind::kAnnouncement) times.push_back(sent.at.us);
  }
  CHECK(times == (std::vector<std::int64_t>{3'000'000, 4'000'000, 5'000'000}));
}

TEST(p2_sixty_seconds_of_exact_intervals_and_rising_counters) {
  Lan lan;
  core::VhostConfig config = vhid(1, 100, {kVip, kVip6});
  config.counter = 0x1'0000'0000;
  const auto a = lan.booted(2, {config});
  lan.net.run_for(seconds{64});
  const auto sent = advertisements(lan.net, a);
  REQUIRE(sent.size() > 80);
  std::uint64_t counter = 0x1'0000'0000;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    // One a family, IPv4 first, then 1 s + 100/256 s.
    CHECK_EQ(sent[i].at.us, 3'390'625 + static_cast<std::int64_t>(i / 2) * 1'390'625);
    const auto heard = sent[i].advertisement();
    CHECK_EQ(heard->advertisement.counter, ++counter);
    CHECK(heard->source == (i % 2 == 0 ? ip4(192, 168, 1, 2) : ip6(0xfe80, 2)));
  }
  CHECK_NO_VIOLATION(lan.net);
}

TEST(p3_equal_hosts_started_together_end_with_the_lower_address) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 0)});
  lan.net.run_for(seconds{10});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  CHECK_EQ(count_changes(lan.net, a), 2U);
  CHECK_EQ(last_change(lan.net, b, VhostState::kBackup)->cause, Cause::kEqualFromLower);
  // Both promoted at 3 s; the higher one heard the lower one 50 us later.
  CHECK_EQ(last_change(lan.net, b, VhostState::kBackup)->at.us, 3'000'050);
  CHECK_NO_VIOLATION(lan.net);
}

TEST(p4_preempt_takes_over_at_the_first_slower_advertisement) {
  Lan lan;
  const auto a = lan.booted(3, {vhid(1, 100)});
  lan.net.run_for(seconds{10});
  const auto ping = lan.net.ping(lan.client, kVip, milliseconds{1});
  lan.net.run_for(milliseconds{100});
  const Instant start = lan.net.now();
  const auto b = lan.booted(2, {vhid(1, 0)}, {.preempt = true});
  lan.net.run_for(seconds{5});
  CHECK_STATE(lan.net, b, kMaster);
  CHECK_STATE(lan.net, a, kBackup);
  const auto* up = last_change(lan.net, b, VhostState::kMaster);
  CHECK_EQ(up->cause, Cause::kPreempting);
  CHECK(up->at - start <= Duration{1'390'625 + 50});
  const auto* down = last_change(lan.net, a, VhostState::kBackup);
  CHECK_EQ(down->cause, Cause::kMoreFrequent);
  CHECK_EQ((down->at - up->at).count(), 50);
  CHECK_EQ(lan.net.ping_result(ping).lost, 0U);  // fail-back without loss
  CHECK_NO_VIOLATION(lan.net);
}

TEST(p5_without_preempt_the_slower_master_stays) {
  Lan lan;
  const auto a = lan.booted(3, {vhid(1, 100)});
  lan.net.run_for(seconds{10});
  const auto b = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(seconds{30});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  CHECK_EQ(count_changes(lan.net, b), 1U);
  CHECK(lan.net.vhost(b, 0)->master()->address == ip4(192, 168, 1, 3));
  CHECK(advertisements(lan.net, b).empty());
}

TEST(p6_a_killed_master_is_replaced_three_seconds_and_skew_after_its_last_advertisement) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 100)});
  lan.net.run_for(milliseconds{10'400});
  const auto ping = lan.net.ping(lan.client, kVip, milliseconds{10});
  lan.net.run_for(milliseconds{20});
  const auto last = advertisements(lan.net, a).back();
  lan.net.crash(a);
  lan.net.run_for(seconds{5});
  const auto* up = last_change(lan.net, b, VhostState::kMaster);
  REQUIRE(up != nullptr);
  CHECK_EQ((up->at - last.at).count(), 3'390'625 + 50);
  CHECK_EQ(up->cause, Cause::kMasterTimedOut);
  const auto first = advertisements(lan.net, b).front();
  CHECK_EQ(said(first).counter, said(last).counter + 1);
  const sim::PingResult result = lan.net.ping_result(ping);
  REQUIRE(result.last_lost.has_value());
  CHECK(*result.last_lost < up->at);
  CHECK_NO_VIOLATION(lan.net);
}

TEST(p7_a_clean_stop_says_farewell_and_loses_nothing) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 100)});
  lan.net.run_for(seconds{10});
  const auto ping = lan.net.ping(lan.client, kVip, milliseconds{1});
  lan.net.run_for(milliseconds{500});
  const Instant stop = lan.net.now();
  lan.net.command(a, [](core::Host& host, Instant now) { host.handle_stop(now); });
  lan.net.run_for(seconds{2});
  CHECK(lan.net.core(a)->idle());
  CHECK_STATE(lan.net, b, kMaster);
  const auto* up = last_change(lan.net, b, VhostState::kMaster);
  CHECK_EQ((up->at - stop).count(), 50);
  CHECK_EQ(up->cause, Cause::kMasterWillTimeOut);
  CHECK_EQ(last_change(lan.net, a, VhostState::kInit)->at.us, stop.us + 100);
  REQUIRE(count_kind(lan.net, a, core::TransmitKind::kFarewell) == 1);
  const auto farewell = advertisements(lan.net, a, stop).front().advertisement();
  CHECK(farewell->advertisement.is_farewell());
  Crafted same{.vhid = 1, .counter = farewell->advertisement.counter};
  CHECK(farewell->advertisement.digest == digest_of(same));
  CHECK_EQ(lan.net.ping_result(ping).lost, 0U);
  CHECK_NO_VIOLATION(lan.net);
}

TEST(p8_advbase_86_does_not_take_a_farewell_for_one) {
  Lan lan;
  core::VhostConfig slow = vhid(1, 0);
  slow.advbase_s = 86;
  const auto b = lan.booted(3, {slow});
  lan.net.inject(lan.net.client_port(lan.client), craft({.skew = 255, .base = 255}));
  lan.net.run_for(seconds{10});
  CHECK_STATE(lan.net, b, kBackup);
  // 85 does: 255 s + 996093 us is more than 3 * 85 s.
  slow.advbase_s = 85;
  lan.net.configure(b, 0, slow);
  lan.net.inject(lan.net.client_port(lan.client), craft({.skew = 255, .base = 255}));
  lan.net.run_for(milliseconds{1});
  CHECK_STATE(lan.net, b, kMaster);
}

TEST(p9_constant_and_random_counters_are_accepted) {
  for (const bool constant : {true, false}) {
    Lan lan;
    const auto b = lan.booted(3, {vhid(1, 100)});
    for (int i = 1; i <= 60; ++i) {
      const std::uint64_t counter = constant ? 0x1234'5678'9abc'def0 : lan.net.random().next();
      lan.net.inject_at(at(seconds{i}), lan.net.client_port(lan.client),
                        craft({.skew = 0, .counter = counter}));
    }
    lan.net.run_for(seconds{61});
    CHECK_STATE(lan.net, b, kBackup);
    CHECK_EQ(count_changes(lan.net, b), 1U);
    CHECK_EQ(counter(lan.net, b, core::VhostCounter::kAccepted), 60U);
    CHECK_EQ(counter(lan.net, b, core::VhostCounter::kReplayed), 0U);
    CHECK_EQ(lan.net.vhost(b, 0)->peers()[0].counter_class,
             constant ? core::PeerClass::kConstant : core::PeerClass::kRandom);
  }
}

// The cookie of P11 is OpenBSD's way to know its own frames; ours is the source address.
TEST(p11_a_reflected_own_frame_is_dropped_without_a_change) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(milliseconds{3'500});
  const auto own = advertisements(lan.net, a).back();
  lan.net.inject(lan.net.client_port(lan.client), own.frame);
  lan.net.run_for(milliseconds{1});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_EQ(lan.net.core(a)->carpdev_counters(0)[core::DevCounter::kSelf], 1U);
  CHECK_EQ(counter(lan.net, a, core::VhostCounter::kAccepted), 0U);
  CHECK_EQ(count_changes(lan.net, a), 2U);
}

TEST(p13_options_trailing_octets_pad_and_authlen_do_not_matter) {
  for (const Crafted& c :
       {Crafted{.options = 8}, Crafted{.trailing = 8}, Crafted{.pad = 77}, Crafted{.authlen = 9},
        Crafted{.options = 4, .trailing = 4, .padding = 6}}) {
    Lan lan;
    const auto a = lan.booted(2, {vhid(1, 100)});
    lan.net.run_for(seconds{4});
    CHECK_STATE(lan.net, a, kMaster);
    lan.net.inject(lan.net.client_port(lan.client), craft(c));
    lan.net.run_for(milliseconds{1});
    CHECK_STATE(lan.net, a, kBackup);
  }
}

TEST(p14_a_dual_stack_vhid_lives_on_either_family) {
  for (const bool v4_only : {true, false}) {
    Lan lan;
    const auto a = lan.booted(2, {vhid(1, 0, {kVip, kVip6})});
    const auto b = lan.booted(3, {vhid(1, 100, {kVip, kVip6})});
    lan.net.set_filter(lan.segment, [&](sim::PortId from, sim::PortId, auto frame) {
      const bool v6 = frame[12] == 0x86;
      return from != lan.port(a) || v6 != v4_only;
    });
    lan.net.run_for(seconds{30});
    CHECK_STATE(lan.net, a, kMaster);
    CHECK_STATE(lan.net, b, kBackup);
    CHECK_EQ(count_changes(lan.net, b), 1U);
    CHECK_NO_VIOLATION(lan.net);
  }
}

TEST(p17_address_sets_that_differ_make_two_masters_and_count_badauth) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0, {kVip})});
  const auto b = lan.booted(3, {vhid(1, 100, {kVip, ip4(192, 168, 1, 50)})});
  lan.net.run_for(seconds{10});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kMaster);
  CHECK(counter(lan.net, a, core::VhostCounter::kBadauth) > 0);
  CHECK(counter(lan.net, b, core::VhostCounter::kBadauth) > 0);
  CHECK_EQ(counter(lan.net, a, core::VhostCounter::kAccepted), 0U);
}

TEST(p21_a_backup_is_silent_and_never_uses_the_virtual_mac) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 100)});
  lan.net.run_for(seconds{10});
  const auto ask = [&](const wire::MacAddress& to) {
    sim::Frame frame(wire::kArpFrame);
    wire::write_arp(frame, {.ethernet_source = mac(9),
                            .ethernet_destination = to,
                            .sender_mac = mac(9),
                            .sender = ip4(192, 168, 1, 9).v4(),
                            .target = kVip.v4()});
    return frame;
  };
  lan.net.set_filter(lan.segment, [&](sim::PortId from, sim::PortId to, auto) {
    return from != lan.client || to != lan.port(a);  // the master does not hear the questions
  });
  const auto client = lan.net.client_port(lan.client);
  const auto dev = [&](core::DevCounter which) {
    return lan.net.core(b)->carpdev_counters(0)[which];
  };
  // The master's own announcements have been seen, too.
  CHECK_EQ(dev(core::DevCounter::kArpRequests), 3U);
  CHECK_EQ(dev(core::DevCounter::kArpIgnored), 3U);
  lan.net.inject(client, ask(wire::kBroadcastMac));
  lan.net.inject(client, ask(mac(3)));
  sim::Frame gratuitous(wire::kArpFrame);
  wire::write_arp(gratuitous, wire::gratuitous_request(mac(9), kVip.v4()));
  lan.net.inject(client, gratuitous);
  lan.net.run_for(seconds{10});
  CHECK_EQ(lan.net.arp_replies(lan.client), 0U);
  for (const sim::Sent& sent : lan.net.sent()) CHECK(sent.host != b);
  CHECK_EQ(dev(core::DevCounter::kArpRequests), 6U);
  CHECK_EQ(dev(core::DevCounter::kArpIgnored), 6U);
}

TEST(p22_two_lost_advertisements_in_a_row_change_nothing) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 100)});
  lan.net.run_for(milliseconds{10'500});
  int n = 0;
  lan.net.set_filter(lan.segment, [&](sim::PortId from, sim::PortId to, auto frame) {
    if (from != lan.port(a) || to != lan.port(b) || frame[12] != 0x08 || frame[13] != 0x00) {
      return true;
    }
    return ++n % 3 == 0;
  });
  lan.net.run_for(seconds{60});
  CHECK_STATE(lan.net, b, kBackup);
  CHECK_EQ(count_changes(lan.net, b), 1U);
}

// P23: a split of equal hosts heals; the peer here is one of ours with the higher address.
TEST(p23_healed_equal_masters_settle_with_one_change) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 0)});
  lan.net.set_side(lan.port(b), 1);
  lan.net.set_split(lan.segment, true);
  lan.net.run_for(milliseconds{10'500});
  CHECK_STATE(lan.net, b, kMaster);
  const Instant heal = lan.net.now();
  lan.net.set_split(lan.segment, false);
  lan.net.run_for(seconds{30});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  CHECK_EQ(count_changes(lan.net, a, heal), 0U);
  CHECK_EQ(count_changes(lan.net, b, heal), 1U);
}

TEST(advbase_0_takes_over_in_milliseconds) {
  Lan lan;
  core::VhostConfig fast = vhid(1, 0);
  fast.advbase_s = 0;
  core::VhostConfig slower = fast;
  slower.advskew = 4;
  const auto a = lan.booted(2, {fast});
  const auto b = lan.booted(3, {slower});
  lan.net.run_for(seconds{2});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  const auto sent = advertisements(lan.net, a);
  REQUIRE(sent.size() > 500);
  CHECK_EQ((sent[20].at - sent[19].at).count(), 3906);
  const Instant last = sent.back().at;
  lan.net.crash(a);
  lan.net.run_for(seconds{1});
  CHECK_EQ((last_change(lan.net, b, VhostState::kMaster)->at - last).count(), 3 * 15625 + 50);
  CHECK_NO_VIOLATION(lan.net);
}

TEST(two_hundred_and_fifty_five_vhids_promote_together_and_every_frame_comes_out) {
  Lan lan;
  const auto a = lan.net.add_host();
  lan.net.add_carpdev(a, lan.segment, carpdev(2));
  for (int n = 1; n <= 255; ++n) {
    const auto number = static_cast<std::uint8_t>(n);
    lan.net.add_vhost(a, 0, vhid(number, 0, {ip4(10, 0, 0, number), ip6(0xfd00, number)}));
  }
  lan.net.boot(a);
  lan.net.run_until(at(seconds{3}));
  std::size_t advertised = 0;
  std::size_t announced = 0;
  for (const sim::Sent& sent : lan.net.sent()) {
    CHECK_EQ(sent.at.us, 3'000'000);
    if (sent.advertisement()) {
      ++advertised;
    } else {
      ++announced;
    }
  }
  CHECK_EQ(advertised, 2U * 255);
  CHECK_EQ(announced, 2U * 255);
  for (core::VhostId id = 0; id < 255; ++id) {
    CHECK_EQ(lan.net.state(a, id), VhostState::kMaster);
    CHECK(lan.net.forwarding(a, id));
    CHECK_EQ(counter(lan.net, a, core::VhostCounter::kOpackets, id), 1U);
    CHECK_EQ(counter(lan.net, a, core::VhostCounter::kOpackets6, id), 1U);
    CHECK_EQ(counter(lan.net, a, core::VhostCounter::kAnnouncements, id), 2U);
  }
  CHECK_NO_VIOLATION(lan.net);
}

// Configuration that changes while a vhid runs: the state is kept (spec 4.2, trap 22).
#include "../sim/crafted.h"

using namespace carp;
using namespace carp::test;

namespace {

core::VhostConfig with_password(std::string_view password) {
  core::VhostConfig config = vhid(1, 0);
  config.key = key(password);
  return config;
}

}  // namespace

TEST(a_change_of_address_or_password_keeps_both_states_and_takes_the_old_digest_for_a_while) {
  for (const bool address : {true, false}) {
    Lan lan;
    const auto a = lan.booted(2, {vhid(1, 0)});
    const auto b = lan.booted(3, {vhid(1, 100)});
    lan.net.run_for(milliseconds{10'300});
    core::VhostConfig changed =
        address ? vhid(1, 0, {kVip, ip4(192, 168, 1, 50)}) : with_password("other");
    const Instant change = lan.net.now();
    changed.advskew = 100;
    lan.net.configure(b, 0, changed);
    lan.net.run_for(seconds{9});  // B still hears the old digest
    CHECK_STATE(lan.net, b, kBackup);
    CHECK_EQ(counter(lan.net, b, core::VhostCounter::kBadauth), 0U);
    changed.advskew = 0;
    lan.net.configure(a, 0, changed);
    lan.net.run_for(seconds{30});
    CHECK_STATE(lan.net, a, kMaster);
    CHECK_STATE(lan.net, b, kBackup);
    CHECK_EQ(count_changes(lan.net, a, change), 0U);
    CHECK_EQ(count_changes(lan.net, b, change), 0U);
    CHECK_EQ(counter(lan.net, b, core::VhostCounter::kBadauth), 0U);
    CHECK_NO_VIOLATION(lan.net);
  }
}

TEST(the_old_digest_is_refused_after_ten_intervals) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(milliseconds{10'300});
  lan.net.configure(a, 0, with_password("other"));
  const auto client = lan.net.client_port(lan.client);
  lan.net.run_for(seconds{10} - Duration{51});
  lan.net.inject(client, craft({.skew = 200}));
  lan.net.run_for(Duration{50});
  CHECK_EQ(counter(lan.net, a, core::VhostCounter::kAccepted), 1U);
  lan.net.inject(client, craft({.skew = 200}));
  lan.net.run_for(Duration{50});
  CHECK_EQ(counter(lan.net, a, core::VhostCounter::kAccepted), 1U);
  CHECK_EQ(counter(lan.net, a, core::VhostCounter::kBadauth), 1U);
}

TEST(a_new_address_is_announced_and_advertised_at_once) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(milliseconds{10'300});
  const Instant change = lan.net.now();
  const wire::IpAddress added = ip4(192, 168, 1, 50);
  lan.net.configure(a, 0, vhid(1, 0, {kVip, added}));
  CHECK_EQ(advertisements(lan.net, a, change).size(), 1U);
  CHECK_EQ(count_kind(lan.net, a, core::TransmitKind::kAnnouncement, change), 2U);
  lan.net.run_for(milliseconds{1});
  CHECK(lan.net.neighbour(lan.client, added) == wire::virtual_mac(1));
  const auto ping = lan.net.ping(lan.client, added, milliseconds{1});
  lan.net.run_for(milliseconds{100});
  CHECK_EQ(lan.net.ping_result(ping).lost, 0U);
}

TEST(advskew_and_advbase_are_taken_in_place) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 100)});
  lan.net.run_for(milliseconds{10'300});
  core::VhostConfig slower = vhid(1, 50);
  lan.net.configure(a, 0, slower);
  const auto sent = advertisements(lan.net, a).back();
  CHECK_EQ(said(sent).advskew, 50);
  lan.net.run_for(seconds{2});
  const auto next = advertisements(lan.net, a).back();
  CHECK_EQ((next.at - sent.at).count(), 1'195'312);
  // B's patience follows its own advbase, counted from when it last heard the master.
  core::VhostConfig patient = vhid(1, 100);
  patient.advbase_s = 2;
  lan.net.configure(b, 0, patient);
  CHECK_EQ((*lan.net.vhost(b, 0)->master_down_at() - next.at).count(), 6'390'625 + 50);
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  CHECK_EQ(count_changes(lan.net, a), 2U);
  CHECK_EQ(count_changes(lan.net, b), 1U);
}

TEST(a_vhid_without_addresses_or_disabled_stays_in_init) {
  Lan lan;
  core::VhostConfig disabled = vhid(2, 0, {ip4(192, 168, 1, 5)});
  disabled.enabled = false;
  const auto a = lan.booted(2, {vhid(1, 0, {}), disabled});
  lan.net.run_for(seconds{10});
  CHECK_EQ(lan.net.state(a, 0), VhostState::kInit);
  CHECK_EQ(lan.net.state(a, 1), VhostState::kInit);
  CHECK(lan.net.sent().empty());
  lan.net.command(a, [](core::Host& host, Instant now) {
    CHECK(!host.handle_admin(now, 0, AdminAction::kMaster));
    CHECK(!host.handle_admin(now, 1, AdminAction::kBackup));
    CHECK(host.handle_admin(now, 1, AdminAction::kUp));
  });
  CHECK_EQ(lan.net.state(a, 1), VhostState::kBackup);
  CHECK_EQ(lan.net.vhost(a, 1)->cause(), Cause::kUserRequest);
}

TEST(removed_vhids_give_their_id_back_and_a_vhid_can_come_again) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  lan.net.run_for(seconds{1});
  lan.net.command(a, [](core::Host& host, Instant now) {
    host.remove_vhost(now, 0);
    core::VhostId released = 99;
    core::Event event;
    while (host.poll_event(&event)) {
    }
    CHECK(host.poll_released(&released));
    CHECK_EQ(released, 0);
    CHECK_EQ(host.add_vhost(now, 0, vhid(1, 0)), 0);
    host.set_ready(now, 0, true);
  });
  CHECK_STATE(lan.net, a, kBackup);
}

TEST(calling_the_timeout_early_or_twice_does_nothing) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 100)});
  for (int i = 0; i < 20'000; ++i) {
    lan.net.run_for(milliseconds{1});
    for (const sim::HostId host : {a, b}) {
      lan.net.command(host, [](core::Host& h, Instant now) {
        h.handle_timeout(now);
        h.handle_timeout(now);
      });
    }
  }
  CHECK_EQ(advertisements(lan.net, a).size(), 18U);
  CHECK(advertisements(lan.net, b).empty());
  CHECK_EQ(count_changes(lan.net, a) + count_changes(lan.net, b), 3U);
}

TEST(too_many_events_are_counted_and_told_once) {
  core::Host host;
  host.configure_carpdev(host.add_carpdev("eth0"), carpdev(2));
  host.add_vhost({}, 0, vhid(1, 0));
  for (int i = 0; i < 1500; ++i) {
    host.handle_link(at(milliseconds{i}), 0,
                     {.present = true, .admin_up = true, .carrier = i % 2 == 0});
  }
  core::Event event;
  std::size_t n = 0;
  std::uint32_t lost = 0;
  while (host.poll_event(&event)) {
    ++n;
    if (event.kind == core::EventKind::kEventsLost) lost += event.count;
  }
  CHECK_EQ(n, core::EventQueue::kCapacity + 1);
  CHECK(lost > 0);
}

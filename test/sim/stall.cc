// A process or a machine that sleeps and wakes up (design section 3; faults.md C3; spec trap 23).
#include "crafted.h"

using namespace carp;
using namespace carp::test;

TEST(a_master_never_sends_as_master_after_a_stall_in_which_a_peer_may_have_taken_over) {
  for (const sim::Pause how : {sim::Pause::kProcess, sim::Pause::kMachine}) {
    for (const std::uint8_t skew : {std::uint8_t{0}, std::uint8_t{100}, std::uint8_t{240}}) {
      for (int tenths = 1; tenths <= 200; tenths += tenths < 50 ? 1 : 13) {
        Lan lan;
        const auto a = lan.booted(2, {vhid(1, skew)});
        lan.net.run_for(milliseconds{10'000});
        const Instant last = advertisements(lan.net, a).back().at;
        lan.net.pause(a, how);
        lan.net.run_for(milliseconds{100 * tenths});
        const Instant woken = lan.net.now();
        lan.net.resume(a);
        const bool stalled = woken - last > seconds{3};
        CHECK_EQ(lan.net.state(a, 0), stalled ? VhostState::kBackup : VhostState::kMaster);
        CHECK_EQ(counter(lan.net, a, core::VhostCounter::kStalls), stalled ? 1U : 0U);
        if (!stalled) continue;
        CHECK_EQ(lan.net.vhost(a, 0)->cause(), Cause::kLate);
        // Silent: no advertisement, no farewell, for a whole T_down.
        lan.net.run_for(core::master_down_interval(1, skew) - Duration{1});
        CHECK(advertisements(lan.net, a, woken).empty());
        lan.net.run_for(Duration{1});
        CHECK_STATE(lan.net, a, kMaster);
        CHECK_NO_VIOLATION(lan.net);
      }
    }
  }
}

TEST(no_input_makes_a_master_speak_after_a_stall) {
  const auto inputs = {0, 1, 2, 3, 4, 5, 6};
  for (const int input : inputs) {
    Lan lan;
    const auto a = lan.booted(2, {vhid(1, 0)});
    lan.net.run_for(milliseconds{10'500});
    core::Host& host = *const_cast<core::Host*>(lan.net.core(a));
    lan.net.pause(a, sim::Pause::kMachine);
    lan.net.run_for(seconds{5});
    const Instant now = lan.net.now();
    // The first thing that happens after the stall, before any frame or timer.
    if (input == 0) host.handle_demotion(now, "test", 10);
    if (input == 1) host.configure_vhost(now, 0, vhid(1, 5));
    if (input == 2) host.handle_admin(now, 0, AdminAction::kDown);
    if (input == 3) host.remove_vhost(now, 0);
    if (input == 4) host.handle_stop(now);
    if (input == 5) host.handle_frame(now, 0, craft({.skew = 200}));
    if (input == 6) host.configure_options(now, {.senderr_demotion = 1});
    CHECK(lan.net.vhost(a, 0)->state() != VhostState::kMaster || input == 6);
    if (input == 6) host.handle_timeout(now);
    core::Transmit out;
    CHECK(!host.poll_transmit(&out));
  }
}

TEST(a_stalled_master_with_a_live_peer_comes_back_as_backup_at_once) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)}, {.preempt = true});
  const auto b = lan.booted(3, {vhid(1, 100)}, {.preempt = true});
  lan.net.run_for(seconds{10});
  lan.net.pause(a, sim::Pause::kProcess);
  lan.net.run_for(seconds{8});
  CHECK_STATE(lan.net, b, kMaster);
  CHECK(lan.net.forwarding(a, 0));  // its kernel has gone on
  const Instant woken = lan.net.now();
  lan.net.resume(a);
  // B's queued advertisements are slower: with preempt A takes over by the rules, not by its old
  // state; B hears that and yields.
  lan.net.run_for(seconds{2});
  CHECK_STATE(lan.net, a, kMaster);
  CHECK_STATE(lan.net, b, kBackup);
  CHECK_EQ(last_change(lan.net, a, VhostState::kBackup)->at.us, woken.us);
  CHECK_EQ(last_change(lan.net, a, VhostState::kBackup)->cause, Cause::kLate);
  CHECK_NO_VIOLATION(lan.net);
}

TEST(a_paused_backup_with_queued_advertisements_does_not_take_over) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)});
  const auto b = lan.booted(3, {vhid(1, 0)});
  lan.net.run_for(seconds{10});
  lan.net.pause(b, sim::Pause::kProcess);
  lan.net.run_for(milliseconds{20'500});
  const Instant woken = lan.net.now();
  lan.net.resume(b);
  CHECK_STATE(lan.net, b, kBackup);
  lan.net.run_for(seconds{20});
  CHECK_EQ(count_changes(lan.net, b, woken), 0U);
  CHECK_EQ(count_changes(lan.net, a, woken), 0U);
}

TEST(a_negative_demotion_does_not_stretch_the_patience_with_a_stall) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 254)});
  lan.net.command(a, [](core::Host& host, Instant now) { host.handle_demotion(now, "t", -254); });
  lan.net.run_for(seconds{4});
  CHECK_STATE(lan.net, a, kMaster);
  const Instant last = advertisements(lan.net, a).back().at;
  lan.net.pause(a, sim::Pause::kProcess);
  lan.net.run_until(last + seconds{3} + milliseconds{1});
  lan.net.resume(a);
  CHECK_STATE(lan.net, a, kBackup);
}

TEST(a_stall_at_advbase_0_is_three_intervals) {
  Lan lan;
  core::VhostConfig config = vhid(1, 4);
  config.advbase_s = 0;
  const auto a = lan.booted(2, {config});
  lan.net.run_for(seconds{1});
  const Instant last = advertisements(lan.net, a).back().at;
  lan.net.pause(a, sim::Pause::kProcess);
  lan.net.run_until(last + Duration{3 * 15'625});
  lan.net.resume(a);
  CHECK_STATE(lan.net, a, kMaster);
  const Instant next = advertisements(lan.net, a).back().at;
  lan.net.pause(a, sim::Pause::kProcess);
  lan.net.run_until(next + Duration{4 * 15'625});
  lan.net.resume(a);
  CHECK_STATE(lan.net, a, kBackup);
}

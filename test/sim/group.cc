// All vhids of a group move together: the manual's two hosts on two segments, the groups, and the
// fast take-over of the segment that died without a word (spec 5.4; P15, P16, P18, O2, F7).
#include "group_lab.h"

using namespace carp;
using namespace carp::test;

namespace {

// The manual's pair: advskew 0 and 100 on both segments.
struct Pair : Routers {
  sim::HostId a;
  sim::HostId b;

  explicit Pair(const core::HostOptions& options_b = kGroupOptions, const Edit& edit = {},
                std::size_t n_segments = 2)
      : Routers(n_segments),
        a(add(2, std::vector<std::uint8_t>(n_segments, 0), kGroupOptions, edit)),
        b(add(3, std::vector<std::uint8_t>(n_segments, 100), options_b, edit)) {
    net.run_for(milliseconds{10'300});
  }

  Duration taken(std::size_t segment, Instant since) const {
    return taken_after(net, b, static_cast<core::VhostId>(segment), since);
  }
};

constexpr Duration kTenMilliseconds = milliseconds{10};
// T_down of B, and the longest that its master may have been silent before.
constexpr Duration kDownOfB{3'390'625};

}  // namespace

TEST(a_pulled_cable_moves_both_segments_within_ten_milliseconds_and_back) {
  for (const std::size_t dead : {std::size_t{0}, std::size_t{1}}) {
    const std::size_t alive = 1 - dead;
    Pair pair;
    Network& net = pair.net;
    CHECK(pair.is_master(pair.a, 0) && pair.is_master(pair.a, 1));
    const std::vector<sim::PingId> pings{pair.ping(0), pair.ping(1)};
    net.run_for(milliseconds{50});
    const Instant pulled = net.now();
    pair.pull(pair.a, dead);
    net.run_for(milliseconds{30});
    // A says 240 on the other segment in the same instant, and B takes that at once.
    const auto sent = advertisements(net, pair.a, pulled);
    REQUIRE(sent.size() == 1);
    CHECK_EQ(sent[0].at.us, pulled.us);
    CHECK_EQ(sent[0].vhost, alive);
    CHECK_EQ(said(sent[0]).advskew, 240);
    CHECK_EQ(pair.taken(alive, pulled).count(), 50);
    CHECK(pair.taken(dead, pulled) <= kTenMilliseconds);
    const core::Vhost* followed = net.vhost(pair.b, static_cast<core::VhostId>(dead));
    CHECK_EQ(followed->cause(), Cause::kGroupTakeover);
    CHECK_EQ(followed->counters()[core::VhostCounter::kGroupTakeover], 1U);
    const auto* change =
        last_change(net, pair.b, VhostState::kMaster, static_cast<core::VhostId>(dead));
    CHECK(change->has_peer && change->peer == Routers::address(alive, 2));
    // Asked twice, for the address that A advertised from, on the dead segment alone.
    const auto asked = questions(net, pair.b, pulled);
    REQUIRE(asked.size() == 2);
    for (const Question& question : asked) {
      CHECK_EQ(question.segment, pair.segments[dead]);
      CHECK(question.target == Routers::address(dead, 2));
    }
    for (std::size_t s = 0; s < 2; ++s) {
      const sim::PingResult result = net.ping_result(pings[s]);
      CHECK_EQ(result.twice, 0U);
      if (result.last_lost) CHECK(*result.last_lost - pulled <= kTenMilliseconds);
      CHECK(reigns(net, static_cast<std::uint8_t>(s + 1), pulled).several <= Duration{50});
    }
    CHECK(net.ping_result(pings[dead]).lost > 0);  // the cable was really out
    // P16: back on A, both, within T_down and one interval of B.
    net.run_for(seconds{5});
    CHECK(pair.is_master(pair.b, 0) && pair.is_master(pair.b, 1));
    pair.pull(pair.a, dead, false);
    net.run_for(Duration{3'000'000 + 1'390'625});
    CHECK(pair.is_master(pair.a, 0) && pair.is_master(pair.a, 1));
    CHECK(pair.is_backup(pair.b, 0) && pair.is_backup(pair.b, 1));
    CHECK_EQ(net.core(pair.a)->demotion_total(), 0);
    CHECK_NO_VIOLATION(net);
  }
}

TEST(without_fast_takeover_the_dead_segment_waits_out_its_down_time) {
  Pair pair(kPlainOptions);
  const Instant pulled = pair.net.now();
  pair.pull(pair.a, 0);
  pair.net.run_for(milliseconds{100});
  CHECK_EQ(pair.taken(1, pulled).count(), 50);
  CHECK(pair.is_backup(pair.b, 0));
  CHECK(questions(pair.net, pair.b, pulled).empty());
  pair.net.run_for(seconds{4});
  CHECK(pair.is_master(pair.b, 0));
  CHECK_EQ(pair.net.vhost(pair.b, 0)->cause(), Cause::kMasterTimedOut);
  CHECK(pair.taken(0, pulled) > kDownOfB - seconds{1} - milliseconds{1});
  CHECK(pair.taken(0, pulled) <= kDownOfB);
}

TEST(an_interface_that_is_taken_down_is_a_pulled_cable) {
  Pair pair;
  const Instant down = pair.net.now();
  pair.net.set_admin_up(pair.a, 1, false);
  pair.net.run_for(milliseconds{20});
  CHECK(pair.taken(0, down) <= kTenMilliseconds);
  CHECK(pair.taken(1, down) <= kTenMilliseconds);
  CHECK(reasons(pair.net, pair.a) == std::vector<std::string>{"link:eth1"});
}

TEST(all_segments_of_a_wide_group_follow_within_ten_milliseconds) {
  Pair pair(kGroupOptions, {}, 6);
  const Instant pulled = pair.net.now();
  pair.pull(pair.a, 1);
  pair.pull(pair.a, 4);
  pair.net.run_for(milliseconds{20});
  for (std::size_t s = 0; s < 6; ++s) {
    CHECK(pair.is_master(pair.b, s));
    CHECK(pair.taken(s, pulled) <= kTenMilliseconds);
  }
  CHECK(pair.net.state(pair.a, 1) == VhostState::kInit);
  CHECK_EQ(pair.net.core(pair.a)->demotion_total(), 480);
  CHECK_NO_VIOLATION(pair.net);
}

// P18: A's kernel still answers for A's address where only carpd's sends are refused, so nobody
// follows there before A is silent for the whole down time.
TEST(p18_refused_sends_move_the_other_segment_and_the_master_that_answers_stays) {
  Pair pair;
  pair.net.set_send_failure(pair.a, 0, true);
  pair.net.run_for(milliseconds{2'800});  // failures at 11, 12 and 13 s
  CHECK(reasons(pair.net, pair.a) == std::vector<std::string>{"send:eth0"});
  CHECK(pair.is_master(pair.b, 1));
  CHECK(pair.is_backup(pair.b, 0));
  CHECK_EQ(counter(pair.net, pair.b, core::VhostCounter::kGroupAnswered), 1U);
  pair.net.run_for(seconds{1});
  CHECK(pair.is_master(pair.b, 0));
  CHECK_EQ(pair.net.vhost(pair.b, 0)->cause(), Cause::kMasterTimedOut);
}

TEST(the_fast_one_of_three_hosts_makes_room_for_the_better_one) {
  // B is better but waits out the down time; C takes over at once, and B, which preempts, takes it
  // from C at C's first advertisement: all within 10 ms.
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {100, 100}, kPlainOptions);
  const auto c = r.add(4, {200, 200});
  r.net.run_for(milliseconds{10'300});
  const Instant pulled = r.net.now();
  r.pull(a, 0);
  r.net.run_for(milliseconds{10});
  CHECK(r.is_master(b, 0) && r.is_master(b, 1));
  CHECK(r.is_backup(c, 0) && r.is_backup(c, 1));
  CHECK_EQ(r.net.vhost(b, 0)->cause(), Cause::kPreempting);
  CHECK(reigns(r.net, 1, pulled).several <= Duration{100});
}

// The slower of two that follow hears the first advertisement of the faster one in time: somebody
// has taken over already, and there is nothing left to follow.
TEST(a_backup_that_hears_the_new_master_while_it_waits_does_not_follow) {
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {100, 100});
  const auto c = r.add(4, {200, 200});
  r.net.run_for(milliseconds{10'300});
  // C hears of A's trouble a millisecond later than B.
  const Instant pulled = r.net.now();
  sim::Frame held;
  r.net.set_filter(r.segments[1],
                   [&](sim::PortId from, sim::PortId to, std::span<const std::uint8_t> frame) {
                     if (from != r.net.port(a, 1) || to != r.net.port(c, 1) || !held.empty())
                       return true;
                     held.assign(frame.begin(), frame.end());
                     return false;
                   });
  // Otherwise B's first advertisement would say to C on segment 2 that all is well there.
  r.net.set_blocked(r.net.port(b, 1), r.net.port(c, 1), true);
  r.pull(a, 0);
  r.net.run_for(milliseconds{1});
  r.net.set_filter(r.segments[1], nullptr);
  REQUIRE(!held.empty());
  r.net.command(c, [&](core::Host& host, Instant now) { host.handle_frame(now, 1, held); });
  CHECK(r.is_master(c, 1));
  r.net.run_for(milliseconds{20});
  CHECK(r.is_master(b, 0));
  CHECK(r.is_backup(c, 0));
  CHECK_EQ(changes_of(r.net, 1, pulled), 2U);  // A's INIT and B's MASTER
  CHECK_EQ(reigns(r.net, 1, pulled).most, 1U);
}

// --- groups ----------------------------------------------------------------------------------

TEST(a_failure_moves_its_own_group_and_no_other) {
  const Routers::Edit grouped = [](std::size_t segment, core::VhostConfig& config) {
    config.group = segment < 2 ? core::GroupName{"front"} : core::GroupName{"back"};
  };
  Pair pair(kGroupOptions, grouped, 4);
  const Instant pulled = pair.net.now();
  pair.pull(pair.a, 0);
  pair.net.run_for(seconds{5});
  CHECK(pair.is_master(pair.b, 0) && pair.is_master(pair.b, 1));
  CHECK(pair.taken(0, pulled) <= kTenMilliseconds);
  CHECK(pair.is_master(pair.a, 2) && pair.is_master(pair.a, 3));
  CHECK_EQ(changes_of(pair.net, 3, pulled) + changes_of(pair.net, 4, pulled), 0U);
  for (const sim::Sent& sent : advertisements(pair.net, pair.a, pulled)) {
    if (sent.vhost >= 2) CHECK_EQ(said(sent).advskew, 0);
  }
  for (const Question& question : questions(pair.net, pair.b, pulled)) {
    CHECK_EQ(question.segment, pair.segments[0]);
  }
  CHECK_EQ(pair.net.vhost(pair.a, 1)->demotion(), 240);
  CHECK_EQ(pair.net.vhost(pair.a, 2)->demotion(), 0);
}

TEST(a_group_is_demoted_by_the_operator_and_another_is_not) {
  const Routers::Edit grouped = [](std::size_t segment, core::VhostConfig& config) {
    config.group = segment == 0 ? core::GroupName{"lan"} : core::GroupName{"dmz"};
  };
  Pair pair(kGroupOptions, grouped);
  core::DemotionResult result{};
  const auto demote = [&](std::int32_t level, const char* group) {
    pair.net.command(pair.a, [&, level, group](core::Host& host, Instant now) {
      result = host.handle_demotion(now, "operator", level, group);
    });
  };
  const Instant start = pair.net.now();
  demote(240, "nosuch");
  CHECK_EQ(result, core::DemotionResult::kNoSuchGroup);
  CHECK(reasons(pair.net, pair.a).empty());
  demote(240, "dmz");
  CHECK_EQ(result, core::DemotionResult::kOk);
  pair.net.run_for(milliseconds{20});
  CHECK(pair.is_master(pair.a, 0));
  CHECK(pair.is_master(pair.b, 1));
  CHECK_EQ(changes_of(pair.net, 1, start), 0U);
  // A group that is gone does not stop a reason from being cleared.
  demote(0, "nosuch");
  CHECK_EQ(result, core::DemotionResult::kOk);
  CHECK(reasons(pair.net, pair.a).empty());
  pair.net.run_for(seconds{2});
  CHECK(pair.is_master(pair.a, 1));
}

// O2: each host's vhid in a group of its own, preempt off, OpenBSD's counts.
TEST(o2_the_demotion_of_one_group_moves_its_vhid_within_a_tenth_of_a_second) {
  const Routers::Edit own = [](std::size_t segment, core::VhostConfig& config) {
    config.profile = core::Profile::kOpenbsd;
    config.group = segment == 0 ? core::GroupName{"own0"} : core::GroupName{"own1"};
  };
  Routers r;
  const auto a = r.add(2, {0, 0}, {}, own);
  const auto b = r.add(3, {100, 100}, {}, own);
  r.net.run_for(milliseconds{3'100});
  CHECK(r.is_master(a, 0) && r.is_master(a, 1));
  const Instant start = r.net.now();
  r.demote(a, 1, "own0");
  r.net.run_for(milliseconds{100});
  CHECK(r.is_backup(a, 0));
  CHECK(r.is_master(b, 0));
  CHECK_EQ(r.net.vhost(b, 0)->cause(), Cause::kMasterMoreDemoted);
  r.net.run_for(seconds{5});
  CHECK(r.is_master(a, 1));
  CHECK_EQ(changes_of(r.net, 2, start), 0U);
}

TEST(f7_a_negative_demotion_never_triggers_a_group) {
  Pair pair;
  const Instant start = pair.net.now();
  pair.demote(pair.a, -1);
  pair.net.run_for(seconds{3});
  CHECK(pair.is_master(pair.a, 0) && pair.is_master(pair.a, 1));
  CHECK_EQ(count_changes(pair.net, pair.a, start) + count_changes(pair.net, pair.b, start), 0U);
  CHECK(questions(pair.net, pair.b, start).empty());
}

TEST(a_demotion_that_is_no_failure_moves_the_vhid_but_not_its_group) {
  // 110 against 100: the skew decides, as with any other skew. B need not look any further.
  const Routers::Edit grouped = [](std::size_t segment, core::VhostConfig& config) {
    config.group = segment == 0 ? core::GroupName{"lan"} : core::GroupName{"dmz"};
  };
  Pair pair(kGroupOptions, grouped);
  const Instant start = pair.net.now();
  pair.demote(pair.a, 110, "lan");
  pair.net.run_for(seconds{2});
  CHECK(pair.is_master(pair.b, 0));
  CHECK(pair.is_master(pair.a, 1));
  CHECK(questions(pair.net, pair.b, start).size() == 0);
}

// A group take-over never deposes a healthy master: it asks first, and whoever answers stays. Each
// case is a failure that is somebody else's.
#include "group_lab.h"

using namespace carp;
using namespace carp::test;

namespace {

constexpr Duration kSettled = milliseconds{10'300};

// A is MASTER of segment 0 and C of segment 1, B is BACKUP on both; A has failed on segment 1 or is
// demoted. `fail` is called at 10.3 s; afterwards nothing may have happened to vhid 2.
struct Three : Routers {
  sim::HostId a;
  sim::HostId b;
  sim::HostId c;

  explicit Three(const core::HostOptions& options = kGroupOptions, const Edit& edit = {})
      : a(add(2, {0, 50}, options, edit)),
        b(add(3, {100, 100}, options, edit)),
        c(add(4, {200, 0}, options, edit)) {
    net.run_for(kSettled);
  }

  void expect_c_untouched(Instant since) const {
    CHECK(is_master(c, 1));
    CHECK(is_backup(b, 1));
    CHECK_EQ(reigns(net, 2, since).most, 1U);
    for (const sim::StateChange& change : net.changes()) {
      if (change.vhid == 2 && change.at >= since) CHECK_EQ(change.host, a);
    }
    CHECK_EQ(advertisements_of(b, 1, since) + advertisements_of(a, 1, since), 0U);
    CHECK_NO_VIOLATION(net);
  }

  std::size_t advertisements_of(sim::HostId host, core::VhostId vhost, Instant since) const {
    std::size_t n = 0;
    for (const sim::Sent& sent : advertisements(net, host, since)) n += sent.vhost == vhost ? 1 : 0;
    return n;
  }
};

bool is_reply(std::span<const std::uint8_t> frame) {
  const auto arp = wire::parse_arp(frame);
  return arp && arp->operation == wire::ArpOperation::kReply;
}

}  // namespace

// Two content servers with a vhid each and a provider that backs both up, on one segment.
TEST(the_handbooks_three_hosts_move_the_failed_servers_address_and_no_other) {
  Lan lan;
  const wire::IpAddress first = ip4(192, 168, 1, 50);
  const wire::IpAddress second = ip4(192, 168, 1, 51);
  const auto host_a = lan.booted(3, {vhid(1, 0, {first})}, kGroupOptions);
  const auto host_b = lan.booted(4, {vhid(2, 0, {second})}, kGroupOptions);
  const auto provider =
      lan.booted(5, {vhid(1, 100, {first}), vhid(2, 100, {second})}, kGroupOptions);
  Network& net = lan.net;
  net.run_for(kSettled);
  const Instant start = net.now();
  net.command(host_a, [](core::Host& h, Instant now) { h.handle_demotion(now, "operator", 240); });
  net.run_for(milliseconds{20});
  CHECK_EQ(net.state(provider, 0), VhostState::kMaster);
  CHECK_EQ(changes_of(net, 2, start), 0U);
  net.run_for(seconds{10});
  CHECK_EQ(net.state(host_b, 0), VhostState::kMaster);
  CHECK_EQ(changes_of(net, 2, start), 0U);
  CHECK(questions(net, provider, start).empty());
  // One advertisement of vhid 2 a second, as before.
  CHECK_EQ(advertisements(net, host_b, start).size(), 10U);
  for (const sim::Sent& sent : advertisements(net, provider, start)) CHECK_EQ(sent.vhost, 0);
  CHECK_NO_VIOLATION(net);
}

TEST(a_healthy_master_of_the_other_segment_answers_and_stays) {
  for (const bool cable : {true, false}) {
    Three r;
    const Instant start = r.net.now();
    if (cable) {
      r.pull(r.a, 1);
    } else {
      r.demote(r.a, 240);
    }
    r.net.run_for(seconds{8});
    CHECK(r.is_master(r.b, 0));
    CHECK_EQ(questions(r.net, r.b, start).size(), 1U);
    CHECK_EQ(counter(r.net, r.b, core::VhostCounter::kGroupAnswered, 1), 1U);
    r.expect_c_untouched(start);
  }
}

TEST(one_lost_question_or_answer_changes_nothing) {
  for (const bool lose_answer : {true, false}) {
    Three r;
    const Instant start = r.net.now();
    int lost = 0;
    r.net.set_filter(
        r.segments[1], [&](sim::PortId from, sim::PortId to, std::span<const std::uint8_t> frame) {
          const bool answer = from == r.net.port(r.c, 1) && is_reply(frame);
          const bool question = from == r.net.port(r.b, 1) && to == r.net.port(r.c, 1) &&
                                wire::parse_arp(frame) && !is_reply(frame);
          if (lost > 0 || !(lose_answer ? answer : question)) return true;
          ++lost;
          return false;
        });
    r.pull(r.a, 1);
    r.net.run_for(seconds{8});
    CHECK_EQ(lost, 1);
    CHECK_EQ(questions(r.net, r.b, start).size(), 2U);
    r.expect_c_untouched(start);
  }
}

// A slow network: the answer comes after four of the five milliseconds.
TEST(an_answer_just_before_the_limit_is_in_time) {
  Three r;
  r.net.set_delay(r.segments[1], Duration{2'400}, Duration{0});
  r.net.run_for(seconds{2});
  const Instant start = r.net.now();
  r.pull(r.a, 1);
  r.net.run_for(seconds{8});
  r.expect_c_untouched(start);
}

// The answer waits in the socket of a process that sleeps over the limit: what has arrived counts
// before what is due.
TEST(an_answer_that_waits_in_the_socket_is_read_before_the_decision) {
  Three r;
  const Instant start = r.net.now();
  r.pull(r.a, 1);
  r.net.run_for(Duration{120});  // asked at 50 us, answered at 150 us
  CHECK_EQ(questions(r.net, r.b, start).size(), 1U);
  CHECK(r.net.vhost(r.b, 1)->following_group());
  r.net.pause(r.b, sim::Pause::kProcess);
  r.net.run_for(milliseconds{50});
  r.net.resume(r.b);
  CHECK(r.is_backup(r.b, 1));
  CHECK(!r.net.vhost(r.b, 1)->following_group());
  r.net.run_for(seconds{5});
  r.expect_c_untouched(start);
}

TEST(nobody_is_followed_before_the_sockets_are_drained) {
  Three r;
  r.net.set_filter(r.segments[1], [&](sim::PortId from, sim::PortId, auto frame) {
    return from != r.net.port(r.c, 1) || !is_reply(frame);
  });
  r.pull(r.a, 1);
  r.net.run_for(Duration{200});
  r.net.command(r.b, [&](core::Host& host, Instant now) {
    host.handle_timeout(now + milliseconds{100}, false);
    CHECK(host.vhost(1)->state() == VhostState::kBackup);
    CHECK(host.vhost(1)->following_group());
    host.handle_timeout(now + milliseconds{100}, true);
    CHECK(host.vhost(1)->state() == VhostState::kMaster);
  });
}

// A host whose own sends are refused there cannot know, and what was not asked is not unanswered.
TEST(a_question_that_cannot_be_sent_proves_nothing) {
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {100, 100});
  r.net.run_for(kSettled);
  r.net.set_send_failure(b, 0, true);
  r.pull(a, 0);
  r.net.run_for(milliseconds{500});
  CHECK(r.is_master(b, 1));
  CHECK(r.is_backup(b, 0));
  CHECK(!r.net.vhost(b, 0)->following_group());
}

// --- partial partitions ----------------------------------------------------------------------

// The failed host's own cut from the healthy master is nothing to those that hear it.
TEST(a_master_that_only_the_failed_host_cannot_hear_stays) {
  Three r;
  const Instant start = r.net.now();
  r.net.set_blocked(r.net.port(r.c, 1), r.net.port(r.a, 1), true);
  r.net.set_blocked(r.net.port(r.a, 1), r.net.port(r.c, 1), true);
  r.demote(r.a, 240);
  r.net.run_for(seconds{2});
  r.expect_c_untouched(start);
}

// Demotion that is not heard is no demotion: B has been MASTER of its part of segment 0 all along.
TEST(a_host_cut_off_on_the_failed_hosts_segment_follows_nobody) {
  Three r;
  r.net.set_side(r.net.port(r.b, 0), 1);
  r.net.set_split(r.segments[0], true);
  r.net.run_for(seconds{5});
  CHECK(r.is_master(r.a, 0) && r.is_master(r.b, 0));
  const Instant start = r.net.now();
  r.pull(r.a, 1);
  r.net.run_for(seconds{5});
  CHECK(questions(r.net, r.b, start).empty());
  r.expect_c_untouched(start);
}

// Two faults at once, A's and a way on which C hears nothing of B: B cannot tell that from a dead
// C. C keeps its address, and B gives up again at C's next advertisement.
TEST(a_master_that_cannot_hear_the_question_is_doubled_for_at_most_an_interval) {
  Three r;
  r.net.set_blocked(r.net.port(r.b, 1), r.net.port(r.c, 1), true);
  r.net.run_for(seconds{5});
  const Instant start = r.net.now();
  r.pull(r.a, 1);
  r.net.run_for(seconds{5});
  CHECK(r.is_master(r.c, 1) && r.is_backup(r.b, 1));
  const Reigns doubled = reigns(r.net, 2, start);
  CHECK(doubled.several <= seconds{1} && doubled.none == Duration{0});
  CHECK_EQ(changes_of(r.net, 2, start), 3U);  // A's INIT, B's MASTER and BACKUP
}

// --- maintenance and skews -------------------------------------------------------------------

// All of A is demoted and alive: each segment moves by its own advertisement, as it would without
// the fast take-over, at the same microsecond.
TEST(maintenance_gives_the_same_run_with_and_without_fast_takeover) {
  const auto run = [](const core::HostOptions& options, bool lose_one) {
    Routers r(3);
    const auto a = r.add(2, {0, 0, 0}, options);
    r.add(3, {100, 100, 100}, options);
    r.add(4, {200, 50, 200}, options);
    r.net.run_for(kSettled);
    bool lost = !lose_one;  // A's demoted advertisement on one segment
    r.net.set_filter(r.segments[2], [&lost, &r, a](sim::PortId from, sim::PortId, auto) {
      if (lost || from != r.net.port(a, 2)) return true;
      r.net.at(r.net.now() + Duration{1}, [&lost] { lost = true; });
      return false;
    });
    r.demote(a, 240);
    r.net.run_for(seconds{10});
    r.demote(a, 0);
    r.net.run_for(seconds{10});
    CHECK_NO_VIOLATION(r.net);
    std::vector<std::string> out;
    for (const sim::StateChange& c : r.net.changes()) {
      out.push_back(std::to_string(c.at.us) + " " + std::to_string(c.host) + " " +
                    std::to_string(c.vhid) + " " + std::to_string(static_cast<int>(c.to)) + " " +
                    std::to_string(static_cast<int>(c.cause)));
    }
    return out;
  };
  for (const bool lose_one : {false, true}) {
    const auto with = run(kGroupOptions, lose_one);
    CHECK(with.size() > 12);
    CHECK(with == run(kPlainOptions, lose_one));
  }
}

// The highest advskews are configured, and nothing has failed.
TEST(a_peer_with_a_configured_advskew_of_240_or_more_takes_nobody_else_with_it) {
  for (const int configured : {239, 240, 241, 254}) {
    const auto skew = static_cast<std::uint8_t>(configured);
    Routers r;
    const auto slow = r.add(2, {skew});
    const auto c = r.add(4, {250, 0});
    r.net.run_for(kSettled);
    CHECK(r.is_master(c, 1));
    const Instant start = r.net.now();
    // B preempts the slow one at its first advertisement, and C answers for itself.
    const auto b = r.add(3, {100, 100});
    r.net.run_for(seconds{10});
    CHECK(r.is_master(b, 0) && r.is_backup(slow, 0));
    CHECK(r.is_master(c, 1));
    CHECK_EQ(changes_of(r.net, 2, start), 1U);  // B's start
    CHECK_EQ(reigns(r.net, 2, start).most, 1U);
  }
}

TEST(a_host_that_is_demoted_itself_follows_nobody) {
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {100, 100});
  r.demote(b, 240, "");
  r.net.run_for(kSettled);
  const Instant start = r.net.now();
  r.pull(a, 0);
  r.net.run_for(milliseconds{500});
  CHECK(questions(r.net, b, start).empty());
  CHECK(r.is_backup(b, 0));
  r.net.run_for(seconds{4});
  CHECK(r.is_master(b, 0));  // the silence decides
}

// One rule for both ways: who would not take over from a demoted master that speaks does not from
// one that is silent.
TEST(a_vhid_that_is_no_better_than_a_demoted_one_follows_nobody) {
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {250, 100});
  r.net.run_for(kSettled);
  const Instant start = r.net.now();
  r.pull(a, 0);
  r.net.run_for(milliseconds{500});
  CHECK(r.is_master(b, 1) && r.is_backup(b, 0));
  CHECK(questions(r.net, b, start).empty());
  r.net.run_for(seconds{4});
  CHECK(r.is_master(b, 0));
}

// --- off -------------------------------------------------------------------------------------

TEST(without_preempt_nothing_is_followed) {
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {100, 100}, {});
  r.net.run_for(kSettled);
  const Instant start = r.net.now();
  r.pull(a, 0);
  r.net.run_for(seconds{1});
  CHECK(r.is_backup(b, 0) && r.is_backup(b, 1));
  CHECK(r.is_master(a, 1));
  CHECK(questions(r.net, b, start).empty());
}

// One host knows the fast take-over and the other does not, either way round: A's side of it is
// only its advertisement, so B's setting alone decides.
TEST(the_setting_of_the_host_that_takes_over_decides) {
  for (const bool a_fast : {false, true}) {
    for (const bool b_fast : {false, true}) {
      Routers r;
      const auto a = r.add(2, {0, 0}, a_fast ? kGroupOptions : kPlainOptions);
      const auto b = r.add(3, {100, 100}, b_fast ? kGroupOptions : kPlainOptions);
      r.net.run_for(kSettled);
      r.pull(a, 0);
      r.net.run_for(milliseconds{10});
      CHECK(r.is_master(b, 1));
      CHECK_EQ(r.is_master(b, 0), b_fast);
      r.net.run_for(seconds{4});
      CHECK(r.is_master(b, 0));
      r.pull(a, 0, false);
      r.net.run_for(milliseconds{4'400});
      CHECK(r.is_master(a, 0) && r.is_master(a, 1));
      CHECK_NO_VIOLATION(r.net);
    }
  }
}

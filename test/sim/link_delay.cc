// A link that flaps, and link-up-delay: down acts at once, up after the delay (faults.md B5, spec
// trap 25). One reason of demotion, set and cleared, never summed.
#include "group_lab.h"

using namespace carp;
using namespace carp::test;

namespace {

core::HostOptions delayed(Duration delay) {
  core::HostOptions options = kGroupOptions;
  options.link_up_delay = delay;
  return options;
}

struct Flapped {
  int events = 0;          // of the reason
  std::int32_t worst = 0;  // total ever reached
};

Flapped demotions(const Network& net, sim::HostId host, Instant from) {
  Flapped out;
  for (const auto& [who, event] : net.events()) {
    if (who != host || event.at < from || event.kind != core::EventKind::kDemotion) continue;
    ++out.events;
    out.worst = std::max(out.worst, event.total);
  }
  return out;
}

// Ten times out and in within a second.
void flap(Routers& r, sim::HostId host, std::size_t segment) {
  for (int i = 0; i < 10; ++i) {
    r.pull(host, segment);
    r.net.run_for(milliseconds{50});
    r.pull(host, segment, false);
    r.net.run_for(milliseconds{50});
  }
}

std::size_t promotions(const Network& net, sim::HostId host, std::uint8_t vhid, Instant from) {
  std::size_t n = 0;
  for (const sim::StateChange& c : net.changes()) {
    n += c.host == host && c.vhid == vhid && c.at >= from && c.to == VhostState::kMaster ? 1 : 0;
  }
  return n;
}

}  // namespace

TEST(b5_ten_flaps_in_a_second_are_one_reason_that_is_never_summed) {
  Routers r;
  const auto a = r.add(2, {0, 0});
  const auto b = r.add(3, {100, 100});
  r.net.run_for(milliseconds{10'300});
  const Instant start = r.net.now();
  flap(r, a, 0);
  const Flapped seen = demotions(r.net, a, start);
  CHECK_EQ(seen.events, 20);
  CHECK_EQ(seen.worst, 240);
  CHECK_EQ(r.net.core(a)->demotion_total(), 0);
  CHECK(reasons(r.net, a).empty());
  // B took over once and was never asked to move in between: A listens first each time.
  CHECK(r.is_master(b, 0));
  CHECK_EQ(promotions(r.net, b, 1, start), 1U);
  CHECK(promotions(r.net, b, 2, start) <= 2);
  r.net.run_for(Duration{3'000'000 + 1'390'625});
  CHECK(r.is_master(a, 0) && r.is_master(a, 1));
  CHECK_NO_VIOLATION(r.net);
}

TEST(b5_with_a_delay_ten_flaps_are_one_failure) {
  Routers r;
  const auto a = r.add(2, {0, 0}, delayed(milliseconds{200}));
  const auto b = r.add(3, {100, 100});
  r.net.run_for(milliseconds{10'300});
  const Instant start = r.net.now();
  flap(r, a, 0);
  CHECK(reasons(r.net, a) == std::vector<std::string>{"link:eth0"});
  CHECK_EQ(r.net.core(a)->demotion_total(), 240);
  CHECK_EQ(r.net.state(a, 0), VhostState::kInit);
  CHECK_EQ(demotions(r.net, a, start).events, 1);
  CHECK(r.is_master(b, 0) && r.is_master(b, 1));
  r.net.run_for(milliseconds{151});  // the cable has been in for 200 ms
  CHECK_EQ(demotions(r.net, a, start).events, 2);
  CHECK_EQ(r.net.core(a)->demotion_total(), 0);
  CHECK_EQ(count_changes(r.net, b, start), 2U);  // each of its vhids once
  r.net.run_for(seconds{5});
  CHECK(r.is_master(a, 0) && r.is_master(a, 1));
  CHECK_EQ(count_changes(r.net, b, start), 4U);
  CHECK_NO_VIOLATION(r.net);
}

TEST(down_acts_at_once_and_up_after_the_delay) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)}, delayed(seconds{30}));
  Network& net = lan.net;
  // The first state of a link is taken as it is: a host that boots does not wait.
  CHECK_STATE(net, a, kBackup);
  CHECK_EQ(net.core(a)->demotion_total(), 0);
  net.run_for(seconds{5});
  CHECK_STATE(net, a, kMaster);
  const Instant out = net.now();
  net.set_plugged(lan.port(a), false);
  net.run_for(Duration{1});
  CHECK_STATE(net, a, kInit);
  CHECK(!net.forwarding(a, 0));
  CHECK_EQ(net.core(a)->demotion_total(), 240);
  net.run_for(seconds{1});
  net.set_plugged(lan.port(a), true);
  net.run_for(Duration{1});
  CHECK(net.core(a)->link(0).usable());  // the link itself is seen at once
  REQUIRE(net.core(a)->link_up_at(0).has_value());
  CHECK_EQ((*net.core(a)->link_up_at(0) - out).count(), 31'000'001);
  net.run_for(seconds{30} - Duration{3});
  CHECK_STATE(net, a, kInit);
  CHECK_EQ(net.core(a)->demotion_total(), 240);
  net.run_for(Duration{3});
  CHECK_STATE(net, a, kBackup);
  CHECK_EQ(net.vhost(a, 0)->cause(), Cause::kLinkUp);
  CHECK_EQ(net.core(a)->demotion_total(), 0);
  CHECK(!net.core(a)->link_up_at(0).has_value());
  net.run_for(seconds{3});
  CHECK_STATE(net, a, kMaster);
  CHECK_NO_VIOLATION(net);
}

TEST(the_delay_begins_anew_with_each_up_and_ends_with_a_down) {
  Lan lan;
  const auto a = lan.booted(2, {vhid(1, 0)}, delayed(seconds{2}));
  Network& net = lan.net;
  net.run_for(seconds{5});
  net.set_plugged(lan.port(a), false);
  net.run_for(seconds{1});
  net.set_plugged(lan.port(a), true);
  net.run_for(milliseconds{1'900});
  net.set_plugged(lan.port(a), false);
  net.run_for(milliseconds{500});  // past the end of the first delay
  CHECK_STATE(net, a, kInit);
  CHECK(!net.core(a)->link_up_at(0).has_value());
  net.set_plugged(lan.port(a), true);
  net.run_for(milliseconds{1'999});
  CHECK_STATE(net, a, kInit);
  // What says again that the link is up does not start it anew.
  net.set_admin_up(a, 0, true);
  net.run_for(milliseconds{2});
  CHECK_STATE(net, a, kBackup);
  CHECK_EQ(net.core(a)->demotion_total(), 0);
}

// The cable is in but the port of the switch is still closed: with a delay there is never a second
// MASTER, without one there is.
TEST(a_port_that_listens_first_makes_no_second_master_with_a_delay) {
  for (const bool with : {false, true}) {
    Routers r(1);
    const auto a = r.add(2, {0}, delayed(with ? seconds{35} : seconds{0}));
    const auto b = r.add(3, {100});
    r.net.run_for(milliseconds{10'300});
    r.pull(a, 0);
    r.net.run_for(seconds{5});
    CHECK(r.is_master(b, 0));
    const Instant in = r.net.now();
    r.pull(a, 0, false);
    bool closed = true;
    r.net.set_filter(r.segments[0],
                     [&closed, port = r.net.port(a, 0)](sim::PortId from, sim::PortId to, auto) {
                       return !closed || (from != port && to != port);
                     });
    r.net.run_for(seconds{30});
    closed = false;
    r.net.run_for(seconds{10});
    CHECK(r.is_master(a, 0) && r.is_backup(b, 0));
    const Duration doubled = reigns(r.net, 1, in).several;
    if (with) {
      CHECK(doubled <= Duration{100});
    } else {
      CHECK(doubled > seconds{20});
    }
  }
}

TEST(a_host_that_boots_without_a_link_is_demoted_and_waits_when_it_comes) {
  Routers r;
  const auto a = r.add(2, {0, 0}, delayed(seconds{1}));
  r.net.crash(a);
  r.pull(a, 0);
  r.net.boot(a);
  CHECK(reasons(r.net, a) == std::vector<std::string>{"link:eth0"});
  r.net.run_for(seconds{1});
  r.pull(a, 0, false);
  r.net.run_for(milliseconds{999});
  CHECK_EQ(r.net.state(a, 0), VhostState::kInit);
  r.net.run_for(milliseconds{2});
  CHECK_EQ(r.net.state(a, 0), VhostState::kBackup);
  CHECK(reasons(r.net, a).empty());
}

// The OpenBSD profile: octet 4 counts, advskew stays, and the counts are compared first (spec 4.3,
// 5.1, 5.3). Pairs of ours, and pairs with an OpenBSD made of crafted advertisements.
#include "group_lab.h"

using namespace carp;
using namespace carp::test;

namespace {

constexpr Duration kSettled = milliseconds{10'300};

void openbsd(std::size_t, core::VhostConfig& config) { config.profile = core::Profile::kOpenbsd; }

// The newest advertisement of a host's vhost.
wire::Advertisement newest(const Network& net, sim::HostId host, core::VhostId vhost) {
  wire::Advertisement out;
  for (const sim::Sent& sent : advertisements(net, host)) {
    if (sent.vhost == vhost) out = said(sent);
  }
  return out;
}

}  // namespace

TEST(the_octet_counts_one_for_each_failed_interface_and_advskew_stays) {
  Routers r(4);
  const auto a = r.add(2, {7, 7, 7, 7}, {}, openbsd);
  r.net.run_for(kSettled);
  CHECK_EQ(newest(r.net, a, 3).demotion, 0);
  r.pull(a, 0);
  r.net.run_for(milliseconds{1});
  CHECK_EQ(newest(r.net, a, 3).demotion, 1);
  r.pull(a, 1);
  r.net.run_for(milliseconds{1});
  CHECK_EQ(newest(r.net, a, 3).demotion, 2);
  r.pull(a, 2);
  r.net.run_for(milliseconds{1});
  CHECK_EQ(newest(r.net, a, 3).demotion, 3);
  CHECK_EQ(newest(r.net, a, 3).advskew, 7);
  CHECK_EQ(r.net.core(a)->demotion_total(), 720);  // FreeBSD's sum, for `show`
  // The operator's level counts as it is; the octet ends at 255.
  r.demote(a, 100);
  r.net.run_for(milliseconds{1});
  CHECK_EQ(newest(r.net, a, 3).demotion, 103);
  r.demote(a, 300);
  r.net.run_for(milliseconds{1});
  CHECK_EQ(newest(r.net, a, 3).demotion, 255);
  r.demote(a, -50);
  r.net.run_for(milliseconds{1});
  CHECK_EQ(newest(r.net, a, 3).demotion, 0);
  CHECK_EQ(newest(r.net, a, 3).advskew, 7);
  r.demote(a, 0);
  for (const std::size_t s : {0U, 1U, 2U}) r.pull(a, s, false);
  r.net.run_for(seconds{2});
  CHECK_EQ(newest(r.net, a, 3).demotion, 0);
  CHECK_NO_VIOLATION(r.net);
}

TEST(two_vhids_on_one_dead_interface_count_one) {
  Lan lan;
  core::VhostConfig first = vhid(1, 0);
  core::VhostConfig second = vhid(2, 0, {ip4(192, 168, 1, 5)});
  first.profile = second.profile = core::Profile::kOpenbsd;
  const auto a = lan.booted(2, {first, second});
  lan.net.set_plugged(lan.port(a), false);
  lan.net.run_for(milliseconds{1});
  CHECK_EQ(lan.net.vhost(a, 0)->demotion_octet(), 1);
  CHECK_EQ(lan.net.core(a)->demotion_total(), 240);
}

// With and without preempt a pair hands over at once; without, the old master does not come back.
TEST(a_pair_hands_over_both_ways) {
  for (const bool preempt : {true, false}) {
    const core::HostOptions options{.preempt = preempt};
    Routers r;
    const auto a = r.add(2, {0, 0}, options, openbsd);
    const auto b = r.add(3, {100, 100}, options, openbsd);
    r.net.run_for(kSettled);
    const Instant pulled = r.net.now();
    r.pull(a, 1);
    r.net.run_for(milliseconds{10});
    CHECK(r.is_master(b, 0) && r.is_backup(a, 0));
    CHECK_EQ(r.net.vhost(b, 0)->cause(), Cause::kMasterMoreDemoted);
    CHECK_EQ(r.is_master(b, 1), preempt);  // the fast take-over needs preempt
    r.net.run_for(seconds{4});
    CHECK(r.is_master(b, 1));
    CHECK(taken_after(r.net, b, 0, pulled) <= Duration{50});
    r.pull(a, 1, false);
    r.net.run_for(Duration{3'000'000 + 1'390'625});
    CHECK_EQ(r.is_master(a, 0), preempt);
    CHECK_EQ(r.is_master(a, 1), preempt);
    // The other way: B fails while it is MASTER.
    if (!preempt) {
      r.pull(b, 0);
      r.net.run_for(seconds{4});
      CHECK(r.is_master(a, 0) && r.is_master(a, 1));
    }
    CHECK_NO_VIOLATION(r.net);
  }
}

TEST(a_healthy_openbsd_profile_master_of_the_other_segment_is_not_deposed) {
  Routers r;
  const auto a = r.add(2, {0, 50}, kGroupOptions, openbsd);
  const auto b = r.add(3, {100, 100}, kGroupOptions, openbsd);
  const auto c = r.add(4, {200, 0}, kGroupOptions, openbsd);
  r.net.run_for(kSettled);
  const Instant start = r.net.now();
  r.pull(a, 1);
  r.net.run_for(seconds{5});
  CHECK(r.is_master(b, 0) && r.is_master(c, 1));
  CHECK_EQ(reigns(r.net, 2, start).most, 1U);
  CHECK_EQ(changes_of(r.net, 2, start), 1U);  // A's INIT
}

TEST(groups_isolate_the_octet) {
  const Routers::Edit grouped = [](std::size_t segment, core::VhostConfig& config) {
    config.profile = core::Profile::kOpenbsd;
    config.group = segment < 2 ? core::GroupName{"front"} : core::GroupName{"back"};
  };
  Routers r(4);
  const auto a = r.add(2, {0, 0, 0, 0}, {}, grouped);
  const auto b = r.add(3, {100, 100, 100, 100}, {}, grouped);
  r.net.run_for(kSettled);
  const Instant start = r.net.now();
  r.pull(a, 0);
  r.net.run_for(seconds{5});
  CHECK_EQ(newest(r.net, a, 2).demotion, 0);
  CHECK(r.is_master(b, 0) && r.is_master(b, 1));
  CHECK(r.is_master(a, 2) && r.is_master(a, 3));
  CHECK_EQ(changes_of(r.net, 3, start) + changes_of(r.net, 4, start), 0U);
}

// --- with an OpenBSD -------------------------------------------------------------------------

// Its master counts 1: we take over at once, preempt or not; when it counts 0 again and we preempt
// nobody, it comes back only if it is better and preempts, which is its own affair.
TEST(an_openbsd_master_that_counts_is_taken_over_at_once) {
  for (const bool preempt : {true, false}) {
    Routers r;
    Foreign peer(r, 0, 77, 0, wire::virtual_mac(1));
    const auto b = r.add(3, {100}, {.preempt = preempt}, openbsd);
    r.net.run_for(kSettled);
    CHECK(r.is_backup(b, 0));
    peer.advert().pad = 1;
    peer.advertise();
    r.net.run_for(Duration{100});
    CHECK(r.is_master(b, 0));
    peer.alive = false;  // it has heard us and is BACKUP
    r.net.run_for(seconds{5});
    CHECK(r.is_master(b, 0));
    // It preempts: advskew 0, nothing counted.
    peer.advert().pad = 0;
    peer.alive = true;
    peer.advertise();
    r.net.run_for(Duration{100});
    CHECK(r.is_backup(b, 0));
    CHECK_EQ(r.net.vhost(b, 0)->cause(), Cause::kMoreFrequent);
    CHECK_NO_VIOLATION(r.net);
  }
}

// We are MASTER and fail elsewhere: our octet says so at once, the OpenBSD takes over with its
// slower skew, and we yield to it because it counts less; healed, we take it back with preempt.
TEST(an_openbsd_backup_takes_over_from_us_and_gives_back) {
  Routers r;
  const auto a = r.add(2, {0, 0}, kGroupOptions, openbsd);
  r.net.run_for(kSettled);
  const Instant pulled = r.net.now();
  r.pull(a, 1);
  r.net.run_for(Duration{10});
  const auto sent = advertisements(r.net, a, pulled);
  REQUIRE(sent.size() == 1);
  CHECK_EQ(said(sent[0]).demotion, 1);
  CHECK_EQ(said(sent[0]).advskew, 0);
  Foreign peer(r, 0, 77, 100, wire::virtual_mac(1));
  r.net.run_for(Duration{100});
  CHECK(r.is_backup(a, 0));
  CHECK_EQ(r.net.vhost(a, 0)->cause(), Cause::kLessDemoted);
  r.net.run_for(seconds{4});
  CHECK(r.is_backup(a, 0));
  const Instant back = r.net.now();
  r.pull(a, 1, false);
  r.net.run_for(milliseconds{1'100});
  CHECK(r.is_master(a, 0));
  CHECK_EQ(r.net.vhost(a, 0)->cause(), Cause::kPreempting);
  CHECK(taken_after(r.net, a, 0, back) <= seconds{1});
}

// The octet is nothing to a vhid of the FreeBSD profile: it keeps and takes over by interval alone.
TEST(the_freebsd_profile_ignores_the_octet) {
  Routers r;
  Foreign peer(r, 0, 77, 0, wire::virtual_mac(1));
  const auto b = r.add(3, {100}, kGroupOptions);
  r.net.run_for(kSettled);
  peer.advert().pad = 200;
  r.net.run_for(seconds{5});
  CHECK(r.is_backup(b, 0));
  peer.advert().skew = 240;
  peer.advertise();
  r.net.run_for(Duration{100});
  CHECK(r.is_master(b, 0));
}

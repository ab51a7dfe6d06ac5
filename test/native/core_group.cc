// The group take-over without a network between: when the question is asked, and from when the time
// to answer counts.
#include "../sim/crafted.h"

using namespace carp;
using namespace carp::test;

namespace {

// A BACKUP of vhid 1 on eth0 and vhid 2 on eth1 that has heard the masters of both.
struct Backup {
  core::Host host;
  Instant now{0};
  std::vector<core::Transmit> questions;

  Backup() {
    host.configure_options(now, {.preempt = true});
    for (std::uint8_t side = 0; side < 2; ++side) {
      const core::CarpdevId dev = host.add_carpdev(side == 0 ? "eth0" : "eth1");
      host.configure_carpdev(dev, {.mac = mac(static_cast<std::uint8_t>(3 + side)),
                                   .addresses = {{ip4(192, 168, side, 3), 24}}});
      host.handle_link(now, dev, {.present = true, .admin_up = true, .carrier = true});
      const core::VhostId id = host.add_vhost(
          now, dev, vhid(static_cast<std::uint8_t>(side + 1), 100, {ip4(192, 168, side, 1)}));
      host.set_ready(now, id, true);
    }
    hear(0, 0);
    hear(1, 0);
  }

  void hear(std::uint8_t side, std::uint8_t skew) {
    const auto frame = craft({.source = ip4(192, 168, side, 2),
                              .vhid = static_cast<std::uint8_t>(side + 1),
                              .skew = skew,
                              .counter = ++counter,
                              .vips = {ip4(192, 168, side, 1)}});
    host.handle_frame(now, side, frame);
  }

  // What the driver would have to send before all else.
  void drain() {
    core::Transmit transmit;
    questions.clear();
    while (host.poll_question(&transmit)) questions.push_back(transmit);
    core::InterfaceChange change;
    while (host.poll_interface(&change)) {
    }
    while (host.poll_transmit(&transmit))
      CHECK(transmit.kind != core::TransmitKind::kAliveQuestion);
  }

  void wait(Duration time) {
    now = now + time;
    host.handle_timeout(now);
    drain();
  }

  VhostState state(core::VhostId id) const { return host.vhost(id)->state(); }

  std::uint64_t counter = 0;
};

}  // namespace

TEST(the_question_comes_before_everything_and_its_time_counts_from_the_sending) {
  Backup b;
  b.drain();
  CHECK(b.questions.empty());
  b.hear(0, 240);
  b.drain();
  CHECK_EQ(b.state(0), VhostState::kMaster);
  REQUIRE(b.questions.size() == 1);
  const core::Transmit asked = b.questions[0];
  CHECK_EQ(asked.carpdev, 1);
  CHECK_EQ(asked.vhost, 1);
  // The thread had to wait 40 ms for the kernel; only then the question was on the wire.
  b.now = b.now + milliseconds{40};
  b.host.handle_send_result(b.now, asked, core::SendResult::kOk);
  b.host.handle_timeout(b.now);
  CHECK_EQ(b.state(1), VhostState::kBackup);
  b.wait(Duration{1'999});
  CHECK(b.questions.empty());
  b.wait(Duration{1});
  REQUIRE(b.questions.size() == 1);  // once more
  b.now = b.now + milliseconds{10};
  b.host.handle_send_result(b.now, b.questions[0], core::SendResult::kOk);
  b.host.handle_timeout(b.now);
  CHECK_EQ(b.state(1), VhostState::kBackup);
  b.wait(Duration{2'999});
  CHECK_EQ(b.state(1), VhostState::kBackup);
  b.wait(Duration{1});
  CHECK_EQ(b.state(1), VhostState::kMaster);
  CHECK_EQ(b.host.vhost(1)->cause(), Cause::kGroupTakeover);
  CHECK(b.questions.empty());
}

TEST(an_advertisement_an_answer_or_a_change_of_state_ends_the_wait) {
  const auto asked = [](Backup& b) {
    b.hear(0, 240);
    b.drain();
    CHECK(b.host.vhost(1)->following_group());
    b.now = b.now + Duration{100};
  };
  Backup advertisement;
  asked(advertisement);
  advertisement.hear(1, 0);
  CHECK(!advertisement.host.vhost(1)->following_group());
  advertisement.wait(milliseconds{20});
  CHECK_EQ(advertisement.state(1), VhostState::kBackup);

  // Its own vhid there says 240 too: taken over for that reason, once.
  Backup demoted;
  asked(demoted);
  demoted.hear(1, 240);
  CHECK_EQ(demoted.state(1), VhostState::kMaster);
  CHECK_EQ(demoted.host.vhost(1)->cause(), Cause::kPreempting);
  demoted.wait(milliseconds{20});
  CHECK_EQ(demoted.host.vhost(1)->transitions(), 2U);

  Backup cut;
  asked(cut);
  cut.host.handle_link(cut.now, 1, {.present = true, .admin_up = true, .carrier = false});
  CHECK_EQ(cut.state(1), VhostState::kInit);
  cut.wait(milliseconds{20});
  CHECK_EQ(cut.state(1), VhostState::kInit);

  Backup refused;
  asked(refused);
  refused.host.handle_send_result(refused.now, refused.questions[0], core::SendResult::kFailed);
  CHECK(!refused.host.vhost(1)->following_group());
  refused.wait(milliseconds{20});
  CHECK_EQ(refused.state(1), VhostState::kBackup);
}

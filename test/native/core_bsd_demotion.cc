// The demotion captures of four BSDs, replayed. Our host takes the place of one of the two in the
// capture: it gets what the other one sent, at the times of the capture, and its own failures and
// commands at the times that were noted. It must become MASTER and let go when that BSD did, and
// advertise the same advskew and demote octet in the same phases.
//
// Allowance: the BSDs' clocks tick 100 or 1000 times a second and are 0.1 to 2 % slow, so a phase
// may begin 150 ms beside ours and have one advertisement more or less. Where ours differs on
// purpose, the row says from when and why.
#include <cmath>

#include "../sim/scenario.h"
#include "pcap.h"

using namespace carp;
using namespace carp::test;

namespace {

constexpr double kAllowance = 0.15;
constexpr double kNewPhase = 2.9;  // silence that ends a phase: no interval is as long

enum class What : std::uint8_t { kDown, kUp, kCableOut, kCableIn, kPreempt, kDemote, kSendsFail };

// Something done to our host, at seconds from the first frame of the capture on lan0; what was
// noted in the same hundredth as a failure but came before it is moved before it. Links and sends
// are those of lan1.
struct Step {
  double at;
  What what;
  int value = 0;
};

// Ours begins phase `phase` (from 0) of `vhid` at `at`, not when the BSD did. `only_fast`: with the
// fast group take-over.
struct Deviation {
  std::uint8_t vhid;
  std::size_t phase;
  double at;
  bool only_fast;
  const char* reason;
};

// What `ifconfig` there said of vhid 1 and 2, each state by its letter.
struct Shown {
  double at;
  std::string_view states;
};

struct Capture {
  const char* stem;
  bool two_lans;
  core::Profile profile;
  std::uint8_t octet;  // which host is ours: 2 is A, 4 is B
  std::uint8_t advskew;
  double boot;
  double end;  // the comparison stops here
  std::vector<Shown> shown;
  std::vector<Step> steps;
  std::vector<Deviation> deviations;
};

constexpr core::Profile kFree = core::Profile::kFreebsd;
constexpr core::Profile kOpen = core::Profile::kOpenbsd;
constexpr const char* kDecrease = "a demotion that ends is advertised at once, as FreeBSD 13 does";
constexpr const char* kGroup = "the dead segment is taken with its group, not 3 s later";

const Capture kCaptures[] = {
    {"bsd-netbsd-08-demotion",
     true,
     kFree,
     2,
     0,
     0.26,
     30.7,
     {{0.36, "BB"},
      {6.45, "MM"},
      {6.76, "BI"},
      {12.75, "BI"},
      {18.73, "MM"},
      {24.75, "MI"},
      {30.7, "MB"}},
     {{6.46, What::kDown},
      {12.76, What::kUp},
      {18.74, What::kPreempt, 0},
      {18.76, What::kDown},
      {24.76, What::kUp}},
     {{1, 4, 24.76, false, kDecrease}}},
    {"bsd-netbsd-08-demotion",
     true,
     kFree,
     4,
     100,
     0.41,
     30.7,
     {{0.46, "BB"},
      {6.45, "BB"},
      {6.76, "MB"},
      {12.75, "MM"},
      {18.73, "BB"},
      {24.75, "BM"},
      {30.7, "BM"}},
     {{18.74, What::kPreempt, 0}},
     {{2, 0, 6.47, true, kGroup}}},
    {"bsd-netbsd-09-demotion-ucarp",
     false,
     kFree,
     2,
     0,
     0.10,
     22.2,
     {{0.2, "BB"}, {10.2, "MM"}, {16.2, "BI"}, {22.2, "MM"}},
     {{10.21, What::kDown}, {16.21, What::kUp}},
     {}},
    // From 51.8 s on ours is MASTER again: three probes have shown that sends work. FreeBSD stays
    // demoted for as long as it is BACKUP, since it then sends nothing that could succeed.
    {"bsd-freebsd-05-demotion",
     true,
     kFree,
     2,
     0,
     0.52,
     51.5,
     {{0.52, "BB"},
      {6.51, "MM"},
      {6.82, "BI"},
      {18.82, "MM"},
      {24.82, "BI"},
      {30.82, "MM"},
      {34.83, "MM"},
      {38.83, "BB"},
      {42.83, "MM"},
      {48.83, "BB"},
      {51.5, "BB"}},
     {{6.52, What::kDown},
      {12.83, What::kUp},
      {18.83, What::kCableOut},
      {24.83, What::kCableIn},
      {30.83, What::kDemote, 50},
      {34.84, What::kDemote, 110},
      {38.84, What::kDemote, 0},
      {42.84, What::kSendsFail, 1},
      {48.84, What::kSendsFail, 0}},
     {}},
    {"bsd-freebsd-05-demotion",
     true,
     kFree,
     4,
     100,
     0.52,
     56.8,
     {{6.51, "BB"},
      {6.82, "MB"},
      {12.82, "MM"},
      {18.82, "BB"},
      {24.82, "MM"},
      {30.82, "BB"},
      {34.83, "BB"},
      {38.83, "MM"},
      {42.83, "BB"},
      {48.83, "MM"}},
     {},
     {{2, 0, 6.53, true, kGroup}, {2, 1, 18.84, true, kGroup}, {2, 3, 45.04, true, kGroup}}},
    {"bsd-freebsd9-04-demotion",
     true,
     kFree,
     2,
     0,
     1.06,
     29.3,
     {{1.06, "BB"}, {7.05, "MM"}, {7.36, "BI"}, {19.34, "MM"}, {24.36, "MI"}, {29.3, "MB"}},
     {{7.06, What::kDown},
      {13.37, What::kUp},
      {19.35, What::kPreempt, 0},
      {19.37, What::kDown},
      {24.37, What::kUp}},
     {{1, 4, 24.37, false, kDecrease}}},
    {"bsd-freebsd9-04-demotion",
     true,
     kFree,
     4,
     100,
     1.06,
     29.3,
     {{7.05, "BB"}, {7.36, "MB"}, {13.36, "MM"}, {19.34, "BB"}, {24.36, "BM"}},
     {{19.35, What::kPreempt, 0}},
     {{2, 0, 7.07, true, kGroup}}},
    {"bsd-openbsd-03-demotion",
     true,
     kOpen,
     2,
     0,
     0.71,
     50.0,
     {{0.71, "BB"},
      {6.7, "MM"},
      {7.01, "BI"},
      {18.98, "MM"},
      {25.0, "BI"},
      {31.0, "BB"},
      {35.01, "MM"},
      {39.01, "BB"},
      {43.01, "MM"},
      {50.0, "BB"}},
     {{6.71, What::kDown},
      {13.01, What::kUp},
      {18.99, What::kPreempt, 0},
      {19.01, What::kDown},
      {25.01, What::kUp},
      {31.01, What::kPreempt, 1},
      {35.02, What::kDemote, 50},
      {43.02, What::kDemote, 0},
      {47.02, What::kDemote, 300}},
     {}},
    {"bsd-openbsd-03-demotion",
     true,
     kOpen,
     4,
     100,
     0.71,
     50.0,
     {{6.7, "BB"},
      {7.01, "MB"},
      {13.0, "MM"},
      {18.98, "BB"},
      {25.0, "MM"},
      {31.0, "MM"},
      {35.01, "BB"},
      {39.01, "MM"},
      {43.01, "BB"},
      {50.0, "MM"}},
     {{18.99, What::kPreempt, 0},
      {31.01, What::kPreempt, 1},
      {39.02, What::kDemote, 60},
      {43.02, What::kDemote, 0}},
     {{2, 0, 6.72, true, kGroup}}},
};

// Advertisements of one vhid that say the same, without a pause between them.
struct Phase {
  double from = 0;
  double last = 0;
  std::size_t count = 0;
  std::uint8_t advskew = 0;
  std::uint8_t demotion = 0;
};

void extend(std::vector<Phase>& phases, double at, const wire::Advertisement& said) {
  if (phases.empty() || phases.back().advskew != said.advskew ||
      phases.back().demotion != said.demotion || at - phases.back().last > kNewPhase) {
    phases.push_back({at, at, 0, said.advskew, said.demotion});
  }
  phases.back().last = at;
  ++phases.back().count;
}

class Replay {
 public:
  Replay(const Capture& capture, bool fast) : capture_(capture) {
    options_ = {.preempt = true, .fast_takeover = fast};
    host_ = net_.add_host(options_);
    for (std::uint8_t lan = 0; lan < 2; ++lan) {
      const sim::SegmentId segment = net_.add_segment();
      net_.set_delay(segment, Duration{0}, Duration{0});
      const auto subnet = static_cast<std::uint8_t>(lan + 1);
      net_.add_carpdev(
          host_, segment,
          {.mac = mac(subnet), .addresses = {{ip4(192, 168, subnet, capture.octet), 24}}});
      core::VhostConfig config = vhid(subnet, capture.advskew, {ip4(192, 168, subnet, 1)});
      config.key = key("mekmitasdigoat");
      config.profile = capture.profile;
      net_.add_vhost(host_, lan, config);
      peers_[lan] = net_.client_port(
          net_.add_client(segment, mac(static_cast<std::uint8_t>(77 + lan)), ip4(10, 0, 0, 1)));
    }
  }

  bool run() {
    if (!load(0) || (capture_.two_lans && !load(1))) return false;
    net_.at(when(capture_.boot), [this] { net_.boot(host_); });
    for (const Step& step : capture_.steps) {
      net_.at(when(step.at), [this, step] { take(step); });
    }
    for (const Shown& shown : capture_.shown) {
      net_.at(when(shown.at), [this, shown] { states_ += look(shown); });
    }
    net_.run_until(when(capture_.end));
    for (const sim::Sent& sent : net_.sent()) {
      if (sent.host != host_ || !sent.advertisement()) continue;
      extend(ours_[sent.vhost], seconds_of(sent.at), said(sent));
    }
    return true;
  }

  Network& net() { return net_; }
  // Where a state was not the one that was shown.
  const std::string& wrong_states() const { return states_; }
  const std::vector<Phase>& ours(std::size_t lan) const { return ours_[lan]; }
  const std::vector<Phase>& theirs(std::size_t lan) const { return theirs_[lan]; }

 private:
  static Instant when(double at) { return Instant{std::llround(at * 1e6)}; }
  static double seconds_of(Instant at) { return static_cast<double>(at.us) / 1e6; }

  bool load(std::size_t lan) {
    std::string path = std::string("test/vectors/") + capture_.stem;
    if (capture_.two_lans) path += "-lan" + std::to_string(lan);
    const std::vector<TimedFrame> frames = read_timed_pcap(path + ".pcap");
    if (frames.empty()) return false;
    if (lan == 0) zero_ = frames.front().us;
    const auto own = ip4(192, 168, static_cast<std::uint8_t>(lan + 1), capture_.octet);
    for (const TimedFrame& timed : frames) {
      const auto parsed = wire::parse_frame(timed.octets);
      const auto* heard = std::get_if<wire::ReceivedAdvertisement>(&parsed);
      const double at = static_cast<double>(timed.us - zero_) / 1e6;
      if (heard == nullptr || at > capture_.end) continue;
      if (heard->source == own) {
        extend(theirs_[lan], at, heard->advertisement);
      } else {
        net_.inject_at(when(at), peers_[lan], timed.octets);
      }
    }
    return true;
  }

  void take(const Step& step) {
    switch (step.what) {
      case What::kDown:
      case What::kUp:
        net_.set_admin_up(host_, 1, step.what == What::kUp);
        break;
      case What::kCableOut:
      case What::kCableIn:
        net_.set_plugged(net_.port(host_, 1), step.what == What::kCableIn);
        break;
      case What::kPreempt:
        options_.preempt = step.value != 0;
        net_.command(host_, [this](core::Host& host, Instant now) {
          host.configure_options(now, options_);
        });
        break;
      case What::kDemote:
        net_.command(host_, [step](core::Host& host, Instant now) {
          (void)host.handle_demotion(now, "operator", step.value);
        });
        break;
      case What::kSendsFail:
        net_.set_send_failure(host_, 1, step.value != 0);
        break;
    }
  }

  std::string look(const Shown& shown) const {
    std::string states;
    for (core::VhostId v = 0; v < 2; ++v) {
      states += core::kVhostStateNames[static_cast<std::size_t>(net_.state(host_, v))][0];
    }
    if (states == shown.states) return "";
    return " at " + std::to_string(shown.at) + " " + states + ", not " + std::string(shown.states);
  }

  const Capture& capture_;
  std::string states_;
  Network net_;
  core::HostOptions options_;
  sim::HostId host_ = 0;
  sim::PortId peers_[2] = {};
  std::int64_t zero_ = 0;
  std::vector<Phase> ours_[2];
  std::vector<Phase> theirs_[2];
};

std::string text(const std::vector<Phase>& phases) {
  std::ostringstream out;
  for (const Phase& p : phases) {
    out << "\n    " << p.from << " .. " << p.last << ": " << p.count << " of advskew "
        << static_cast<int>(p.advskew) << " demote " << static_cast<int>(p.demotion);
  }
  return out.str();
}

// Empty when ours is what the BSD showed, but for the deviations.
std::string compare(const Capture& capture, const std::vector<Phase>& ours,
                    const std::vector<Phase>& theirs, std::uint8_t vhid, bool fast) {
  if (ours.size() != theirs.size()) return "not as many phases";
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const std::string which = "phase " + std::to_string(i);
    const auto deviates = [&](std::size_t phase) -> const Deviation* {
      for (const Deviation& d : capture.deviations) {
        if (d.vhid == vhid && d.phase == phase && (fast || !d.only_fast)) return &d;
      }
      return nullptr;
    };
    const Deviation* deviation = deviates(i);
    const double expected = deviation != nullptr ? deviation->at : theirs[i].from;
    if (std::abs(ours[i].from - expected) > kAllowance) return which + " begins elsewhere";
    if (ours[i].advskew != theirs[i].advskew) return which + " has another advskew";
    if (ours[i].demotion != theirs[i].demotion) return which + " has another demote octet";
    if (deviation != nullptr || deviates(i + 1) != nullptr) continue;
    const auto count = [](const Phase& p) { return static_cast<long>(p.count); };
    if (std::abs(count(ours[i]) - count(theirs[i])) > 1) return which + " has another length";
    const double interval = 1 + ours[i].advskew / 256.0;
    if (std::abs(ours[i].last - theirs[i].last) > interval + kAllowance) {
      return which + " ends elsewhere";
    }
  }
  return "";
}

}  // namespace

TEST(the_demotion_captures_of_four_bsds_come_out_the_same_with_us_in_either_place) {
  for (const Capture& capture : kCaptures) {
    for (const bool fast : {false, true}) {
      Replay replay(capture, fast);
      REQUIRE(replay.run());
      for (std::uint8_t lan = 0; lan < (capture.two_lans ? 2 : 1); ++lan) {
        const auto vhid = static_cast<std::uint8_t>(lan + 1);
        REQUIRE(!replay.theirs(lan).empty());
        const std::string wrong =
            compare(capture, replay.ours(lan), replay.theirs(lan), vhid, fast);
        if (wrong.empty()) continue;
        carp::test::fail(__FILE__, __LINE__,
                         std::string(capture.stem) + " host ." + std::to_string(capture.octet) +
                             " vhid " + std::to_string(vhid) + (fast ? " (fast): " : ": ") + wrong +
                             "\n  ours:" + text(replay.ours(lan)) +
                             "\n  theirs:" + text(replay.theirs(lan)));
      }
      // With the fast take-over the states of vhid 2 are those of its deviating phases.
      if (!fast && !replay.wrong_states().empty()) {
        carp::test::fail(__FILE__, __LINE__,
                         std::string(capture.stem) + " host ." + std::to_string(capture.octet) +
                             replay.wrong_states());
      }
      CHECK_NO_VIOLATION(replay.net());
    }
  }
}

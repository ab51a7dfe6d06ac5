// The state machine. See vhost.h; what is sent is in vhost_output.cc, how advertisements are
// judged in vhost_judge.cc.
#include "core/vhost.h"

#include <algorithm>

#include "core/check.h"

namespace carp::core {

namespace {

// How long advertisements made with the former password or address set are still taken after a
// change, in units of advbase: long enough to change the peer (faults.md A11, D9).
constexpr int kGraceIntervals = 10;
// The farewell is repeated while nobody has answered it, because it may have been lost.
constexpr Duration kFarewellRepeat = std::chrono::milliseconds{500};
// Longer than the engine still takes frames after it has let go (kGrace in link_worker.h).
constexpr Duration kQuestionAgain = std::chrono::milliseconds{20};
constexpr std::uint8_t kRepeatedAnnouncements = 2;  // after one and two intervals (spec trap 20)
constexpr std::uint64_t kUnicastRefresh = 30;       // rounds between announcements to the switch

}  // namespace

// --- configuration ---------------------------------------------------------------------------

void Vhost::configure(Instant now, const VhostConfig& config) {
  const bool first = !configured_;
  const VhostConfig before = config_;
  config_ = config;
  const bool keyed_anew = first || before.key != config.key || before.vips != config.vips ||
                          before.profile != config.profile || before.vhid != config.vhid;
  if (keyed_anew) {
    if (!first) {
      previous_authenticator_ = authenticator_;
      const int base = config.advbase_s > 0 ? config.advbase_s : 1;
      previous_until_ = now + std::chrono::seconds{kGraceIntervals * base};
    }
    authenticator_.configure(config.key, config.vhid, config.vips,
                             config.profile == Profile::kOpenbsd
                                 ? wire::Authenticator::Form::kWithoutLinkLocal
                                 : wire::Authenticator::Form::kAll);
  }
  if (first) {
    configured_ = true;
    admin_up_ = config.enabled;
    counter_ = config.counter;
    since_ = now;
    note_own_counter();
  } else {
    note_changes(now, before);
  }
  if (state_ == VhostState::kInit && may_run()) start(now, Cause::kInitialized);
}

void Vhost::note_changes(Instant now, const VhostConfig& before) {
  if (config_.enabled != before.enabled) {
    if (config_.enabled) {
      handle_up(now);
    } else {
      handle_down(now);
    }
  }
  if (config_.vips.empty()) {
    if (state_ == VhostState::kMaster) {
      let_go_to(now, VhostState::kInit, Cause::kNoAddress);
    } else if (state_ == VhostState::kBackup) {
      go_init(now, Cause::kNoAddress);
    }
    return;
  }
  if (handing_over() && handover_cause_ == Cause::kNoAddress && may_run()) {
    cancel_handover(now);  // the addresses came back before we had let go
  } else if (state_ == VhostState::kMaster && !handing_over()) {
    advertise_now(now);
    if (before.vips != config_.vips || before.mac != config_.mac) announce();
  }
  if (state_ == VhostState::kBackup) {
    const Instant heard = *master_down_at_ - master_down_interval(before.advbase_s, before.advskew);
    master_down_at_ = heard + master_down_interval(config_.advbase_s, config_.advskew);
  }
}

void Vhost::set_device(const CarpdevConfig& device) { device_ = device; }

void Vhost::set_ready(Instant now, bool ready) {
  if (ready_ == ready) return;
  ready_ = ready;
  if (!ready && state_ != VhostState::kInit) {
    go_init(now, Cause::kInterfaceFailed);
  } else if (may_run() && state_ == VhostState::kInit) {
    start(now, Cause::kInitialized);
  }
}

void Vhost::remove(Instant now) {
  removing_ = true;
  shared_->removing = true;
  if (state_ == VhostState::kMaster) {
    let_go_to(now, VhostState::kInit, Cause::kRemoved);
  } else if (state_ == VhostState::kBackup) {
    go_init(now, Cause::kRemoved);
  }
}

// --- inputs ----------------------------------------------------------------------------------

void Vhost::handle_link(Instant now, bool usable) {
  usable_ = usable;
  if (!usable && state_ != VhostState::kInit) {
    go_init(now, Cause::kLinkDown);
  } else if (state_ == VhostState::kInit && may_run()) {
    start(now, cause_ == Cause::kLinkDown ? Cause::kLinkUp : Cause::kInitialized);
  }
}

void Vhost::handle_up(Instant now) {
  admin_up_ = true;
  if (handing_over() && may_run()) {
    cancel_handover(now);
  } else if (state_ == VhostState::kInit && may_run()) {
    start(now, Cause::kUserRequest);
  }
}

void Vhost::handle_down(Instant now) {
  admin_up_ = false;
  if (state_ == VhostState::kMaster) {
    let_go_to(now, VhostState::kInit, Cause::kAdminDown);
  } else if (state_ == VhostState::kBackup) {
    go_init(now, Cause::kAdminDown);
  }
}

void Vhost::handle_master(Instant now) {
  if (handing_over() && may_run()) {
    cancel_handover(now);
  } else if (state_ == VhostState::kBackup) {
    promote(now, Cause::kUserRequest, nullptr);
  }
}

void Vhost::handle_backup(Instant now) {
  if (state_ == VhostState::kMaster && !handing_over()) {
    let_go_to(now, VhostState::kBackup, Cause::kUserRequest);
  }
}

void Vhost::handle_stop(Instant now) {
  stopping_ = true;
  if (state_ == VhostState::kMaster) {
    let_go_to(now, VhostState::kInit, Cause::kHandedOver);
  } else if (state_ == VhostState::kBackup) {
    go_init(now, Cause::kAdminDown);
  }
}

void Vhost::handle_demotion_change(Instant now) {
  // FreeBSD carp_demote_adj: every MASTER vhid advertises its new skew at once.
  if (state_ == VhostState::kMaster && !handing_over()) advertise_now(now);
}

void Vhost::handle_interface_failure(Instant now) {
  if (handing_over()) {
    finish_handover(now, HandoverPhase::kLimit, nullptr);
  } else if (state_ == VhostState::kMaster) {
    step_down(now, Cause::kInterfaceFailed, nullptr);
  }
}

void Vhost::check_stall(Instant now) {
  if (state_ != VhostState::kMaster || handing_over()) return;
  // A peer with advskew 0 has taken over 3*advbase after our last advertisement. With advbase 0
  // only our own interval is known (design section 3, faults.md C3).
  const Duration silence = config_.advbase_s > 0
                               ? Duration{std::chrono::seconds{3 * config_.advbase_s}}
                               : 3 * interval();
  // The first interval after a promotion is the undemoted one, which a negative demotion makes the
  // longer: the earlier of the two possible last advertisements counts.
  const Duration step = std::max(interval(), interval_of(config_.advbase_s, config_.advskew));
  if (now - *advertisement_at_ + step <= silence) return;
  counters_.add(VhostCounter::kStalls);
  step_down(now, Cause::kLate, nullptr);
}

void Vhost::handle_timeout(Instant now) {
  check_stall(now);
  if (question_again_at_ && now >= *question_again_at_) {
    question_again_at_.reset();
    question_pending_ = true;
    shared_->transmit_dirty = true;
  }
  if (handing_over()) {
    if (now >= *handover_until_) {
      finish_handover(now, HandoverPhase::kLimit, nullptr);
    } else if (farewell_at_ && now >= *farewell_at_) {
      begin_round(Round::kFarewell);
      farewell_at_ = now + kFarewellRepeat;
    }
    return;
  }
  if (advertisement_at_ && now >= *advertisement_at_) {
    const Instant due = *advertisement_at_;
    const Duration step = interval();
    while (*advertisement_at_ <= now) advertisement_at_ = *advertisement_at_ + step;
    begin_round(Round::kAdvertisement);
    scheduled_ = true;
    due_ = due;
    if (announcements_left_ > 0) {
      --announcements_left_;
      announce();
    } else if (!config_.peers.empty() && advertisements_ % kUnicastRefresh == 0) {
      // Unicast advertisements come from the physical MAC; without this the switch would forget
      // the port of the virtual MAC and flood (spec 7.1).
      announce();
    }
  }
  if (alive_again_at_ && now >= *alive_again_at_) {
    alive_again_at_.reset();
    alive_question_pending_ = true;
    shared_->question_dirty = true;
  }
  if (takeover_at_ && now >= *takeover_at_) {
    const wire::IpAddress peer = takeover_peer_;
    counters_.add(VhostCounter::kGroupTakeover);
    promote(now, Cause::kGroupTakeover, &peer);
  }
  if (master_down_at_ && now >= *master_down_at_) promote(now, Cause::kMasterTimedOut, nullptr);
}

std::optional<Instant> Vhost::deadline() const {
  if (handover_until_) {
    if (farewell_at_ && *farewell_at_ < *handover_until_) return farewell_at_;
    return handover_until_;
  }
  const std::optional<Instant>& next = advertisement_at_ ? advertisement_at_ : master_down_at_;
  const std::optional<Instant> question = question_deadline();
  return question && (!next || *question < *next) ? question : next;
}

// --- transitions -----------------------------------------------------------------------------

void Vhost::become(Instant now, VhostState to, Cause cause, const wire::IpAddress* peer) {
  CARP_CHECK(to != state_);
  Event event{.kind = EventKind::kVhostState,
              .at = now,
              .vhost = id_,
              .carpdev = dev_,
              .vhid = config_.vhid,
              .from = state_,
              .to = to,
              .cause = cause};
  if (peer != nullptr) {
    event.has_peer = true;
    event.peer = *peer;
  }
  shared_->events.push(event);
  if (to == VhostState::kMaster || state_ == VhostState::kMaster) {
    interface_changed_ = true;
    shared_->interface_dirty = true;
  }
  state_ = to;
  cause_ = cause;
  since_ = now;
  ++transitions_;
  handover_until_.reset();
  farewell_at_.reset();
  tie_peer_.reset();
  ipv6_tie_since_.reset();
  reannounced_.reset();
  question_pending_ = false;
  question_again_at_.reset();
  end_group_takeover();
  graceful_ = false;
  advertisement_at_.reset();
  master_down_at_.reset();
  if (to == VhostState::kMaster) {
    master_.reset();
    // The first interval is the undemoted one, as in the BSDs' carp_setrun (spec 4.1).
    advertisement_at_ = now + interval_of(config_.advbase_s, config_.advskew);
  } else {
    if (round_ == Round::kAdvertisement) round_ = Round::kNone;
    announce_pending_ = false;
    announcements_left_ = 0;
  }
  if (to == VhostState::kBackup) {
    master_down_at_ = now + master_down_interval(config_.advbase_s, config_.advskew);
  }
}

void Vhost::start(Instant now, Cause cause) {
  become(now, VhostState::kBackup, cause, nullptr);
  master_.reset();
}

void Vhost::promote(Instant now, Cause cause, const wire::IpAddress* peer) {
  become(now, VhostState::kMaster, cause, peer);
  counters_.add(VhostCounter::kPreempt);
  begin_round(Round::kAdvertisement);
  announce();
  announcements_left_ = kRepeatedAnnouncements;
}

void Vhost::step_down(Instant now, Cause cause, const wire::IpAddress* peer) {
  become(now, VhostState::kBackup, cause, peer);
  if (peer != nullptr) {
    master_ = *peer;
    ask_for_successor(now);
  } else {
    master_.reset();
  }
}

// See next_question(). Asked at once and again when the moment is over in which frames of ours may
// still have been on their way.
void Vhost::ask_for_successor(Instant now) {
  graceful_ = true;
  if (config_.mac != MacMode::kVirtual) return;
  question_pending_ = true;
  shared_->transmit_dirty = true;
  question_again_at_ = now + kQuestionAgain;
}

void Vhost::go_init(Instant now, Cause cause) {
  become(now, VhostState::kInit, cause, nullptr);
  master_.reset();
}

void Vhost::let_go_to(Instant now, VhostState target, Cause cause) {
  const bool already = handing_over();
  handover_target_ = target;
  handover_cause_ = cause;
  if (already) return;
  announce_pending_ = false;
  announcements_left_ = 0;
  begin_round(Round::kFarewell);
  handover_until_ = now + shared_->options.handover_limit;
  farewell_at_ = now + kFarewellRepeat;
  report_handover(now, HandoverPhase::kBegin, nullptr);
  if (shared_->options.handover_limit <= Duration{0}) {
    finish_handover(now, HandoverPhase::kLimit, nullptr);
  }
}

void Vhost::finish_handover(Instant now, HandoverPhase phase, const wire::IpAddress* peer) {
  report_handover(now, phase, peer);
  const VhostState target = handover_target_;
  become(now, target, handover_cause_, peer);
  if (peer != nullptr) ask_for_successor(now);
  if (target == VhostState::kBackup && peer != nullptr) master_ = *peer;
}

void Vhost::cancel_handover(Instant now) {
  report_handover(now, HandoverPhase::kCancelled, nullptr);
  handover_until_.reset();
  farewell_at_.reset();
  round_ = Round::kNone;
  advertise_now(now);
  announce();
}

void Vhost::report_handover(Instant now, HandoverPhase phase, const wire::IpAddress* peer) {
  Event event{.kind = EventKind::kHandover,
              .at = now,
              .vhost = id_,
              .carpdev = dev_,
              .vhid = config_.vhid,
              .phase = phase};
  if (peer != nullptr) {
    event.has_peer = true;
    event.peer = *peer;
  }
  shared_->events.push(event);
}

void Vhost::raise(Instant now, Alarm alarm, const wire::IpAddress* peer) {
  constexpr Duration kQuiet = std::chrono::seconds{10};
  const auto i = static_cast<std::size_t>(alarm);
  ++alarm_count_[i];
  if (alarm_at_[i] && now - *alarm_at_[i] < kQuiet) return;
  alarm_at_[i] = now;
  Event event{.kind = EventKind::kAlarm,
              .at = now,
              .vhost = id_,
              .carpdev = dev_,
              .vhid = config_.vhid,
              .alarm = alarm,
              .count = alarm_count_[i]};
  if (peer != nullptr) {
    event.has_peer = true;
    event.peer = *peer;
  }
  alarm_count_[i] = 0;
  shared_->events.push(event);
}

}  // namespace carp::core

// Fast group take-over: all vhids of a group move together, also those on a segment that died
// without a word, where the BSDs wait out 3*advbase. None of them has this.
//
// A host whose cable is pulled demotes itself and says so on its other segments. The BACKUP that
// takes over there knows that something of that host has failed, but neither what, nor which of the
// masters on other segments that host is. So on each of its other segments it asks whether the host
// whose advertisements it follows there is still alive: an ARP request (or neighbour solicitation)
// for the source address of those advertisements, which that host's kernel answers at once, however
// busy its processes are. No answer, and the vhid is taken over; an answer, and it stays: a healthy
// master is never deposed by a failure that is not its own, and one that is alive and demoted there
// too says so itself.
#include <algorithm>

#include "core/vhost.h"

namespace carp::core {

namespace {

// How long an answer may take, and when the question is repeated because it may have been lost. A
// kernel answers in a few hundred microseconds.
constexpr Duration kAnswerLimit = std::chrono::milliseconds{5};
constexpr Duration kAskAgain = std::chrono::milliseconds{2};
// The advskew that a demoted BSD or carpd sends, at least (spec 5.1, models A and B).
constexpr std::uint8_t kDemotedAdvskew = 240;

}  // namespace

bool Vhost::is_demoted(const wire::Advertisement& heard) const {
  if (heard.is_farewell()) return false;
  if (config_.profile == Profile::kOpenbsd && heard.demotion > 0) return true;
  return heard.advskew >= kDemotedAdvskew;
}

// Called when `received` made this vhid MASTER.
void Vhost::note_group_trigger(const wire::ReceivedAdvertisement& received) {
  const HostOptions& options = shared_->options;
  if (!options.preempt || !options.fast_takeover || !is_demoted(received.advertisement)) return;
  shared_->group_trigger = GroupTrigger{.group = group_, .carpdev = dev_, .peer = received.source};
}

void Vhost::begin_group_takeover(Instant now, const wire::IpAddress& demoted) {
  if (state_ != VhostState::kBackup || takeover_at_) return;
  const Peer* followed = master();
  if (followed == nullptr || followed->address.is_unspecified()) return;
  if (source(followed->address.family).is_unspecified()) return;  // nobody could answer us
  if (!is_on_link(followed->address)) return;  // a unicast master behind a router answers no ARP
  // Only where it would take over from this master if that were demoted: one rule for both ways.
  const wire::Advertisement as_demoted{
      .vhid = config_.vhid,
      .advskew = std::max(followed->advskew, kDemotedAdvskew),
      .demotion = std::max(followed->demotion, std::uint8_t{1}),
      .advbase_s = followed->advbase_s,
      .counter = 0,
      .digest = {},
  };
  if (judge_as_backup(as_demoted).verdict != Verdict::kPromote) return;
  takeover_peer_ = demoted;
  takeover_at_ = now + kAnswerLimit;
  alive_again_at_ = now + kAskAgain;
  alive_question_pending_ = true;
  shared_->question_dirty = true;
}

bool Vhost::is_on_link(const wire::IpAddress& address) const {
  if (address.family == wire::Family::kIpv6 && address.v6().is_link_local()) return true;
  return std::any_of(device_.addresses.begin(), device_.addresses.end(),
                     [&](const wire::Prefix& own) { return own.covers(address); });
}

void Vhost::note_alive(const wire::IpAddress& who) {
  if (!takeover_at_ || !master_ || *master_ != who) return;
  counters_.add(VhostCounter::kGroupAnswered);
  end_group_takeover();
}

void Vhost::end_group_takeover() {
  takeover_at_.reset();
  alive_again_at_.reset();
  alive_question_pending_ = false;
}

bool Vhost::next_alive_question(Transmit* out) {
  if (!alive_question_pending_) return false;
  alive_question_pending_ = false;
  const wire::IpAddress from = master_ ? source(master_->family) : wire::IpAddress{};
  if (from.is_unspecified()) {
    end_group_takeover();
    return false;
  }
  write_question(out, from, *master_, {});
  out->kind = TransmitKind::kAliveQuestion;
  out->vhost = id_;
  return true;
}

// The time to answer counts from when the question was really sent: the thread may have waited for
// the kernel meanwhile. A question that could not be sent proves nothing.
void Vhost::note_asked(Instant now, SendResult result) {
  if (!takeover_at_) return;
  if (result != SendResult::kOk) {
    end_group_takeover();
    return;
  }
  const bool first = alive_again_at_.has_value();
  takeover_at_ = std::max(*takeover_at_, now + (first ? kAnswerLimit : kAnswerLimit - kAskAgain));
  if (first) alive_again_at_ = now + kAskAgain;
}

std::optional<Instant> Vhost::question_deadline() const {
  std::optional<Instant> next = question_again_at_;
  for (const std::optional<Instant>& at : {alive_again_at_, takeover_at_}) {
    if (at && (!next || *at < *next)) next = at;
  }
  return next;
}

}  // namespace carp::core

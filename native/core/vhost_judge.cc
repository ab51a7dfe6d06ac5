// How a vhost judges advertisements: the checks of spec 3.5, the rules of spec 4.3, and ties.
#include <algorithm>

#include "core/vhost.h"

namespace carp::core {

namespace {

// (seconds, microseconds) as one number; the comparison of the BSDs' timercmp. Not interval_of(),
// which never gives zero: a received 0/0 is the fastest there can be.
std::int64_t rate(std::uint8_t advbase_s, std::uint8_t advskew) {
  return std::int64_t{advbase_s} * 1'000'000 + std::int64_t{advskew} * 1'000'000 / 256;
}

// UCarp writes 0 where the fifth octet should be 1 (spec 7.1), which names it.
bool is_ucarp(const wire::MacAddress& mac, std::uint8_t vhid) {
  return mac == wire::MacAddress{{0x00, 0x00, 0x5e, 0x00, 0x00, vhid}};
}

}  // namespace

// What OpenBSD's octet says; compared with the peer's.
std::int32_t Vhost::own_demotion() const {
  return std::clamp(shared_->demotion.count(group_), 0, 255);
}

std::uint8_t Vhost::effective_advskew() const {
  if (config_.profile == Profile::kOpenbsd) return config_.advskew;
  // FreeBSD DEMOTE_ADVSKEW: never above 240, never below 0 (negative demotion, spec 5.1).
  return static_cast<std::uint8_t>(std::clamp(config_.advskew + demotion(), 0, 240));
}

std::uint8_t Vhost::demotion_octet() const {
  if (config_.profile != Profile::kOpenbsd) return 0;
  return static_cast<std::uint8_t>(own_demotion());
}

bool Vhost::check(Instant now, const wire::ReceivedAdvertisement& received) {
  if (received.version != 2 || received.type != 1) {
    counters_.add(VhostCounter::kBadver);
    return false;
  }
  if (config_.peers.empty()) {
    if (received.ttl != 255) {
      counters_.add(VhostCounter::kBadttl);
      return false;
    }
  } else if (std::find(config_.peers.begin(), config_.peers.end(), received.source) ==
             config_.peers.end()) {
    counters_.add(VhostCounter::kBadaddrs);
    return false;
  }
  const wire::Advertisement& heard = received.advertisement;
  bool authentic = authenticator_.verify(heard.counter, heard.digest);
  if (!authentic && previous_until_) {
    if (now < *previous_until_) {
      authentic = previous_authenticator_.verify(heard.counter, heard.digest);
    } else {
      previous_until_.reset();
    }
  }
  if (!authentic) {
    counters_.add(VhostCounter::kBadauth);
    raise(now, Alarm::kBadAuth, &received.source);
    return false;
  }
  counters_.add(VhostCounter::kAccepted);
  return true;
}

bool Vhost::handle_advertisement(Instant now, const wire::ReceivedAdvertisement& received) {
  const bool v4 = received.destination.family == wire::Family::kIpv4;
  if (config_.peers.empty()) {
    const auto group =
        v4 ? wire::IpAddress::from(wire::kCarpGroup4) : wire::IpAddress::from(wire::kCarpGroup6);
    if (received.destination != group) return false;
  } else {
    const auto is_destination = [&](const wire::Prefix& own) {
      return own.address == received.destination;
    };
    if (std::none_of(device_.addresses.begin(), device_.addresses.end(), is_destination)) {
      return false;
    }
  }
  if (!check(now, received)) return true;
  const wire::Advertisement& heard = received.advertisement;
  learn_counter(now, heard.counter);
  const PeerTable::Seen seen = peers_.note(now, received.source, heard);
  if (seen.replayed) {
    counters_.add(VhostCounter::kReplayed);
    raise(now, Alarm::kReplay, &received.source);
  }
  if (heard.advbase_s != config_.advbase_s && !heard.is_farewell()) {
    raise(now, Alarm::kAdvbaseDiffers, &received.source);
  }
  if (v4) last_ipv4_ = now;
  switch (state_) {
    case VhostState::kInit:
      break;
    case VhostState::kBackup:
      act_as_backup(now, received);
      break;
    case VhostState::kMaster:
      act_as_master(now, received);
      break;
  }
  return true;
}

void Vhost::learn_counter(Instant, std::uint64_t heard) {
  // Never lowered: max(own, heard). Sending adds one, so a number just heard is never sent back,
  // which OpenBSD would drop as its own (spec trap 2).
  if (heard <= counter_) return;
  counter_ = heard;
  note_own_counter();
}

void Vhost::note_own_counter() {
  const auto epoch = static_cast<std::uint32_t>(counter_ >> 32);
  if (epoch <= shared_->highest_epoch) return;
  shared_->highest_epoch = epoch;
  shared_->events.push(
      Event{.kind = EventKind::kCounterEpoch, .at = since_, .vhost = id_, .count = epoch});
}

// --- BACKUP ----------------------------------------------------------------------------------

Vhost::Judgement Vhost::judge_as_backup(const wire::Advertisement& heard) const {
  const std::int64_t own = rate(config_.advbase_s, effective_advskew());
  const std::int64_t peer = rate(heard.advbase_s, heard.advskew);
  const bool openbsd = config_.profile == Profile::kOpenbsd;
  const bool demotion_allows = !openbsd || heard.demotion >= own_demotion();
  if (shared_->options.preempt && own < peer && demotion_allows) {
    return {Verdict::kPromote, Cause::kPreempting};
  }
  if (openbsd && heard.demotion > own_demotion()) {
    return {Verdict::kPromote, Cause::kMasterMoreDemoted};
  }
  // "Will time out anyway": the farewell 255/255 is nothing but such an advertisement, and is
  // therefore not seen as one by a vhid with advbase 86 or more (spec 4.6).
  const std::uint8_t skew = openbsd ? config_.advskew : effective_advskew();
  const std::int64_t patience = config_.advbase_s > 0
                                    ? rate(0, skew) + std::int64_t{3'000'000} * config_.advbase_s
                                    : 3 * interval_of(0, skew).count();
  if (patience < peer) return {Verdict::kPromote, Cause::kMasterWillTimeOut};
  return {};
}

void Vhost::act_as_backup(Instant now, const wire::ReceivedAdvertisement& received) {
  const Judgement judgement = judge_as_backup(received.advertisement);
  if (judgement.verdict == Verdict::kPromote) {
    promote(now, judgement.cause, &received.source);
    note_group_trigger(received);
    return;
  }
  // Any master that we accept ends the wait: the silent one, or a host that was quicker to follow.
  if (takeover_at_) {
    counters_.add(VhostCounter::kGroupAnswered);
    end_group_takeover();
  }
  // On a dual-stack vhid the master is known by its IPv4 address as long as that is heard.
  const bool known_by_ipv4 =
      last_ipv4_ && now - *last_ipv4_ < master_down_interval(config_.advbase_s, config_.advskew);
  if (received.source.family == wire::Family::kIpv4 || !known_by_ipv4) master_ = received.source;
  master_down_at_ = now + master_down_interval(config_.advbase_s, config_.advskew);
}

// --- MASTER ----------------------------------------------------------------------------------

Vhost::Judgement Vhost::judge_as_master(Instant now, const wire::ReceivedAdvertisement& received) {
  const wire::Advertisement& heard = received.advertisement;
  if (heard.is_farewell()) return {};
  const std::int64_t own = rate(config_.advbase_s, effective_advskew());
  const std::int64_t peer = rate(heard.advbase_s, heard.advskew);
  if (config_.profile == Profile::kOpenbsd && heard.demotion != own_demotion()) {
    if (heard.demotion < own_demotion()) return {Verdict::kYield, Cause::kLessDemoted};
    return {};
  }
  if (own > peer) return {Verdict::kYield, Cause::kMoreFrequent};
  if (own == peer) return judge_tie(now, received);
  return {};
}

// A tie on a dual-stack vhid is judged on IPv4 alone, or two hosts could each lose one family and
// both yield. IPv6 decides only after a whole down time of such a tie without IPv4: one lost or
// overtaken IPv4 advertisement must not.
bool Vhost::ipv4_may_decide(Instant now) {
  if (!has_family(wire::Family::kIpv4)) return false;
  if (!ipv6_tie_since_ || now - ipv6_tie_last_ > 4 * interval()) ipv6_tie_since_ = now;
  ipv6_tie_last_ = now;
  const Instant silent = last_ipv4_ ? std::max(*last_ipv4_, *ipv6_tie_since_) : *ipv6_tie_since_;
  return now - silent < master_down_interval(config_.advbase_s, config_.advskew);
}

// At exactly equal interval the numerically lower source address keeps MASTER. The BSD rule (the
// MASTER that hears an equal yields) can leave two equal hosts without a master for as long as
// they run in step (spec 4.5).
Vhost::Judgement Vhost::judge_tie(Instant now, const wire::ReceivedAdvertisement& received) {
  const wire::Family family = received.source.family;
  if (family == wire::Family::kIpv6 && ipv4_may_decide(now)) return {};
  if (received.source <= source(family)) return {Verdict::kYield, Cause::kEqualFromLower};
  // The peer should yield to our next advertisement. UCarp compares reversed octets and may not:
  // one that still advertises after two of our periodic ones is yielded to, so that there are
  // never two masters for long. The first round after the tie began is our immediate answer.
  constexpr std::uint64_t kRoundsBeforeYield = 3;
  const bool known = tie_peer_ && *tie_peer_ == received.source && now - tie_last_ < 4 * interval();
  if (!known) {
    tie_peer_ = received.source;
    tie_round_ = advertisements_;
  }
  tie_last_ = now;
  if (advertisements_ - tie_round_ >= kRoundsBeforeYield) {
    return {Verdict::kYield, Cause::kPeerKeepsClaim};
  }
  return {};
}

void Vhost::act_as_master(Instant now, const wire::ReceivedAdvertisement& received) {
  const wire::Advertisement& heard = received.advertisement;
  if (handing_over()) {
    if (!heard.is_farewell()) finish_handover(now, HandoverPhase::kSuccessor, &received.source);
    return;
  }
  const Judgement judgement = judge_as_master(now, received);
  if (judgement.verdict == Verdict::kYield) {
    step_down(now, judgement.cause, &received.source);
    // A UCarp winner answers our last advertisement with gratuitous ARP; without it clients would
    // keep the virtual MAC, which UCarp does not own (spec 9.2).
    if (is_ucarp(received.ethernet_source, config_.vhid)) {
      begin_round(Round::kLastWord);
      question_pending_ = false;  // a UCarp has no virtual MAC to answer from
      question_again_at_.reset();
    }
    return;
  }
  if (!heard.is_farewell()) note_second_master(now, received.source);
}

// A healed split, or a peer that does not hear us: say at once, to the peer and to the clients,
// who is MASTER. Limited, because it answers frames.
void Vhost::note_second_master(Instant now, const wire::IpAddress& peer) {
  counters_.add(VhostCounter::kSecondMaster);
  if (now - since_ > interval()) raise(now, Alarm::kSecondMaster, &peer);
  if (reannounced_ && now - *reannounced_ < interval() / 2) return;
  reannounced_ = now;
  advertise_now(now);
  announce();
  if (announcements_left_ == 0) announcements_left_ = 1;
}

}  // namespace carp::core

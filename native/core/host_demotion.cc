// Demotion of a host: its reasons, their groups, and the two that the core finds by itself, a dead
// link and refused sends. See host.h and demotion.h.
#include <algorithm>

#include "core/host.h"
#include "wire/neighbour.h"

namespace carp::core {

namespace {

constexpr std::uint8_t kFailuresToDemote = 3;  // spec 4.7
constexpr std::uint8_t kSuccessesToClear = 3;

std::string_view text_of(const GroupName& name) { return std::string_view(name.data()); }

constexpr Demotion::Groups bit(std::size_t index) { return Demotion::Groups{1} << index; }

}  // namespace

// --- groups ----------------------------------------------------------------------------------

Demotion::Groups Host::used_groups() const {
  Demotion::Groups used = 0;
  each_vhost([&used](const Vhost& v) { used |= v.group(); });
  return used;
}

// The configuration is checked to have no more than kMaxGroups. Should reasons that outlived their
// vhids hold the last free number, the new group is demoted by everything: rather too much than not
// at all.
Demotion::Groups Host::group_bit(const GroupName& name) {
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i] == name) return bit(i);
  }
  Demotion::Groups used = used_groups();
  for (const Demotion::Reason& reason : shared_.demotion.reasons()) {
    if (reason.groups != Demotion::kAllGroups) used |= reason.groups;
  }
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if ((used & bit(i)) != 0) continue;
    groups_[i] = name;
    return bit(i);
  }
  return Demotion::kAllGroups;
}

std::size_t Host::group_names(Demotion::Groups groups, std::span<char> out) const {
  const Demotion::Groups used = used_groups();
  std::fill(out.begin(), out.end(), '\0');
  if ((groups & used) == used) return 0;
  std::size_t length = 0;
  const auto add = [&](std::string_view text) {
    for (char c : text) {
      if (length + 1 < out.size()) out[length++] = c;
    }
  };
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if ((groups & bit(i)) == 0 || groups_[i][0] == '\0') continue;
    if (length > 0) add(", ");
    add(text_of(groups_[i]));
  }
  return length;
}

// --- reasons ---------------------------------------------------------------------------------

DemotionResult Host::handle_demotion(Instant now, std::string_view reason, std::int32_t level,
                                     std::string_view group) {
  observe(now);
  if (group.empty()) return set_demotion(now, reason, level, level, Demotion::kAllGroups);
  const Demotion::Groups used = used_groups();
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if ((used & bit(i)) == 0 || text_of(groups_[i]) != group) continue;
    return set_demotion(now, reason, level, level, bit(i));
  }
  if (level == 0) return set_demotion(now, reason, 0, 0, Demotion::kAllGroups);
  return DemotionResult::kNoSuchGroup;
}

DemotionResult Host::set_demotion(Instant now, std::string_view reason, std::int32_t level,
                                  std::int32_t count, Demotion::Groups groups) {
  switch (shared_.demotion.set(now, reason, level, count, groups)) {
    case Demotion::Change::kNone:
      return DemotionResult::kOk;
    case Demotion::Change::kFull:
      return DemotionResult::kTooManyReasons;
    case Demotion::Change::kChanged:
      break;
  }
  Event event{.kind = EventKind::kDemotion,
              .at = now,
              .reason = to_reason_name(reason),
              .level = level,
              .total = shared_.demotion.total()};
  (void)group_names(groups, event.group);
  shared_.events.push(event);
  // A cleared reason no longer says whom it held for: everyone advertises what holds now.
  each_vhost([&](Vhost& v) {
    if (level == 0 || (v.group() & groups) != 0) v.handle_demotion_change(now);
  });
  return DemotionResult::kOk;
}

void Host::demote(Instant now, std::string_view prefix, const Carpdev& dev, std::int32_t level) {
  // kReasonSize holds every prefix of ours and an interface name of 15 octets.
  ReasonName text = to_reason_name(prefix);
  const std::string_view name(dev.name.data());
  std::copy_n(name.begin(), std::min(name.size(), kReasonSize - 1 - prefix.size()),
              text.begin() + static_cast<long>(prefix.size()));
  Demotion::Groups groups = 0;
  for (VhostId id : dev.by_vhid) {
    if (id != kNoVhost) groups |= vhosts_[id]->group();
  }
  // OpenBSD counts 1 for it, whatever FreeBSD's factor is (spec 5.3). A full table cannot refuse
  // these: the table has room for far more carpdevs than a box has.
  (void)set_demotion(now, std::string_view(text.data()), level, level != 0 ? 1 : 0, groups);
}

// A dead carpdev demotes once, however many vhids it has: only where one of them should run.
void Host::update_link_demotion(Instant now, const Carpdev& dev) {
  bool wanted = false;
  for (VhostId id : dev.by_vhid) {
    if (id != kNoVhost && vhosts_[id]->enabled()) wanted = true;
  }
  const bool failed = wanted && !dev.usable;
  demote(now, "link:", dev, failed ? shared_.options.ifdown_demotion : 0);
}

void Host::handle_send_result(Instant now, const Transmit& sent, SendResult result) {
  if (sent.vhost != kNoVhost && vhosts_[sent.vhost])
    vhosts_[sent.vhost]->note_sent(now, sent, result);
  Carpdev& dev = *devs_[sent.carpdev];
  if (result == SendResult::kPeerUnreachable) return;
  if (result == SendResult::kOk) {
    dev.failures = 0;
    if (!dev.send_failed || ++dev.successes < kSuccessesToClear) return;
    dev.send_failed = false;
    dev.probe_at.reset();
    demote(now, "send:", dev, 0);
    return;
  }
  dev.successes = 0;
  if (dev.send_failed || !dev.usable || ++dev.failures < kFailuresToDemote) return;
  dev.send_failed = true;
  dev.probe_at = now + kProbeInterval;
  demote(now, "send:", dev, shared_.options.senderr_demotion);
}

// Announces the carpdev's own address from its own MAC: harmless on any segment, and it works in
// BACKUP too, where a BSD sends nothing and so can never show that sending works again.
bool Host::next_probe(CarpdevId id, Transmit* out) {
  Carpdev& dev = *devs_[id];
  dev.probe_pending = false;
  for (const wire::Prefix& own : dev.config.addresses) {
    if (own.address.is_unspecified()) continue;
    *out = Transmit{.kind = TransmitKind::kProbe, .carpdev = id};
    out->length =
        own.address.family == wire::Family::kIpv4
            ? wire::write_arp(out->octets,
                              wire::gratuitous_request(dev.config.mac, own.address.v4()))
            : wire::write_unsolicited_na(out->octets, dev.config.mac, own.address.v6(), false);
    return true;
  }
  return false;
}

}  // namespace carp::core

#include "core/host.h"

#include <algorithm>

#include "core/check.h"
#include "wire/bytes.h"

namespace carp::core {

namespace {

constexpr std::size_t kIpv6NextHeader = 20;  // its offset in an Ethernet frame
constexpr std::uint8_t kProtocolIcmpv6 = 58;
// How often the vhosts are looked over for a stall while frames keep coming.
constexpr Duration kObserveStep = std::chrono::milliseconds{1};

}  // namespace

// --- configuration ---------------------------------------------------------------------------

void Host::configure_options(Instant now, const HostOptions& options) {
  const bool demotion_changed = shared_.options.ifdown_demotion != options.ifdown_demotion ||
                                shared_.options.senderr_demotion != options.senderr_demotion;
  const bool balance_changed = shared_.options.arpbalance != options.arpbalance ||
                               shared_.options.balance_hash != options.balance_hash;
  shared_.options = options;
  for (std::size_t id = 0; balance_changed && id < devs_.size(); ++id) {
    if (!devs_[id]) continue;
    tell_shared_vips(static_cast<CarpdevId>(id));
    devs_[id]->filter_changed = true;
  }
  if (!demotion_changed) return;
  for (const auto& dev : devs_) {
    if (!dev) continue;
    update_link_demotion(now, *dev);
    if (dev->send_failed) demote(now, "send:", *dev, options.senderr_demotion);
  }
}

CarpdevId Host::add_carpdev(std::string_view name) {
  auto slot = std::find(devs_.begin(), devs_.end(), nullptr);
  if (slot == devs_.end()) slot = devs_.insert(devs_.end(), nullptr);
  *slot = std::make_unique<Carpdev>();
  (*slot)->name = to_reason_name(name);
  (*slot)->by_vhid.fill(kNoVhost);
  return static_cast<CarpdevId>(slot - devs_.begin());
}

void Host::configure_carpdev(CarpdevId id, const CarpdevConfig& config) {
  devs_[id]->filter_changed = true;
  devs_[id]->config = config;
  each_vhost([&](Vhost& v) {
    if (v.carpdev() == id) v.set_device(config);
  });
}

void Host::remove_carpdev(Instant now, CarpdevId id) {
  CARP_CHECK(devs_[id] && devs_[id]->vhosts == 0);
  demote(now, "link:", *devs_[id], 0);
  demote(now, "send:", *devs_[id], 0);
  devs_[id].reset();
}

VhostId Host::add_vhost(Instant now, CarpdevId carpdev, const VhostConfig& config) {
  Carpdev& dev = *devs_[carpdev];
  CARP_CHECK(config.vhid != 0 && dev.by_vhid[config.vhid] == kNoVhost);
  auto slot = std::find(vhosts_.begin(), vhosts_.end(), nullptr);
  if (slot == vhosts_.end()) slot = vhosts_.insert(vhosts_.end(), nullptr);
  const auto id = static_cast<VhostId>(slot - vhosts_.begin());
  *slot = std::make_unique<Vhost>(&shared_, id, carpdev);
  dev.by_vhid[config.vhid] = id;
  ++dev.vhosts;
  Vhost& vhost = **slot;
  vhost.set_device(dev.config);
  vhost.set_group(group_bit(config.group));
  vhost.configure(now, config);
  vhost.handle_link(now, dev.usable);
  rebuild_vips(carpdev);
  update_link_demotion(now, dev);
  return id;
}

void Host::configure_vhost(Instant now, VhostId id, const VhostConfig& config) {
  observe(now);
  Vhost& vhost = *vhosts_[id];
  CARP_CHECK(vhost.config().vhid == config.vhid);
  vhost.set_group(group_bit(config.group));
  vhost.configure(now, config);
  rebuild_vips(vhost.carpdev());
  update_link_demotion(now, *devs_[vhost.carpdev()]);
}

void Host::remove_vhost(Instant now, VhostId id) {
  observe(now);
  vhosts_[id]->remove(now);
  update_link_demotion(now, *devs_[vhosts_[id]->carpdev()]);
}

void Host::set_ready(Instant now, VhostId id, bool ready) { vhosts_[id]->set_ready(now, ready); }

// --- inputs ----------------------------------------------------------------------------------

// Before anything else is believed, a MASTER that slept too long must step down, or it would
// answer the frames that queued up meanwhile as a master that it no longer is.
void Host::observe(Instant now) {
  if (observed_ && now - *observed_ < kObserveStep) return;
  observed_ = now;
  each_vhost([now](Vhost& v) { v.check_stall(now); });
}

void Host::handle_frame(Instant now, CarpdevId carpdev, std::span<const std::uint8_t> frame) {
  observe(now);
  const bool long_enough = frame.size() >= wire::kEthernetHeader;
  if (long_enough && frame[12] == 0x08 && frame[13] == 0x06) {
    handle_arp(now, carpdev, frame);
  } else if (long_enough && frame[12] == 0x86 && frame.size() > kIpv6NextHeader &&
             frame[kIpv6NextHeader] == kProtocolIcmpv6) {
    handle_neighbour(now, carpdev, frame);
  } else {
    handle_advertisement(now, carpdev, frame);
  }
}

void Host::handle_advertisement(Instant now, CarpdevId id, std::span<const std::uint8_t> frame) {
  Carpdev& dev = *devs_[id];
  const auto parsed = wire::parse_frame(frame);
  const auto* received = std::get_if<wire::ReceivedAdvertisement>(&parsed);
  const bool v6 = frame.size() > 13 && frame[12] == 0x86;
  const auto* rejected = std::get_if<wire::Rejected>(&parsed);
  if (rejected == nullptr || rejected->reason != wire::Malformed::kNotCarp) {
    dev.counters.add(v6 ? DevCounter::kIpackets6 : DevCounter::kIpackets);
  }
  if (rejected != nullptr) {
    reject(now, id, *rejected);
    return;
  }
  Vhost* vhost = find(dev, received->advertisement.vhid);
  if (is_own(dev, received->source)) {
    dev.counters.add(DevCounter::kSelf);
    if (vhost != nullptr) vhost->raise(now, Alarm::kSelf, &received->source);
    return;
  }
  if (vhost == nullptr || !vhost->has_family(received->source.family)) {
    dev.counters.add(DevCounter::kBadvhid);
    return;
  }
  if (!vhost->handle_advertisement(now, *received)) dev.counters.add(DevCounter::kBadif);
  take_group_trigger(now);
}

// On the segment where the demoted master was heard its other vhids are advertised as demoted in
// the same instant, and each is taken over for that reason. The silent ones are elsewhere.
void Host::take_group_trigger(Instant now) {
  if (!shared_.group_trigger) return;
  const GroupTrigger trigger = *shared_.group_trigger;
  shared_.group_trigger.reset();
  each_vhost([&](Vhost& v) {
    if (v.carpdev() == trigger.carpdev || (v.group() & trigger.group) == 0) return;
    v.begin_group_takeover(now, trigger.peer);
  });
}

void Host::reject(Instant now, CarpdevId id, const wire::Rejected& rejected) {
  Carpdev& dev = *devs_[id];
  switch (rejected.reason) {
    case wire::Malformed::kNotCarp:
      break;
    case wire::Malformed::kBadLength:
      dev.counters.add(DevCounter::kBadlen);
      break;
    case wire::Malformed::kBadChecksum:
      dev.counters.add(DevCounter::kBadsum);
      break;
    case wire::Malformed::kForeignVrrp:
      dev.counters.add(DevCounter::kForeignVrrp);
      if (Vhost* vhost = find(dev, rejected.vrid)) {
        vhost->raise(now, Alarm::kForeignVrrp, nullptr);
      }
      break;
  }
}

void Host::handle_link(Instant now, CarpdevId id, const LinkState& link) {
  observe(now);
  Carpdev& dev = *devs_[id];
  const bool first = !dev.seen;
  dev.seen = true;
  if (dev.link == link) return;
  dev.link = link;
  shared_.events.push(Event{.kind = EventKind::kLink,
                            .at = now,
                            .carpdev = id,
                            .present = link.present,
                            .admin_up = link.admin_up,
                            .carrier = link.carrier});
  // Down acts at once. Up may have to wait: behind a switch with spanning tree a link carries
  // nothing at first, and a host that hears nobody would become a second MASTER (spec trap 25).
  if (!link.usable()) {
    dev.up_at.reset();
    use_link(now, id, false);
  } else if (first || shared_.options.link_up_delay <= Duration{0}) {
    use_link(now, id, true);
  } else if (!dev.usable && !dev.up_at) {
    dev.up_at = now + shared_.options.link_up_delay;
  }
}

void Host::use_link(Instant now, CarpdevId id, bool usable) {
  Carpdev& dev = *devs_[id];
  if (dev.usable == usable) return;
  dev.usable = usable;
  dev.up_at.reset();
  // State first, then demotion, then advertisements of the others (spec 5.4).
  each_vhost([&](Vhost& v) {
    if (v.carpdev() == id) v.handle_link(now, usable);
  });
  if (!usable) {
    dev.failures = 0;
    dev.send_failed = false;
    dev.probe_at.reset();
    demote(now, "send:", dev, 0);  // a dead link has its own reason
  }
  update_link_demotion(now, dev);
}

bool Host::handle_admin(Instant now, VhostId id, AdminAction action) {
  observe(now);
  Vhost& vhost = *vhosts_[id];
  switch (action) {
    case AdminAction::kUp:
      vhost.handle_up(now);
      break;
    case AdminAction::kDown:
      vhost.handle_down(now);
      break;
    case AdminAction::kMaster:
      if (vhost.state() == VhostState::kInit) return false;
      vhost.handle_master(now);
      break;
    case AdminAction::kBackup:
      if (vhost.state() == VhostState::kInit) return false;
      vhost.handle_backup(now);
      break;
  }
  update_link_demotion(now, *devs_[vhost.carpdev()]);
  return true;
}

void Host::handle_interface_failure(Instant now, VhostId id) {
  vhosts_[id]->handle_interface_failure(now);
}

void Host::handle_stop(Instant now) {
  observe(now);
  each_vhost([now](Vhost& v) { v.handle_stop(now); });
}

void Host::handle_timeout(Instant now, bool drained) {
  observe(now);
  each_vhost([&](Vhost& v) {
    if (drained || v.state() != VhostState::kBackup) v.handle_timeout(now);
  });
  for (std::size_t id = 0; id < devs_.size(); ++id) {
    const auto& dev = devs_[id];
    if (dev && dev->up_at && now >= *dev->up_at) use_link(now, static_cast<CarpdevId>(id), true);
    if (!dev || !dev->probe_at || now < *dev->probe_at) continue;
    dev->probe_at = now + kProbeInterval;
    dev->probe_pending = true;
    shared_.transmit_dirty = true;
  }
}

// --- outputs ---------------------------------------------------------------------------------

bool Host::poll_question(Transmit* out) {
  if (!shared_.question_dirty) return false;
  for (const std::unique_ptr<Vhost>& v : vhosts_) {
    if (v && v->next_alive_question(out)) return true;
  }
  shared_.question_dirty = false;
  return false;
}

bool Host::poll_interface(InterfaceChange* out) {
  if (!shared_.interface_dirty) return false;
  // Down before up: two hosts of one simulation never, and one host's two vhids rarely, share a
  // MAC, but an address must be unanswerable in the step in which its state changes (trap 21).
  for (const bool wanted : {false, true}) {
    for (const std::unique_ptr<Vhost>& v : vhosts_) {
      InterfaceChange change;
      if (!v || v->forwarding() != wanted) continue;
      if (!v->take_interface_change(&change.up, &change.graceful)) continue;
      change.vhost = v->id();
      *out = change;
      Carpdev& dev = *devs_[v->carpdev()];
      for (const VipOwners& owners : dev.vips) {
        dev.filter_changed = dev.filter_changed || (is_balanced(owners) && v->owns(owners.address));
      }
      return true;
    }
  }
  shared_.interface_dirty = false;
  return false;
}

bool Host::poll_filter(CarpdevId* out) {
  for (std::size_t id = 0; id < devs_.size(); ++id) {
    if (!devs_[id] || !devs_[id]->filter_changed) continue;
    devs_[id]->filter_changed = false;
    *out = static_cast<CarpdevId>(id);
    return true;
  }
  return false;
}

bool Host::poll_transmit(Transmit* out) {
  while (reply_count_ > 0) {
    *out = replies_[reply_head_];
    reply_head_ = (reply_head_ + 1) % kMaxReplies;
    --reply_count_;
    // A later frame of the same batch may have ended the reign that this answer speaks for.
    const Vhost* owner = vhost(out->vhost);
    if (owner != nullptr && owner->forwarding()) return true;
  }
  if (!shared_.transmit_dirty) return false;
  for (std::size_t id = 0; id < devs_.size(); ++id) {
    if (devs_[id] && devs_[id]->probe_pending && next_probe(static_cast<CarpdevId>(id), out)) {
      return true;
    }
  }
  // Round robin, so that the many addresses of one vhid do not hold up the others.
  const std::size_t n = vhosts_.size();
  for (std::size_t i = 0; i < n; ++i) {
    const std::unique_ptr<Vhost>& v = vhosts_[transmit_cursor_ % n];
    ++transmit_cursor_;
    if (v && v->next_transmit(out)) return true;
  }
  shared_.transmit_dirty = false;
  return false;
}

bool Host::poll_event(Event* out) { return shared_.events.pop(out); }

bool Host::poll_released(VhostId* out) {
  if (!shared_.removing) return false;
  bool waiting = false;
  for (std::unique_ptr<Vhost>& v : vhosts_) {
    waiting = waiting || (v && v->removing());
    if (!v || !v->released()) continue;
    *out = v->id();
    Carpdev& dev = *devs_[v->carpdev()];
    const CarpdevId carpdev = v->carpdev();
    dev.by_vhid[v->config().vhid] = kNoVhost;
    --dev.vhosts;
    v.reset();
    rebuild_vips(carpdev);
    return true;
  }
  shared_.removing = waiting;
  return false;
}

std::optional<Instant> Host::poll_timeout() const {
  std::optional<Instant> next;
  const auto consider = [&next](const std::optional<Instant>& at) {
    if (at && (!next || *at < *next)) next = at;
  };
  each_vhost([&](const Vhost& v) { consider(v.deadline()); });
  for (const auto& dev : devs_) {
    if (!dev) continue;
    consider(dev->probe_at);
    consider(dev->up_at);
  }
  return next;
}

bool Host::idle() const {
  bool idle = true;
  each_vhost([&idle](const Vhost& v) { idle = idle && v.idle(); });
  return idle;
}

// --- helpers ---------------------------------------------------------------------------------

Vhost* Host::find(const Carpdev& dev, std::uint8_t vhid) const {
  const VhostId id = dev.by_vhid[vhid];
  return id == kNoVhost ? nullptr : vhosts_[id].get();
}

bool Host::is_own(const Carpdev& dev, const wire::IpAddress& source) const {
  if (source.is_unspecified()) return false;
  return std::any_of(dev.config.addresses.begin(), dev.config.addresses.end(),
                     [&](const wire::Prefix& own) { return own.address == source; });
}

}  // namespace carp::core

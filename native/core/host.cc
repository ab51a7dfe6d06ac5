#include "core/host.h"

#include <algorithm>

#include "core/check.h"
#include "wire/bytes.h"

namespace carp::core {

namespace {

constexpr std::uint8_t kFailuresToDemote = 3;  // spec 4.7
constexpr std::uint8_t kSuccessesToClear = 3;
constexpr Duration kProbeInterval = std::chrono::seconds{1};
// How often the vhosts are looked over for a stall while frames keep coming.
constexpr Duration kObserveStep = std::chrono::milliseconds{1};

ReasonName to_name(std::string_view text) {
  ReasonName name{};
  std::copy_n(text.begin(), std::min(text.size(), kReasonSize - 1), name.begin());
  return name;
}

}  // namespace

// --- configuration ---------------------------------------------------------------------------

void Host::configure_options(Instant now, const HostOptions& options) {
  const bool demotion_changed = shared_.options.ifdown_demotion != options.ifdown_demotion ||
                                shared_.options.senderr_demotion != options.senderr_demotion;
  shared_.options = options;
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
  (*slot)->name = to_name(name);
  (*slot)->by_vhid.fill(kNoVhost);
  return static_cast<CarpdevId>(slot - devs_.begin());
}

void Host::configure_carpdev(CarpdevId id, const CarpdevConfig& config) {
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
  vhost.configure(now, config);
  vhost.handle_link(now, dev.link.usable());
  rebuild_vips(carpdev);
  update_link_demotion(now, dev);
  return id;
}

void Host::configure_vhost(Instant now, VhostId id, const VhostConfig& config) {
  observe(now);
  Vhost& vhost = *vhosts_[id];
  CARP_CHECK(vhost.config().vhid == config.vhid);
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

void Host::rebuild_vips(CarpdevId id) {
  std::vector<Vip4>& vips = devs_[id]->vips;
  vips.clear();
  each_vhost([&](const Vhost& v) {
    if (v.carpdev() != id) return;
    for (const wire::Prefix& vip : v.config().vips) {
      if (vip.address.family == wire::Family::kIpv4) vips.push_back({vip.address.v4(), v.id()});
    }
  });
  std::sort(vips.begin(), vips.end());
}

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
  if (frame.size() >= wire::kEthernetHeader && frame[12] == 0x08 && frame[13] == 0x06) {
    handle_arp(now, carpdev, frame);
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

void Host::handle_arp(Instant now, CarpdevId id, std::span<const std::uint8_t> frame) {
  Carpdev& dev = *devs_[id];
  const std::optional<wire::Arp> arp = wire::parse_arp(frame);
  if (!arp) {
    dev.counters.add(DevCounter::kArpIgnored);
    return;
  }
  const bool unicast_sender = (arp->sender_mac.octets[0] & 1) == 0;
  const auto claimed = std::lower_bound(dev.vips.begin(), dev.vips.end(), Vip4{arp->sender, 0});
  if (claimed != dev.vips.end() && claimed->address == arp->sender) {
    // Somebody claims a VIP. A FreeBSD 13 BACKUP answers our announcement so, by unicast and with
    // its physical MAC: no conflict (spec 4.4). A broadcast claim as we are MASTER is one.
    Vhost& owner = *vhosts_[claimed->vhost];
    if (owner.forwarding() && arp->ethernet_destination == wire::kBroadcastMac &&
        arp->sender_mac != owner.mac() && now - owner.since() > owner.interval()) {
      const auto who = wire::IpAddress::from(arp->sender);
      owner.raise(now, Alarm::kAddressInUse, &who);
    }
  }
  if (arp->operation != wire::ArpOperation::kRequest) return;
  const auto first = std::lower_bound(dev.vips.begin(), dev.vips.end(), Vip4{arp->target, 0});
  if (first == dev.vips.end() || first->address != arp->target) return;
  dev.counters.add(DevCounter::kArpRequests);
  if (arp->is_gratuitous() || !unicast_sender) {
    dev.counters.add(DevCounter::kArpIgnored);
    return;
  }
  for (auto it = first; it != dev.vips.end() && it->address == arp->target; ++it) {
    const Vhost& vhost = *vhosts_[it->vhost];
    if (!vhost.forwarding() || arp->sender_mac == vhost.mac()) continue;
    if (arp->ethernet_destination != wire::kBroadcastMac &&
        arp->ethernet_destination != vhost.mac() && arp->ethernet_destination != dev.config.mac) {
      continue;
    }
    if (reply_count_ == kMaxReplies) {
      dev.counters.add(DevCounter::kTransmitDropped);
      return;
    }
    Transmit& reply = replies_[(reply_head_ + reply_count_++) % kMaxReplies];
    reply = Transmit{.kind = TransmitKind::kArpReply, .carpdev = id, .vhost = vhost.id()};
    reply.length = wire::write_arp(reply.octets, wire::reply_to(*arp, vhost.mac()));
    dev.counters.add(DevCounter::kArpReplies);
    return;  // one answer, the lowest vhid's, however many vhids share the address
  }
  dev.counters.add(DevCounter::kArpIgnored);
}

void Host::handle_link(Instant now, CarpdevId id, const LinkState& link) {
  observe(now);
  Carpdev& dev = *devs_[id];
  if (dev.link == link) return;
  dev.link = link;
  shared_.events.push(Event{.kind = EventKind::kLink,
                            .at = now,
                            .carpdev = id,
                            .present = link.present,
                            .admin_up = link.admin_up,
                            .carrier = link.carrier});
  // State first, then demotion, then advertisements of the others (spec 5.4).
  each_vhost([&](Vhost& v) {
    if (v.carpdev() == id) v.handle_link(now, link.usable());
  });
  if (!link.usable()) {
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

bool Host::handle_demotion(Instant now, std::string_view reason, std::int32_t level) {
  observe(now);
  switch (shared_.demotion.set(now, reason, level)) {
    case Demotion::Change::kNone:
      return true;
    case Demotion::Change::kFull:
      return false;
    case Demotion::Change::kChanged:
      break;
  }
  shared_.events.push(Event{.kind = EventKind::kDemotion,
                            .at = now,
                            .reason = to_name(reason),
                            .level = level,
                            .total = shared_.demotion.total()});
  each_vhost([now](Vhost& v) { v.handle_demotion_change(now); });
  return true;
}

void Host::demote(Instant now, std::string_view prefix, const Carpdev& dev, std::int32_t level) {
  // kReasonSize holds every prefix of ours and an interface name of 15 octets.
  ReasonName text = to_name(prefix);
  const std::string_view name(dev.name.data());
  std::copy_n(name.begin(), std::min(name.size(), kReasonSize - 1 - prefix.size()),
              text.begin() + static_cast<long>(prefix.size()));
  handle_demotion(now, std::string_view(text.data()), level);
}

// A dead carpdev demotes once, however many vhids it has: only where one of them should run.
void Host::update_link_demotion(Instant now, const Carpdev& dev) {
  bool wanted = false;
  for (VhostId id : dev.by_vhid) {
    if (id != kNoVhost && vhosts_[id]->enabled()) wanted = true;
  }
  const bool failed = wanted && !dev.link.usable();
  demote(now, "link:", dev, failed ? shared_.options.ifdown_demotion : 0);
}

void Host::handle_send_result(Instant now, const Transmit& sent, SendResult result) {
  if (sent.vhost != kNoVhost && vhosts_[sent.vhost]) vhosts_[sent.vhost]->note_sent(sent, result);
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
  if (dev.send_failed || !dev.link.usable() || ++dev.failures < kFailuresToDemote) return;
  dev.send_failed = true;
  dev.probe_at = now + kProbeInterval;
  demote(now, "send:", dev, shared_.options.senderr_demotion);
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
  for (const auto& dev : devs_) {
    if (!dev || !dev->probe_at || now < *dev->probe_at) continue;
    dev->probe_at = now + kProbeInterval;
    dev->probe_pending = true;
    shared_.transmit_dirty = true;
  }
}

// --- outputs ---------------------------------------------------------------------------------

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
      return true;
    }
  }
  shared_.interface_dirty = false;
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
    if (dev) consider(dev->probe_at);
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

// Who answers for a VIP: ARP and neighbour solicitations, and the choice among vhids that share one
// (ARP balancing, spec section 6). See host.h.
#include <algorithm>

#include "core/host.h"
#include "wire/balance.h"
#include "wire/neighbour.h"

namespace carp::core {

namespace {

bool is_group(const wire::MacAddress& mac) { return (mac.octets[0] & 1) != 0; }

}  // namespace

// --- the VIPs of a carpdev -------------------------------------------------------------------

void Host::rebuild_vips(CarpdevId id) {
  Carpdev& dev = *devs_[id];
  std::vector<VipOwners> before = std::move(dev.vips);
  dev.vips.clear();
  each_vhost([&](const Vhost& v) {
    if (v.carpdev() != id) return;
    for (const wire::Prefix& vip : v.config().vips) {
      VipOwners* owners = nullptr;
      for (VipOwners& known : dev.vips) {
        if (known.address == vip.address) owners = &known;
      }
      if (owners == nullptr) {
        dev.vips.push_back({.address = vip.address, .members = {}, .hash = {}});
        owners = &dev.vips.back();
      }
      owners->members.push_back(
          {.vhost = v.id(), .vhid = v.config().vhid, .rank = v.config().balance_rank});
    }
  });
  std::sort(dev.vips.begin(), dev.vips.end(),
            [](const VipOwners& a, const VipOwners& b) { return a.address < b.address; });
  for (VipOwners& owners : dev.vips) {
    std::sort(owners.members.begin(), owners.members.end(),
              [](const VipOwners::Member& a, const VipOwners::Member& b) {
                return a.rank != b.rank ? a.rank < b.rank : a.vhid < b.vhid;
              });
    owners.hash = wire::KeyedHash(vhosts_[owners.members.front().vhost]->config().key);
    for (const VipOwners& old : before) {
      if (old.address != owners.address) continue;
      for (VipOwners::Member& member : owners.members) {
        for (const VipOwners::Member& counted : old.members) {
          if (counted.vhost != member.vhost) continue;
          member.requests = counted.requests;
          member.answers = counted.answers;
        }
      }
    }
  }
  dev.filter_changed = true;
  tell_shared_vips(id);
}

void Host::tell_shared_vips(CarpdevId id) {
  const Carpdev& dev = *devs_[id];
  each_vhost([&](Vhost& v) {
    if (v.carpdev() != id) return;
    std::vector<wire::IpAddress> shared;
    for (const VipOwners& owners : dev.vips) {
      if (is_balanced(owners) && v.owns(owners.address)) shared.push_back(owners.address);
    }
    v.set_shared_vips(std::move(shared));
  });
}

VipOwners* Host::find_vip(Carpdev& dev, const wire::IpAddress& address) {
  const auto found = std::lower_bound(
      dev.vips.begin(), dev.vips.end(), address,
      [](const VipOwners& owners, const wire::IpAddress& a) { return owners.address < a; });
  return found != dev.vips.end() && found->address == address ? &*found : nullptr;
}

std::uint32_t Host::mastered(const VipOwners& owners) const {
  std::uint32_t mask = 0;
  for (std::size_t i = 0; i < owners.members.size() && i < 32; ++i) {
    if (vhosts_[owners.members[i].vhost]->forwarding()) mask |= std::uint32_t{1} << i;
  }
  return mask;
}

// --- who answers -----------------------------------------------------------------------------

// The member whose virtual MAC this is: a client that refreshes its cache, or a host that has just
// let go, asks for exactly that one.
VipOwners::Member* Host::named_by(VipOwners& owners, const wire::MacAddress& mac) const {
  for (VipOwners::Member& member : owners.members) {
    const Vhost& vhost = *vhosts_[member.vhost];
    if (vhost.config().mac == MacMode::kVirtual && vhost.mac() == mac) return &member;
  }
  return nullptr;
}

VipOwners::Member* Host::first_forwarding(VipOwners& owners) const {
  for (VipOwners::Member& member : owners.members) {
    if (vhosts_[member.vhost]->forwarding()) return &member;
  }
  return nullptr;
}

Transmit* Host::begin_answer(CarpdevId id, VipOwners::Member& member) {
  Carpdev& dev = *devs_[id];
  if (reply_count_ == kMaxReplies) {
    dev.counters.add(DevCounter::kTransmitDropped);
    return nullptr;
  }
  ++member.answers;
  Transmit& answer = replies_[(reply_head_ + reply_count_++) % kMaxReplies];
  answer = Transmit{.kind = TransmitKind::kAnswer, .carpdev = id, .vhost = member.vhost};
  return &answer;
}

// Somebody else says that a VIP is at its MAC. Told only when it is said to all, and not when one
// of the virtual MACs of this VIP is named: a BSD announces those while it balances (spec 6.1). A
// FreeBSD 13 BACKUP answers our announcement by unicast and with its physical MAC: no conflict
// (spec 4.4).
void Host::note_claim(Instant now, const VipOwners& owners, const wire::MacAddress& mac) {
  for (const VipOwners::Member& member : owners.members) {
    Vhost& vhost = *vhosts_[member.vhost];
    if (vhost.config().mac == MacMode::kVirtual && vhost.mac() == mac) return;
  }
  for (const VipOwners::Member& member : owners.members) {
    Vhost& vhost = *vhosts_[member.vhost];
    if (!vhost.forwarding() || mac == vhost.mac()) continue;
    if (now - vhost.since() <= vhost.interval()) continue;
    vhost.raise(now, Alarm::kAddressInUse, &owners.address);
    return;
  }
}

void Host::note_alive(CarpdevId id, const wire::IpAddress& who) {
  each_vhost([&](Vhost& v) {
    if (v.carpdev() == id) v.note_alive(who);
  });
}

void Host::handle_arp(Instant now, CarpdevId id, std::span<const std::uint8_t> frame) {
  Carpdev& dev = *devs_[id];
  const std::optional<wire::Arp> arp = wire::parse_arp(frame);
  if (!arp) {
    dev.counters.add(DevCounter::kArpIgnored);
    return;
  }
  const auto sender = wire::IpAddress::from(arp->sender);
  const bool to_all = arp->ethernet_destination == wire::kBroadcastMac;
  if (const VipOwners* claimed = find_vip(dev, sender); claimed != nullptr && to_all) {
    note_claim(now, *claimed, arp->sender_mac);
  }
  if (arp->operation == wire::ArpOperation::kReply) {
    note_alive(id, sender);
    return;
  }
  VipOwners* owners = find_vip(dev, wire::IpAddress::from(arp->target));
  if (owners == nullptr) return;
  dev.counters.add(DevCounter::kArpRequests);
  if (arp->is_gratuitous() || is_group(arp->sender_mac)) {
    dev.counters.add(DevCounter::kArpIgnored);
    return;
  }
  VipOwners::Member* member = named_by(*owners, arp->ethernet_destination);
  if (member == nullptr && !to_all && arp->ethernet_destination != dev.config.mac) {
    dev.counters.add(DevCounter::kArpIgnored);
    return;
  }
  if (member == nullptr && is_balanced(*owners)) {
    const auto n = static_cast<std::uint32_t>(owners->members.size());
    member = named_by(*owners, arp->target_mac);
    if (member == nullptr) {
      const std::uint32_t index = shared_.options.balance_hash == BalanceHash::kSourceIp
                                      ? wire::balance_index(arp->sender, n)
                                      : owners->hash.index(arp->sender_mac, n);
      member = &owners->members[index];
    }
  } else if (member == nullptr) {
    member = first_forwarding(*owners);
  }
  if (member != nullptr) ++member->requests;
  const Vhost* vhost = member != nullptr ? vhosts_[member->vhost].get() : nullptr;
  if (vhost == nullptr || !vhost->forwarding() || arp->sender_mac == vhost->mac()) {
    dev.counters.add(DevCounter::kArpIgnored);
    return;
  }
  Transmit* answer = begin_answer(id, *member);
  if (answer == nullptr) return;
  answer->length = wire::write_arp(answer->octets, wire::reply_to(*arp, vhost->mac()));
  dev.counters.add(DevCounter::kArpReplies);
}

// With mac = "physical" the VIP is an address of the carpdev, and the kernel answers for it.
void Host::handle_neighbour(Instant now, CarpdevId id, std::span<const std::uint8_t> frame) {
  Carpdev& dev = *devs_[id];
  const std::optional<wire::Neighbour> heard = wire::parse_neighbour(frame);
  if (!heard) {
    dev.counters.add(DevCounter::kNdIgnored);
    return;
  }
  VipOwners* owners = find_vip(dev, wire::IpAddress::from(heard->target));
  if (!heard->solicitation) {
    if (owners != nullptr && heard->link_layer && is_group(heard->ethernet_destination)) {
      note_claim(now, *owners, *heard->link_layer);
    }
    note_alive(id, wire::IpAddress::from(heard->target));
    return;
  }
  if (owners == nullptr) return;
  dev.counters.add(DevCounter::kNdRequests);
  VipOwners::Member* member = named_by(*owners, heard->ethernet_destination);
  if (member == nullptr && is_balanced(*owners)) {
    const auto n = static_cast<std::uint32_t>(owners->members.size());
    member = &owners->members[wire::balance_index(heard->source, n)];
  } else if (member == nullptr) {
    member = first_forwarding(*owners);
  }
  if (member != nullptr) ++member->requests;
  const Vhost* vhost = member != nullptr ? vhosts_[member->vhost].get() : nullptr;
  if (vhost == nullptr || !vhost->forwarding() || vhost->config().mac != MacMode::kVirtual ||
      heard->link_layer == vhost->mac()) {
    dev.counters.add(DevCounter::kNdIgnored);
    return;
  }
  Transmit* answer = begin_answer(id, *member);
  if (answer == nullptr) return;
  answer->length =
      wire::write_neighbour_answer(answer->octets, *heard, vhost->mac(), shared_.options.router);
  dev.counters.add(DevCounter::kNdReplies);
}

}  // namespace carp::core

// What a vhost sends: advertisements, farewells, gratuitous ARP and neighbour advertisements.
// Frames are made when they are asked for, so nothing is queued and nothing can overflow.
#include <algorithm>

#include "core/vhost.h"

namespace carp::core {

void Vhost::begin_round(Round round) {
  round_ = round;
  shared_->transmit_dirty = true;
  round_cursor_ = 0;
  scheduled_ = false;
  if (round == Round::kAdvertisement) ++advertisements_;
}

void Vhost::advertise_now(Instant now) {
  begin_round(Round::kAdvertisement);
  advertisement_at_ = now + interval();
}

void Vhost::announce() {
  announce_pending_ = true;
  shared_->transmit_dirty = true;
  announce_cursor_ = 0;
}

bool Vhost::take_interface_change(bool* up, bool* graceful) {
  if (!interface_changed_) return false;
  interface_changed_ = false;
  *up = forwarding();
  *graceful = graceful_;
  return true;
}

bool Vhost::next_transmit(Transmit* out) {
  if (round_ != Round::kNone && next_advertisement(out)) return true;
  if (question_pending_ && next_question(out)) return true;
  return announce_pending_ && next_announcement(out);
}

// The n-th packet of a round: one a unicast peer, or one a family of VIPs, IPv4 first (spec 1.5).
bool Vhost::target(std::size_t index, wire::IpAddress* destination) const {
  if (!config_.peers.empty()) {
    if (index >= config_.peers.size()) return false;
    *destination = config_.peers[index];
    return true;
  }
  const bool v4 = has_family(wire::Family::kIpv4);
  if (index == 0 && v4) {
    *destination = wire::IpAddress::from(wire::kCarpGroup4);
    return true;
  }
  if (index == (v4 ? 1U : 0U) && has_family(wire::Family::kIpv6)) {
    *destination = wire::IpAddress::from(wire::kCarpGroup6);
    return true;
  }
  return false;
}

bool Vhost::next_advertisement(Transmit* out) {
  wire::IpAddress destination;
  while (target(round_cursor_, &destination)) {
    ++round_cursor_;
    if (write_advertisement(out, destination)) return true;
    counters_.add(VhostCounter::kNoSource);
  }
  round_ = Round::kNone;
  return false;
}

bool Vhost::write_advertisement(Transmit* out, const wire::IpAddress& destination) {
  const bool v4 = destination.family == wire::Family::kIpv4;
  const wire::IpAddress from = source_towards(destination);
  // IPv4 goes out from 0.0.0.0 if need be, as on the BSDs; IPv6 has no such habit.
  if (!v4 && from.is_unspecified()) return false;
  ++counter_;
  note_own_counter();
  const bool farewell = round_ == Round::kFarewell;
  const wire::Advertisement advertisement{
      .vhid = config_.vhid,
      .advskew = farewell ? std::uint8_t{255} : effective_advskew(),
      .demotion = demotion_octet(),
      .advbase_s = farewell ? std::uint8_t{255} : config_.advbase_s,
      .counter = counter_,
      .digest = authenticator_.sign(counter_),
  };
  *out = Transmit{.kind = farewell ? TransmitKind::kFarewell : TransmitKind::kAdvertisement,
                  .carpdev = dev_,
                  .vhost = id_,
                  .routed = !config_.peers.empty(),
                  .source = from,
                  .destination = destination,
                  .scheduled = scheduled_ && round_cursor_ == 1,
                  .due = due_};
  std::span<std::uint8_t> octets{out->octets};
  if (out->routed) {
    if (v4) {
      out->length = wire::write_packet4(octets, advertisement, from.v4(), destination.v4());
    } else {
      wire::write_carp(octets, advertisement);
      out->length = wire::kCarpHeader;
    }
    return true;
  }
  const wire::MacAddress source_mac = round_ == Round::kLastWord ? device_.mac : mac();
  wire::write_ethernet(octets, v4 ? wire::kCarpGroupMac4 : wire::kCarpGroupMac6, source_mac,
                       v4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
  const auto packet = octets.subspan(wire::kEthernetHeader);
  out->length = wire::kEthernetHeader +
                (v4 ? wire::write_packet4(packet, advertisement, from.v4(), destination.v4())
                    : wire::write_packet6(packet, advertisement, from.v6(), destination.v6()));
  return true;
}

bool Vhost::is_shared(const wire::IpAddress& vip) const {
  return std::find(shared_vips_.begin(), shared_vips_.end(), vip) != shared_vips_.end();
}

bool Vhost::next_announcement(Transmit* out) {
  while (announce_cursor_ < config_.vips.size()) {
    const wire::IpAddress& vip = config_.vips[announce_cursor_++].address;
    const bool v4 = vip.family == wire::Family::kIpv4;
    const bool shared = is_shared(vip);
    // Multicast advertisements show the switches where the virtual MAC is. Unicast ones do not: a
    // shared IPv4 address is probed for instead, which changes no client's cache (RFC 5227 2.1.1).
    if (shared && (config_.peers.empty() || !v4)) continue;
    *out = Transmit{.kind = TransmitKind::kAnnouncement, .carpdev = dev_, .vhost = id_};
    if (v4) {
      wire::Arp arp = wire::gratuitous_request(mac(), vip.v4());
      if (shared) {
        arp.sender = {};
        arp.target_mac = mac();
      }
      out->length = wire::write_arp(out->octets, arp);
    } else {
      out->length =
          wire::write_unsolicited_na(out->octets, mac(), vip.v6(), shared_->options.router);
    }
    return true;
  }
  announce_pending_ = false;
  return false;
}

// What we forwarded between the new master's first frame and our hearing of it told the switches
// that the virtual MAC is still here, and they would send it here until the master's next
// advertisement. Asking for a VIP makes the master answer from the virtual MAC, and that answer
// passes exactly the switches between it and us. No other host takes notice.
bool Vhost::next_question(Transmit* out) {
  question_pending_ = false;
  for (const wire::Prefix& vip : config_.vips) {
    const wire::Family family = vip.address.family;
    const wire::IpAddress from = source(family);
    const bool v4 = family == wire::Family::kIpv4;
    if (!v4 && (from.is_unspecified() || has_family(wire::Family::kIpv4))) continue;
    // Of the hosts that share a VIP the one is asked that has our virtual MAC now; a neighbour
    // solicitation cannot say so.
    const bool shared = is_shared(vip.address);
    if (shared && !v4) continue;
    write_question(out, from, vip.address, shared ? mac() : wire::MacAddress{});
    return true;
  }
  return false;
}

void Vhost::write_question(Transmit* out, const wire::IpAddress& from,
                           const wire::IpAddress& wanted,
                           const wire::MacAddress& target_mac) const {
  *out = Transmit{.kind = TransmitKind::kProbe, .carpdev = dev_};
  out->length =
      wanted.family == wire::Family::kIpv4
          ? wire::write_arp(out->octets, wire::Arp{.operation = wire::ArpOperation::kRequest,
                                                   .ethernet_source = device_.mac,
                                                   .ethernet_destination = wire::kBroadcastMac,
                                                   .sender_mac = device_.mac,
                                                   .sender = from.v4(),
                                                   .target_mac = target_mac,
                                                   .target = wanted.v4()})
          : wire::write_solicitation(out->octets, device_.mac, from.v6(), wanted.v6());
}

void Vhost::note_sent(Instant now, const Transmit& sent, SendResult result) {
  if (sent.kind == TransmitKind::kAliveQuestion) {
    note_asked(now, result);
    return;
  }
  if (result != SendResult::kOk) {
    counters_.add(VhostCounter::kOerrors);
    return;
  }
  if (sent.kind == TransmitKind::kAnnouncement) {
    counters_.add(VhostCounter::kAnnouncements);
    return;
  }
  if (sent.kind != TransmitKind::kAdvertisement && sent.kind != TransmitKind::kFarewell) return;
  if (sent.source.family == wire::Family::kIpv4) {
    counters_.add(VhostCounter::kOpackets);
  } else {
    counters_.add(VhostCounter::kOpackets6);
  }
}

// --- addresses -------------------------------------------------------------------------------

wire::MacAddress Vhost::mac() const {
  return config_.mac == MacMode::kVirtual ? wire::virtual_mac(config_.vhid) : device_.mac;
}

bool Vhost::has_family(wire::Family family) const {
  return std::any_of(config_.vips.begin(), config_.vips.end(),
                     [family](const wire::Prefix& vip) { return vip.address.family == family; });
}

bool Vhost::owns(const wire::IpAddress& address) const {
  return std::any_of(config_.vips.begin(), config_.vips.end(),
                     [&](const wire::Prefix& vip) { return vip.address == address; });
}

// IPv4: the real address whose subnet covers a VIP, else the first (FreeBSD-old, spec 1.3). IPv6:
// the link-local address (spec 1.4).
wire::IpAddress Vhost::source(wire::Family family) const {
  if (family == wire::Family::kIpv6) {
    for (const wire::Prefix& own : device_.addresses) {
      if (own.address.family == family && own.address.v6().is_link_local()) return own.address;
    }
    return wire::IpAddress{wire::Family::kIpv6, {}};
  }
  const wire::IpAddress* first = nullptr;
  for (const wire::Prefix& own : device_.addresses) {
    if (own.address.family != family) continue;
    if (first == nullptr) first = &own.address;
    for (const wire::Prefix& vip : config_.vips) {
      if (own.covers(vip.address)) return own.address;
    }
  }
  return first != nullptr ? *first : wire::IpAddress{};
}

wire::IpAddress Vhost::source_towards(const wire::IpAddress& destination) const {
  const bool global_peer = destination.family == wire::Family::kIpv6 &&
                           !destination.v6().is_link_local() && !destination.v6().is_multicast();
  if (!global_peer) return source(destination.family);
  for (const wire::Prefix& own : device_.addresses) {
    if (own.address.family == wire::Family::kIpv6 && !own.address.v6().is_link_local()) {
      return own.address;
    }
  }
  return source(destination.family);
}

const Peer* Vhost::master() const {
  if (state_ == VhostState::kMaster || !master_) return nullptr;
  return peers_.find(*master_);
}

}  // namespace carp::core

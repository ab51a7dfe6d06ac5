#include "wire/neighbour.h"

#include <algorithm>

#include "wire/advertisement.h"
#include "wire/bytes.h"

namespace carp::wire {

namespace {

constexpr Ipv6Address kAllNodes{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01}};
constexpr MacAddress kAllNodesMac{{0x33, 0x33, 0, 0, 0, 0x01}};
constexpr std::uint8_t kIcmp6 = 58;
constexpr std::size_t kFixedPart = 24;  // of either message, before the options
constexpr std::size_t kNaPayload = 32;  // the fixed part and one link-layer address option
constexpr std::uint8_t kSolicitation = 135;
constexpr std::uint8_t kAdvertisement = 136;
constexpr std::uint8_t kSourceLinkLayer = 1;
constexpr std::uint8_t kTargetLinkLayer = 2;
constexpr std::uint32_t kRouterFlag = 0x80000000;
constexpr std::uint32_t kSolicitedFlag = 0x40000000;
constexpr std::uint32_t kOverrideFlag = 0x20000000;

// A neighbour solicitation or advertisement (RFC 4861 4.3, 4.4) with one link-layer address option.
struct Discovery {
  MacAddress ethernet_destination;
  MacAddress mac;  // Ethernet source and option
  Ipv6Address source;
  Ipv6Address destination;
  std::uint8_t type;
  std::uint32_t flags;
  Ipv6Address target;
  std::uint8_t option;
};

// `packet` starts with the IPv6 header; the message is the `length` octets behind it (RFC
// 4443 2.3).
std::uint16_t icmp6_checksum(std::span<const std::uint8_t> packet, std::size_t length) {
  const std::array<std::uint8_t, 8> tail{0,
                                         0,
                                         static_cast<std::uint8_t>(length >> 8),
                                         static_cast<std::uint8_t>(length & 0xff),
                                         0,
                                         0,
                                         0,
                                         kIcmp6};
  const std::uint32_t seed = sum16(tail, sum16(packet.subspan(8, 32)));
  return checksum(packet.subspan(kIpv6Header, length), seed);
}

std::size_t write_discovery(std::span<std::uint8_t> out, const Discovery& d) {
  write_ethernet(out, d.ethernet_destination, d.mac, kEtherTypeIpv6);
  const auto packet = out.subspan(kEthernetHeader);
  Writer w(packet);
  w.u32(6U << 28);
  w.u16(kNaPayload);
  w.u8(kIcmp6);
  w.u8(255);
  w.bytes(d.source.octets);
  w.bytes(d.destination.octets);
  w.u8(d.type);
  w.u8(0);
  w.u16(0);  // checksum, below
  w.u32(d.flags);
  w.bytes(d.target.octets);
  w.u8(d.option);
  w.u8(1);  // length of the option in units of 8 octets
  w.bytes(d.mac.octets);
  const std::uint16_t sum = icmp6_checksum(packet, kNaPayload);
  packet[kIpv6Header + 2] = static_cast<std::uint8_t>(sum >> 8);
  packet[kIpv6Header + 3] = static_cast<std::uint8_t>(sum & 0xff);
  return kNeighbourAdvertisementFrame;
}

// ff02::1:ffXX:XXXX (RFC 4291 2.7.1).
bool is_solicited_node(const Ipv6Address& address) {
  constexpr std::array<std::uint8_t, 13> kPrefix{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  return std::equal(kPrefix.begin(), kPrefix.end(), address.octets.begin());
}

// Reads all options: one that is malformed spoils the message, those of other types say nothing to
// us. The first address of type `wanted` counts, unless it is a group's: nobody can have that one,
// and an answer to it would go to everybody. `found` says that there was one. False: discard the
// message.
bool read_options(Reader in, std::uint8_t wanted, std::optional<MacAddress>* out, bool* found) {
  while (in.left() > 0) {
    if (in.left() < 2) return false;
    const std::uint8_t type = in.u8();
    const std::size_t length = std::size_t{in.u8()} * 8;
    if (length == 0 || length - 2 > in.left()) return false;
    if (type != wanted || *found) {
      in.skip(length - 2);
      continue;
    }
    if (length != 8) return false;  // not an Ethernet address (RFC 2464 6)
    *found = true;
    MacAddress mac;
    in.copy(mac.octets);
    if ((mac.octets[0] & 1) == 0) *out = mac;
  }
  return true;
}

}  // namespace

std::optional<Arp> parse_arp(std::span<const std::uint8_t> frame) {
  if (frame.size() < kArpFrame) return std::nullopt;
  Arp arp;
  Reader in(frame);
  in.copy(arp.ethernet_destination.octets);
  in.copy(arp.ethernet_source.octets);
  if (in.u16() != kEtherTypeArp) return std::nullopt;
  if (in.u16() != 1 || in.u16() != kEtherTypeIpv4) return std::nullopt;
  if (in.u8() != 6 || in.u8() != 4) return std::nullopt;
  const std::uint16_t operation = in.u16();
  if (operation != 1 && operation != 2) return std::nullopt;
  arp.operation = static_cast<ArpOperation>(operation);
  in.copy(arp.sender_mac.octets);
  in.copy(arp.sender.octets);
  in.copy(arp.target_mac.octets);
  in.copy(arp.target.octets);
  return arp;
}

std::size_t write_arp(std::span<std::uint8_t> out, const Arp& arp) {
  write_ethernet(out, arp.ethernet_destination, arp.ethernet_source, kEtherTypeArp);
  Writer w(out.subspan(kEthernetHeader));
  w.u16(1);
  w.u16(kEtherTypeIpv4);
  w.u8(6);
  w.u8(4);
  w.u16(static_cast<std::uint16_t>(arp.operation));
  w.bytes(arp.sender_mac.octets);
  w.bytes(arp.sender.octets);
  w.bytes(arp.target_mac.octets);
  w.bytes(arp.target.octets);
  return kArpFrame;
}

Arp gratuitous_request(const MacAddress& mac, const Ipv4Address& vip) {
  return Arp{.operation = ArpOperation::kRequest,
             .ethernet_source = mac,
             .ethernet_destination = kBroadcastMac,
             .sender_mac = mac,
             .sender = vip,
             .target_mac = {},
             .target = vip};
}

Arp reply_to(const Arp& request, const MacAddress& mac) {
  return Arp{.operation = ArpOperation::kReply,
             .ethernet_source = mac,
             .ethernet_destination = request.sender_mac,
             .sender_mac = mac,
             .sender = request.target,
             .target_mac = request.sender_mac,
             .target = request.sender};
}

std::size_t write_unsolicited_na(std::span<std::uint8_t> out, const MacAddress& mac,
                                 const Ipv6Address& vip, bool router) {
  return write_discovery(out, {.ethernet_destination = kAllNodesMac,
                               .mac = mac,
                               .source = vip,
                               .destination = kAllNodes,
                               .type = kAdvertisement,
                               .flags = (router ? kRouterFlag : 0) | kOverrideFlag,
                               .target = vip,
                               .option = kTargetLinkLayer});
}

std::size_t write_solicitation(std::span<std::uint8_t> out, const MacAddress& mac,
                               const Ipv6Address& source, const Ipv6Address& target) {
  const std::uint8_t a = target.octets[13];
  const std::uint8_t b = target.octets[14];
  const std::uint8_t c = target.octets[15];
  const Ipv6Address group{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c}};
  return write_discovery(out, {.ethernet_destination = MacAddress{{0x33, 0x33, 0xff, a, b, c}},
                               .mac = mac,
                               .source = source,
                               .destination = group,
                               .type = kSolicitation,
                               .flags = 0,
                               .target = target,
                               .option = kSourceLinkLayer});
}

std::optional<Neighbour> parse_neighbour(std::span<const std::uint8_t> frame) {
  if (frame.size() < kEthernetHeader + kIpv6Header + kFixedPart) return std::nullopt;
  Neighbour out;
  Reader in(frame);
  in.copy(out.ethernet_destination.octets);
  in.copy(out.ethernet_source.octets);
  if (in.u16() != kEtherTypeIpv6) return std::nullopt;
  if (in.u8() >> 4 != 6) return std::nullopt;
  in.skip(3);  // the rest of traffic class and flow label
  const std::size_t length = in.u16();
  if (in.u8() != kIcmp6 || in.u8() != 255) return std::nullopt;
  in.copy(out.source.octets);
  in.copy(out.destination.octets);
  // What is behind the packet is padding of the link.
  if (length < kFixedPart || length > in.left()) return std::nullopt;
  const auto packet = frame.subspan(kEthernetHeader);
  if (icmp6_checksum(packet, length) != 0) return std::nullopt;
  const std::uint8_t type = in.u8();
  if (type != kSolicitation && type != kAdvertisement) return std::nullopt;
  out.solicitation = type == kSolicitation;
  if (in.u8() != 0) return std::nullopt;
  in.skip(2);  // checksum
  const bool solicited_flag = (in.u16() & (kSolicitedFlag >> 16)) != 0;
  in.skip(2);
  in.copy(out.target.octets);
  if (out.target.is_multicast() || out.source.is_multicast()) return std::nullopt;
  const auto options = packet.subspan(kIpv6Header + kFixedPart, length - kFixedPart);
  const std::uint8_t wanted = out.solicitation ? kSourceLinkLayer : kTargetLinkLayer;
  bool has_link_layer = false;
  if (!read_options(Reader(options), wanted, &out.link_layer, &has_link_layer)) return std::nullopt;
  if (out.solicitation && out.source.is_unspecified()) {
    if (has_link_layer || !is_solicited_node(out.destination)) return std::nullopt;
  }
  if (!out.solicitation) {
    out.solicited = solicited_flag;
    if (out.solicited && out.destination.is_multicast()) return std::nullopt;
  }
  return out;
}

std::size_t write_neighbour_answer(std::span<std::uint8_t> out, const Neighbour& solicitation,
                                   const MacAddress& mac, bool router) {
  if (solicitation.source.is_unspecified()) {
    return write_unsolicited_na(out, mac, solicitation.target, router);
  }
  return write_discovery(
      out, {.ethernet_destination = solicitation.link_layer.value_or(solicitation.ethernet_source),
            .mac = mac,
            .source = solicitation.target,
            .destination = solicitation.source,
            .type = kAdvertisement,
            .flags = (router ? kRouterFlag : 0) | kSolicitedFlag | kOverrideFlag,
            .target = solicitation.target,
            .option = kTargetLinkLayer});
}

}  // namespace carp::wire

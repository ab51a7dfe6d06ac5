#include "wire/neighbour.h"

#include "wire/advertisement.h"
#include "wire/bytes.h"

namespace carp::wire {

namespace {

constexpr Ipv6Address kAllNodes{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01}};
constexpr MacAddress kAllNodesMac{{0x33, 0x33, 0, 0, 0, 0x01}};
constexpr std::uint8_t kIcmp6 = 58;
constexpr std::size_t kNaPayload = 32;  // 24 octets and one link-layer address option

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
  const std::array<std::uint8_t, 8> tail{0, 0, 0, kNaPayload, 0, 0, 0, kIcmp6};
  const std::uint32_t seed = sum16(tail, sum16(packet.subspan(8, 32)));
  const std::uint16_t sum = checksum(packet.subspan(kIpv6Header, kNaPayload), seed);
  packet[kIpv6Header + 2] = static_cast<std::uint8_t>(sum >> 8);
  packet[kIpv6Header + 3] = static_cast<std::uint8_t>(sum & 0xff);
  return kNeighbourAdvertisementFrame;
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
                               .type = 136,
                               .flags = router ? 0xa0000000 : 0x20000000,  // router, override
                               .target = vip,
                               .option = 2});  // target link-layer address
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
                               .type = 135,
                               .flags = 0,
                               .target = target,
                               .option = 1});  // source link-layer address
}

}  // namespace carp::wire

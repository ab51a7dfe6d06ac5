#include "wire/advertisement.h"

#include "wire/bytes.h"

namespace carp::wire {

namespace {

using Parsed = std::variant<ReceivedAdvertisement, Rejected>;

// VRRPv2 (RFC 3768 5.1) is 8 octets, 4 an address and 8 of authentication; VRRPv3 (RFC 9568 5.1)
// leaves the 8 out. Octet 3 counts the addresses, where CARP has 7: with 7 addresses only CARP's
// checksum over exactly 36 octets tells them apart (44 octets are also CARP and 8 behind it).
bool looks_like_vrrp(std::span<const std::uint8_t> payload) {
  if (payload.size() < 8) return false;
  const std::size_t addresses = payload[3];
  if (addresses == 7) {
    if (payload.size() == kCarpHeader) return false;
    if (payload.size() > kCarpHeader && checksum(payload.first(kCarpHeader)) == 0) return false;
  }
  if (payload[0] == 0x21) return payload.size() == 16 + 4 * addresses;
  if (payload[0] != 0x31) return false;
  return payload.size() == 8 + 4 * addresses || payload.size() == 8 + 16 * addresses;
}

std::uint32_t pseudo_header_sum(std::span<const std::uint8_t> ipv6) {
  const std::array<std::uint8_t, 8> tail{0, 0, 0, kCarpHeader, 0, 0, 0, kProtocolCarp};
  return sum16(tail, sum16(ipv6.subspan(8, 32)));
}

Parsed parse_carp(std::span<const std::uint8_t> payload, ReceivedAdvertisement received,
                  std::uint32_t pseudo_sum) {
  if (looks_like_vrrp(payload)) return Rejected{Malformed::kForeignVrrp, payload[1]};
  if (payload.size() < kCarpHeader) return Rejected{Malformed::kBadLength, 0};
  const auto header = payload.first(kCarpHeader);
  if (checksum(header) != 0 && (pseudo_sum == 0 || checksum(header, pseudo_sum) != 0)) {
    return Rejected{Malformed::kBadChecksum, 0};
  }
  Reader in(header);
  const std::uint8_t version_type = in.u8();
  received.version = version_type >> 4;
  received.type = version_type & 0x0f;
  Advertisement& advertisement = received.advertisement;
  advertisement.vhid = in.u8();
  advertisement.advskew = in.u8();
  in.skip(1);  // authlen: constant 7, checked by nobody (spec 3.4)
  advertisement.demotion = in.u8();
  advertisement.advbase_s = in.u8();
  in.skip(2);  // checksum
  advertisement.counter = in.u64();
  in.copy(advertisement.digest);
  return received;
}

Parsed parse_ipv4(std::span<const std::uint8_t> packet, ReceivedAdvertisement received) {
  if (packet.size() < kIpv4Header || (packet[0] >> 4) != 4)
    return Rejected{Malformed::kBadLength, 0};
  if (packet[9] != kProtocolCarp) return Rejected{Malformed::kNotCarp, 0};
  const std::size_t header = std::size_t{packet[0] & 0x0fU} * 4;
  const std::size_t total = (std::size_t{packet[2]} << 8) | packet[3];
  // The IP length, never the frame length: some NICs deliver padding (spec trap 10).
  if (header < kIpv4Header || total < header || total > packet.size()) {
    return Rejected{Malformed::kBadLength, 0};
  }
  // More-fragments or an offset: a packet socket sees fragments, the kernels reassemble; nobody
  // sends 56 octets in pieces.
  if (((packet[6] & 0x3f) | packet[7]) != 0) return Rejected{Malformed::kBadLength, 0};
  if (checksum(packet.first(header)) != 0) return Rejected{Malformed::kBadChecksum, 0};
  received.ttl = packet[8];
  Ipv4Address source;
  Ipv4Address destination;
  Reader in(packet);
  in.skip(12);
  in.copy(source.octets);
  in.copy(destination.octets);
  received.source = IpAddress::from(source);
  received.destination = IpAddress::from(destination);
  return parse_carp(packet.subspan(header, total - header), received, 0);
}

Parsed parse_ipv6(std::span<const std::uint8_t> packet, ReceivedAdvertisement received) {
  if (packet.size() < kIpv6Header || (packet[0] >> 4) != 6)
    return Rejected{Malformed::kBadLength, 0};
  if (packet[6] != kProtocolCarp) return Rejected{Malformed::kNotCarp, 0};
  const std::size_t payload = (std::size_t{packet[4]} << 8) | packet[5];
  if (payload > packet.size() - kIpv6Header) return Rejected{Malformed::kBadLength, 0};
  received.ttl = packet[7];
  Ipv6Address source;
  Ipv6Address destination;
  Reader in(packet);
  in.skip(8);
  in.copy(source.octets);
  in.copy(destination.octets);
  received.source = IpAddress::from(source);
  received.destination = IpAddress::from(destination);
  return parse_carp(packet.subspan(kIpv6Header, payload), received, pseudo_header_sum(packet));
}

}  // namespace

std::variant<ReceivedAdvertisement, Rejected> parse_frame(std::span<const std::uint8_t> frame) {
  if (frame.size() < kEthernetHeader) return Rejected{Malformed::kBadLength, 0};
  ReceivedAdvertisement received;
  Reader in(frame);
  in.skip(6);
  in.copy(received.ethernet_source.octets);
  const std::uint16_t ether_type = in.u16();
  const auto packet = frame.subspan(kEthernetHeader);
  if (ether_type == kEtherTypeIpv4) return parse_ipv4(packet, received);
  if (ether_type == kEtherTypeIpv6) return parse_ipv6(packet, received);
  return Rejected{Malformed::kNotCarp, 0};
}

void write_carp(std::span<std::uint8_t> out, const Advertisement& advertisement) {
  Writer w(out);
  w.u8(0x21);
  w.u8(advertisement.vhid);
  w.u8(advertisement.advskew);
  w.u8(7);  // (8 octets of counter + 20 of digest) / 4
  w.u8(advertisement.demotion);
  w.u8(advertisement.advbase_s);
  w.u16(0);
  w.u64(advertisement.counter);
  w.bytes(advertisement.digest);
  const std::uint16_t sum = checksum(out.first(kCarpHeader));
  out[6] = static_cast<std::uint8_t>(sum >> 8);
  out[7] = static_cast<std::uint8_t>(sum & 0xff);
}

std::size_t write_packet4(std::span<std::uint8_t> out, const Advertisement& advertisement,
                          const Ipv4Address& source, const Ipv4Address& destination) {
  Writer w(out);
  w.u8(0x45);
  w.u8(kTrafficClass);
  w.u16(static_cast<std::uint16_t>(kIpv4Header + kCarpHeader));
  w.u16(0);
  w.u16(0x4000);  // DF
  w.u8(255);
  w.u8(kProtocolCarp);
  w.u16(0);
  w.bytes(source.octets);
  w.bytes(destination.octets);
  const std::uint16_t sum = checksum(out.first(kIpv4Header));
  out[10] = static_cast<std::uint8_t>(sum >> 8);
  out[11] = static_cast<std::uint8_t>(sum & 0xff);
  write_carp(out.subspan(kIpv4Header), advertisement);
  return kIpv4Header + kCarpHeader;
}

std::size_t write_packet6(std::span<std::uint8_t> out, const Advertisement& advertisement,
                          const Ipv6Address& source, const Ipv6Address& destination) {
  Writer w(out);
  w.u32((6U << 28) | (std::uint32_t{kTrafficClass} << 20));
  w.u16(static_cast<std::uint16_t>(kCarpHeader));
  w.u8(kProtocolCarp);
  w.u8(255);
  w.bytes(source.octets);
  w.bytes(destination.octets);
  write_carp(out.subspan(kIpv6Header), advertisement);
  return kIpv6Header + kCarpHeader;
}

void write_ethernet(std::span<std::uint8_t> out, const MacAddress& destination,
                    const MacAddress& source, std::uint16_t ether_type) {
  Writer w(out);
  w.bytes(destination.octets);
  w.bytes(source.octets);
  w.u16(ether_type);
}

}  // namespace carp::wire

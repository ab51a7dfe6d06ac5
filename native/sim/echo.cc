#include "sim/echo.h"

#include <array>

#include "wire/advertisement.h"
#include "wire/bytes.h"

namespace carp::sim {

namespace {

constexpr std::uint8_t kIcmp4 = 1;
constexpr std::uint8_t kIcmp6 = 58;
constexpr std::uint8_t kMessage = 16;  // octets of ICMP: its header and the sequence in full

void put_checksum(std::span<std::uint8_t> packet, std::size_t at, std::uint16_t sum) {
  packet[at] = static_cast<std::uint8_t>(sum >> 8);
  packet[at + 1] = static_cast<std::uint8_t>(sum & 0xff);
}

}  // namespace

std::vector<std::uint8_t> write_echo(const Echo& echo) {
  const bool v4 = echo.destination.family == wire::Family::kIpv4;
  const std::size_t header = v4 ? wire::kIpv4Header : wire::kIpv6Header;
  std::vector<std::uint8_t> frame(wire::kEthernetHeader + header + kMessage);
  wire::write_ethernet(frame, echo.destination_mac, echo.source_mac,
                       v4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
  const auto packet = std::span<std::uint8_t>(frame).subspan(wire::kEthernetHeader);
  wire::Writer w(packet);
  std::uint32_t seed = 0;
  if (v4) {
    w.u8(0x45);
    w.u8(0);
    w.u16(static_cast<std::uint16_t>(header + kMessage));
    w.u32(0);
    w.u8(64);
    w.u8(kIcmp4);
    w.u16(0);
    w.bytes(echo.source.v4().octets);
    w.bytes(echo.destination.v4().octets);
    put_checksum(packet, 10, wire::checksum(packet.first(header)));
    w.u8(echo.reply ? 0 : 8);
  } else {
    w.u32(6U << 28);
    w.u16(kMessage);
    w.u8(kIcmp6);
    w.u8(64);
    w.bytes(echo.source.octets);
    w.bytes(echo.destination.octets);
    const std::array<std::uint8_t, 8> tail{0, 0, 0, kMessage, 0, 0, 0, kIcmp6};
    seed = wire::sum16(tail, wire::sum16(packet.subspan(8, 32)));
    w.u8(echo.reply ? 129 : 128);
  }
  w.u8(0);
  w.u16(0);  // checksum, below
  // Identifier and sequence for whoever reads a capture; the simulator reads what follows.
  w.u16(static_cast<std::uint16_t>(echo.sequence >> 32));
  w.u16(static_cast<std::uint16_t>(echo.sequence & 0xffff));
  w.u64(echo.sequence);
  put_checksum(packet, header + 2, wire::checksum(packet.subspan(header), seed));
  return frame;
}

std::optional<Echo> parse_echo(std::span<const std::uint8_t> frame) {
  Echo echo;
  wire::Reader in(frame);
  in.copy(echo.destination_mac.octets);
  in.copy(echo.source_mac.octets);
  const std::uint16_t type = in.u16();
  std::uint8_t message = 0;
  if (type == wire::kEtherTypeIpv4) {
    in.skip(9);
    if (in.u8() != kIcmp4) return std::nullopt;
    in.skip(2);
    wire::Ipv4Address source;
    wire::Ipv4Address destination;
    in.copy(source.octets);
    in.copy(destination.octets);
    echo.source = wire::IpAddress::from(source);
    echo.destination = wire::IpAddress::from(destination);
    message = in.u8();
    if (message != 0 && message != 8) return std::nullopt;
    echo.reply = message == 0;
  } else if (type == wire::kEtherTypeIpv6) {
    in.skip(6);
    if (in.u8() != kIcmp6) return std::nullopt;
    in.skip(1);
    echo.source.family = echo.destination.family = wire::Family::kIpv6;
    in.copy(echo.source.octets);
    in.copy(echo.destination.octets);
    message = in.u8();
    if (message != 128 && message != 129) return std::nullopt;
    echo.reply = message == 129;
  } else {
    return std::nullopt;
  }
  in.skip(7);
  echo.sequence = in.u64();
  if (!in.ok()) return std::nullopt;
  return echo;
}

}  // namespace carp::sim

// Addresses as they stand on the wire: octets in network order, compared octet by octet, which for
// IPv4 is the same as comparing the big-endian numbers.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>

namespace carp::wire {

enum class Family : std::uint8_t { kIpv4 = 4, kIpv6 = 6 };

struct MacAddress {
  std::array<std::uint8_t, 6> octets{};
  auto operator<=>(const MacAddress&) const = default;
};

// 00:00:5e:00:01:VHID, the MAC that carries a vhid's traffic (ip_carp.h CARP_ADDR, RFC 5798 7.3).
constexpr MacAddress virtual_mac(std::uint8_t vhid) {
  return MacAddress{{0x00, 0x00, 0x5e, 0x00, 0x01, vhid}};
}

inline constexpr MacAddress kBroadcastMac{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
// RFC 1112 6.4 and RFC 2464 7 mappings of 224.0.0.18 and ff02::12.
inline constexpr MacAddress kCarpGroupMac4{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12}};
inline constexpr MacAddress kCarpGroupMac6{{0x33, 0x33, 0x00, 0x00, 0x00, 0x12}};

struct Ipv4Address {
  std::array<std::uint8_t, 4> octets{};
  auto operator<=>(const Ipv4Address&) const = default;
  constexpr bool is_unspecified() const { return *this == Ipv4Address{}; }
  // Host-order number: 192.168.1.1 is 0xc0a80101.
  constexpr std::uint32_t number() const {
    return (std::uint32_t{octets[0]} << 24) | (std::uint32_t{octets[1]} << 16) |
           (std::uint32_t{octets[2]} << 8) | octets[3];
  }
};

struct Ipv6Address {
  std::array<std::uint8_t, 16> octets{};
  auto operator<=>(const Ipv6Address&) const = default;
  constexpr bool is_unspecified() const { return *this == Ipv6Address{}; }
  // fe80::/10
  constexpr bool is_link_local() const { return octets[0] == 0xfe && (octets[1] & 0xc0) == 0x80; }
  constexpr bool is_multicast() const { return octets[0] == 0xff; }
  // The addresses whose octets 2 and 3 hold a zone inside a BSD kernel (in6_clearscope).
  constexpr bool is_scoped() const {
    return is_link_local() ||
           (is_multicast() && ((octets[1] & 0x0f) == 1 || (octets[1] & 0x0f) == 2));
  }
};

// 224.0.0.18 and ff02::12, VRRP's groups, which CARP shares.
inline constexpr Ipv4Address kCarpGroup4{{224, 0, 0, 18}};
inline constexpr Ipv6Address kCarpGroup6{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12}};

// Either family. An IPv4 address fills the first four octets; the rest are zero.
struct IpAddress {
  Family family = Family::kIpv4;
  std::array<std::uint8_t, 16> octets{};
  auto operator<=>(const IpAddress&) const = default;

  static constexpr IpAddress from(const Ipv4Address& address) {
    IpAddress out{};
    for (std::size_t i = 0; i < 4; ++i) out.octets[i] = address.octets[i];
    return out;
  }
  static constexpr IpAddress from(const Ipv6Address& address) {
    return IpAddress{Family::kIpv6, address.octets};
  }
  constexpr Ipv4Address v4() const {
    return Ipv4Address{{octets[0], octets[1], octets[2], octets[3]}};
  }
  constexpr Ipv6Address v6() const { return Ipv6Address{octets}; }
  constexpr bool is_unspecified() const {
    for (std::uint8_t octet : octets) {
      if (octet != 0) return false;
    }
    return true;
  }
};

struct Prefix {
  IpAddress address{};
  std::uint8_t length = 0;  // 0..32 or 0..128
  auto operator<=>(const Prefix&) const = default;

  // True when `other` lies in this prefix.
  constexpr bool covers(const IpAddress& other) const {
    if (other.family != address.family) return false;
    std::size_t bits = length;
    for (std::size_t i = 0; bits > 0; ++i) {
      const std::size_t n = bits < 8 ? bits : 8;
      const auto mask = static_cast<std::uint8_t>(0xff << (8 - n));
      if ((address.octets[i] & mask) != (other.octets[i] & mask)) return false;
      bits -= n;
    }
    return true;
  }
};

}  // namespace carp::wire

// CARP advertisements: octets <-> struct. Layout in spec section 1 (ip_carp.h struct carp_header).
#pragma once

#include <cstdint>
#include <span>
#include <variant>

#include "wire/digest.h"
#include "wire/types.h"

namespace carp::wire {

inline constexpr std::size_t kEthernetHeader = 14;
inline constexpr std::size_t kIpv4Header = 20;
inline constexpr std::size_t kIpv6Header = 40;
inline constexpr std::size_t kCarpHeader = 36;
inline constexpr std::uint8_t kProtocolCarp = 112;
inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
// Traffic class of network control, CS7: FreeBSD's net.inet.carp.dscp=56, shifted.
inline constexpr std::uint8_t kTrafficClass = 0xe0;

// The fields of the 36 octets that mean something.
struct Advertisement {
  std::uint8_t vhid = 0;
  std::uint8_t advskew = 0;   // 1/256 s, demoted; 255 with advbase 255: farewell
  std::uint8_t demotion = 0;  // OpenBSD's demote count; 0 from everyone else
  std::uint8_t advbase_s = 0;
  std::uint64_t counter = 0;
  Digest digest{};

  bool is_farewell() const { return advbase_s == 255 && advskew == 255; }
};

// What a frame said before anybody judged it against a configuration.
struct ReceivedAdvertisement {
  Advertisement advertisement;
  MacAddress ethernet_source;
  IpAddress source;
  IpAddress destination;
  std::uint8_t ttl = 0;      // or hop limit
  std::uint8_t version = 0;  // high nibble of the first octet
  std::uint8_t type = 0;     // low nibble
};

enum class Malformed : std::uint8_t {
  kNotCarp,      // another EtherType or protocol (IPv6 extension headers too): not ours to count
  kBadLength,    // shorter than IP header plus 36 octets, or a fragment
  kBadChecksum,  // IPv4 header or CARP checksum
  kForeignVrrp,  // a VRRP advertisement, which shares protocol 112 and the group
};

struct Rejected {
  Malformed reason = Malformed::kNotCarp;
  std::uint8_t vrid = 0;  // kForeignVrrp: the id that VRRP and CARP share through the virtual MAC
};

// Parses one Ethernet frame. Checks length, IPv4 header checksum and CARP checksum, in that order,
// and nothing else; trailing octets behind the 36th are allowed, the IP length counts (spec 3.5).
// The checksum of an IPv6 advertisement may be with or without pseudo-header (spec 1.6).
std::variant<ReceivedAdvertisement, Rejected> parse_frame(std::span<const std::uint8_t> frame);

// Writes the 36 octets with checksum. `out` has room for kCarpHeader.
void write_carp(std::span<std::uint8_t> out, const Advertisement& advertisement);

// Writes IPv4 header and CARP: 56 octets, TTL 255, DF, identification 0.
std::size_t write_packet4(std::span<std::uint8_t> out, const Advertisement& advertisement,
                          const Ipv4Address& source, const Ipv4Address& destination);
// Writes IPv6 header and CARP: 76 octets, hop limit 255.
std::size_t write_packet6(std::span<std::uint8_t> out, const Advertisement& advertisement,
                          const Ipv6Address& source, const Ipv6Address& destination);

void write_ethernet(std::span<std::uint8_t> out, const MacAddress& destination,
                    const MacAddress& source, std::uint16_t ether_type);

}  // namespace carp::wire

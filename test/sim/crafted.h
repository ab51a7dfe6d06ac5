// Advertisements of a host that is not ours, octet by octet, so that each field can be wrong. The
// digest is computed here from the specification, not by the code under test.
#pragma once

#include <openssl/sha.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "scenario.h"
#include "wire/bytes.h"

namespace carp::test {

struct Crafted {
  wire::MacAddress ethernet_source = wire::virtual_mac(1);
  std::optional<wire::MacAddress> ethernet_destination;  // default: the group's
  wire::IpAddress source = ip4(192, 168, 1, 77);
  std::optional<wire::IpAddress> destination;  // default: the group
  std::uint8_t ttl = 255;
  std::uint8_t version = 2;
  std::uint8_t type = 1;
  std::uint8_t vhid = 1;
  std::uint8_t skew = 0;
  std::uint8_t authlen = 7;
  std::uint8_t pad = 0;  // OpenBSD's demote
  std::uint8_t base = 1;
  std::uint64_t counter = 1;
  std::string_view password = "testpass";
  std::vector<wire::IpAddress> vips{kVip};
  std::uint8_t hashed_version = 2;
  std::uint8_t hashed_type = 1;
  bool spoil_digest = false;
  bool spoil_checksum = false;
  bool spoil_ip_checksum = false;
  std::size_t options = 0;   // octets of IPv4 options, a multiple of 4
  std::size_t trailing = 0;  // octets after the 36th, inside the IP length
  std::size_t padding = 0;   // octets after the IP length
  std::size_t cut = 0;       // octets missing from the 36
  bool fragment = false;
};

// HMAC-SHA1 over version, type, vhid, IPv4 addresses ascending, IPv6 addresses ascending, counter
// (spec 2.2, 2.3).
inline wire::Digest digest_of(const Crafted& c) {
  std::vector<wire::IpAddress> vips = c.vips;
  std::sort(vips.begin(), vips.end());
  std::vector<std::uint8_t> message{c.hashed_version, c.hashed_type, c.vhid};
  for (const wire::IpAddress& vip : vips) {
    const std::size_t n = vip.family == wire::Family::kIpv4 ? 4 : 16;
    message.insert(message.end(), vip.octets.begin(),
                   vip.octets.begin() + static_cast<std::ptrdiff_t>(n));
  }
  for (int shift = 56; shift >= 0; shift -= 8) {
    message.push_back(static_cast<std::uint8_t>((c.counter >> shift) & 0xff));
  }
  const wire::Key password = key(c.password);
  std::vector<std::uint8_t> inner(64, 0x36);
  std::vector<std::uint8_t> outer(64, 0x5c);
  for (std::size_t i = 0; i < password.size(); ++i) {
    inner[i] ^= password[i];
    outer[i] ^= password[i];
  }
  inner.insert(inner.end(), message.begin(), message.end());
  wire::Digest digest{};
  SHA1(inner.data(), inner.size(), digest.data());
  outer.insert(outer.end(), digest.begin(), digest.end());
  SHA1(outer.data(), outer.size(), digest.data());
  return digest;
}

inline std::uint16_t crafted_sum(std::span<const std::uint8_t> octets) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < octets.size(); i += 2) {
    sum += (std::uint32_t{octets[i]} << 8) + (i + 1 < octets.size() ? octets[i + 1] : 0U);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xffff);
}

inline sim::Frame craft(const Crafted& c) {
  const bool v4 = c.source.family == wire::Family::kIpv4;
  std::vector<std::uint8_t> carp(36);
  wire::Writer w(carp);
  w.u8(static_cast<std::uint8_t>((c.version << 4) | c.type));
  w.u8(c.vhid);
  w.u8(c.skew);
  w.u8(c.authlen);
  w.u8(c.pad);
  w.u8(c.base);
  w.u16(0);
  w.u64(c.counter);
  w.bytes(digest_of(c));
  if (c.spoil_digest) carp[35] ^= 1;
  const std::uint16_t sum = crafted_sum(carp);
  carp[6] = static_cast<std::uint8_t>(sum >> 8);
  carp[7] = static_cast<std::uint8_t>((sum & 0xff) ^ (c.spoil_checksum ? 1 : 0));
  carp.resize(carp.size() - c.cut);
  carp.resize(carp.size() + c.trailing, 0xa5);

  const std::size_t header = v4 ? 20 + c.options : 40;
  std::vector<std::uint8_t> ip(header);
  wire::Writer h(ip);
  const wire::IpAddress destination =
      c.destination.value_or(v4 ? ip4(224, 0, 0, 18) : ip6(0xff02, 0x12));
  if (v4) {
    h.u8(static_cast<std::uint8_t>(0x40 | (header / 4)));
    h.u8(0x10);
    h.u16(static_cast<std::uint16_t>(header + carp.size()));
    h.u16(0);
    h.u16(c.fragment ? 0x2000 : 0x4000);
    h.u8(c.ttl);
    h.u8(112);
    h.u16(0);
    h.bytes(c.source.v4().octets);
    h.bytes(destination.v4().octets);
    for (std::size_t i = 0; i < c.options; ++i) h.u8(1);  // no operation
    const std::uint16_t ip_sum = crafted_sum(ip);
    ip[10] = static_cast<std::uint8_t>(ip_sum >> 8);
    ip[11] = static_cast<std::uint8_t>((ip_sum & 0xff) ^ (c.spoil_ip_checksum ? 1 : 0));
  } else {
    h.u32(6U << 28);
    h.u16(static_cast<std::uint16_t>(carp.size()));
    h.u8(112);
    h.u8(c.ttl);
    h.bytes(c.source.octets);
    h.bytes(destination.octets);
  }
  sim::Frame frame(14);
  const wire::MacAddress group = v4 ? wire::MacAddress{{1, 0, 0x5e, 0, 0, 0x12}}
                                    : wire::MacAddress{{0x33, 0x33, 0, 0, 0, 0x12}};
  wire::write_ethernet(frame, c.ethernet_destination.value_or(group), c.ethernet_source,
                       v4 ? 0x0800 : 0x86dd);
  frame.insert(frame.end(), ip.begin(), ip.end());
  frame.insert(frame.end(), carp.begin(), carp.end());
  frame.resize(frame.size() + c.padding, 0);
  return frame;
}

}  // namespace carp::test

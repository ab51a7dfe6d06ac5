// Which of n vhids answers for the address that they share: pure arithmetic on what the asking host
// sent. Spec section 6; the tables of real BSDs are in test/vectors (see BSD.md there).
#pragma once

#include <cstdint>

#include "wire/digest.h"
#include "wire/types.h"

namespace carp::wire {

// FreeBSD 9.1 net.inet.carp.arpbalance: the sender's IPv4 address as a big-endian number, mod n.
// n is 1 or more. 0.0.0.0 (an address probe, RFC 5227) gives 0.
constexpr std::uint32_t balance_index(const Ipv4Address& source, std::uint32_t n) {
  return source.number() % n;
}

// The same idea for IPv6, which no BSD's arpbalance does: the four 32-bit words of the source
// address, big-endian, XORed, mod n. "::" (duplicate address detection) gives 0.
std::uint32_t balance_index(const Ipv6Address& source, std::uint32_t n);

// NetBSD's and OpenBSD's rule: a hash of the sender's MAC, keyed with the password (spec 6.2,
// functions carp_hmac_prepare and carp_hash). Little-endian hosts only agree with little-endian
// ones; this is the little-endian form on every machine. All vhids of a group need one password.
class KeyedHash {
 public:
  KeyedHash() = default;
  explicit KeyedHash(const Key& key);
  std::uint32_t hash(const MacAddress& sender) const;
  std::uint32_t index(const MacAddress& sender, std::uint32_t n) const { return hash(sender) % n; }

 private:
  std::uint32_t k0_ = 0;
  std::uint32_t k1_ = 0;
  std::uint32_t k2_ = 0;
};

}  // namespace carp::wire

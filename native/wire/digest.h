// The authentication of an advertisement: HMAC-SHA1 over version 2, type 1, vhid, the sorted VIPs
// and the counter (spec section 2; FreeBSD carp_hmac_prepare, carp_hmac_generate).
//
// SHA-1 is libcrypto's. Everything but the counter is the same from one advertisement to the next,
// so the hash states after the key and after the addresses are kept: an advertisement costs two
// SHA-1 blocks and no allocation.
#pragma once

#include <openssl/sha.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "wire/types.h"

namespace carp::wire {

using Digest = std::array<std::uint8_t, 20>;

// The 20-octet key field: password octets left-aligned, zero filled. All zero is the empty
// password. A password has at most 19 octets, because ifconfig keeps the terminator (spec 2.1).
using Key = std::array<std::uint8_t, 20>;

class Authenticator {
 public:
  // Which IPv6 addresses enter the digest of what is sent.
  enum class Form : std::uint8_t {
    kAll,               // FreeBSD, NetBSD: link-local VIPs too
    kWithoutLinkLocal,  // OpenBSD (HMAC_NOV6LL)
  };

  Authenticator() = default;
  ~Authenticator();
  Authenticator(const Authenticator&) = default;
  Authenticator& operator=(const Authenticator&) = default;

  // May be called again at any time; the order of `vips` and duplicates do not matter.
  void configure(const Key& key, std::uint8_t vhid, std::span<const Prefix> vips, Form send);

  Digest sign(std::uint64_t counter) const;

  // True if `digest` is one of the two accepted forms. Both are computed and compared in constant
  // time whatever the first comparison said (spec 2.4).
  bool verify(std::uint64_t counter, const Digest& digest) const;

 private:
  Digest finish(const SHA_CTX& prefix, std::uint64_t counter) const;

  SHA_CTX all_{};                 // after inner key, 2, 1, vhid and every VIP
  SHA_CTX without_link_local_{};  // the same less scoped IPv6 addresses
  SHA_CTX outer_{};               // after the outer key
  Form send_ = Form::kAll;
};

// The addresses in the order in which they are hashed: IPv4 ascending, then IPv6 ascending,
// duplicates and the all-zero and all-one addresses left out, octets 2 and 3 of scoped IPv6
// addresses zeroed (spec 2.3).
std::vector<IpAddress> hashed_addresses(std::span<const Prefix> vips, bool with_link_local);

}  // namespace carp::wire

// See balance.h. The SHA1_* calls for the same reason as in digest.cc.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "wire/balance.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <array>

namespace carp::wire {

namespace {

constexpr std::size_t kBlock = 64;  // SHA-1 block, RFC 2104

// `from` has at least 4 octets behind `at`.
template <std::size_t N>
std::uint32_t little_endian(const std::array<std::uint8_t, N>& from, std::size_t at) {
  return from[at] | (std::uint32_t{from[at + 1]} << 8) | (std::uint32_t{from[at + 2]} << 16) |
         (std::uint32_t{from[at + 3]} << 24);
}

}  // namespace

std::uint32_t balance_index(const Ipv6Address& source, std::uint32_t n) {
  std::uint32_t mixed = 0;
  for (std::size_t at = 0; at < source.octets.size(); at += 4) {
    mixed ^= Ipv4Address{{source.octets[at], source.octets[at + 1], source.octets[at + 2],
                          source.octets[at + 3]}}
                 .number();
  }
  return mixed % n;
}

// The digest is taken where a BSD takes it: behind version and type, before the vhid, so that all
// vhids with one password have the same key.
KeyedHash::KeyedHash(const Key& key) {
  std::array<std::uint8_t, kBlock + 2> message{};
  for (std::size_t i = 0; i < kBlock; ++i) {
    message[i] = static_cast<std::uint8_t>((i < key.size() ? key[i] : 0) ^ 0x36);
  }
  message[kBlock] = 2;      // version
  message[kBlock + 1] = 1;  // type
  Digest digest{};
  SHA1(message.data(), message.size(), digest.data());
  k0_ = little_endian(digest, 0) ^ little_endian(digest, 4);
  k1_ = little_endian(digest, 8) ^ little_endian(digest, 12);
  k2_ = little_endian(key, 0);
  OPENSSL_cleanse(message.data(), message.size());
  OPENSSL_cleanse(digest.data(), digest.size());
}

std::uint32_t KeyedHash::hash(const MacAddress& sender) const {
  std::uint32_t a = 0x9e3779b9 + little_endian(sender.octets, 0);
  std::uint32_t b = k0_ + sender.octets[4] + (std::uint32_t{sender.octets[5]} << 8);
  std::uint32_t c = k1_ + k2_;
  struct Shifts {
    int r, s, t;
  };
  for (const auto [r, s, t] : {Shifts{13, 8, 13}, Shifts{12, 16, 5}, Shifts{3, 10, 15}}) {
    a = (a - b - c) ^ (c >> r);
    b = (b - c - a) ^ (a << s);
    c = (c - a - b) ^ (b >> t);
  }
  return c;
}

}  // namespace carp::wire

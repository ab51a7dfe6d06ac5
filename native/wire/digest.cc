// See digest.h. The SHA1_* calls are the part of libcrypto that hashes without allocating and
// whose state can be copied; EVP copies allocate.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "wire/digest.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace carp::wire {

namespace {

constexpr std::size_t kBlock = 64;  // SHA-1 block, RFC 2104

void start_with_key(SHA_CTX& state, const Key& key, std::uint8_t pad) {
  std::array<std::uint8_t, kBlock> block{};
  block.fill(pad);
  for (std::size_t i = 0; i < key.size(); ++i) block[i] = static_cast<std::uint8_t>(key[i] ^ pad);
  SHA1_Init(&state);
  SHA1_Update(&state, block.data(), block.size());
  OPENSSL_cleanse(block.data(), block.size());
}

void add_message_head(SHA_CTX& state, std::uint8_t vhid, std::span<const IpAddress> addresses) {
  // Constants whatever the packet says: a changed type nibble still authenticates (spec 2.2).
  const std::array<std::uint8_t, 3> head{2, 1, vhid};
  SHA1_Update(&state, head.data(), head.size());
  for (const IpAddress& address : addresses) {
    SHA1_Update(&state, address.octets.data(), address.family == Family::kIpv4 ? 4 : 16);
  }
}

bool is_all_ones(const IpAddress& address) {
  const std::size_t n = address.family == Family::kIpv4 ? 4 : 16;
  return std::all_of(address.octets.begin(), address.octets.begin() + static_cast<long>(n),
                     [](std::uint8_t octet) { return octet == 0xff; });
}

}  // namespace

std::vector<IpAddress> hashed_addresses(std::span<const Prefix> vips, bool with_link_local) {
  std::vector<IpAddress> out;
  out.reserve(vips.size());
  for (const Prefix& vip : vips) {
    IpAddress address = vip.address;
    if (address.family == Family::kIpv6 && address.v6().is_scoped()) {
      if (!with_link_local) continue;
      address.octets[2] = 0;
      address.octets[3] = 0;
    }
    if (address.is_unspecified() || is_all_ones(address)) continue;
    out.push_back(address);
  }
  std::sort(out.begin(), out.end());  // family first, then octets
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Authenticator::~Authenticator() {
  OPENSSL_cleanse(&all_, sizeof all_);
  OPENSSL_cleanse(&without_link_local_, sizeof without_link_local_);
  OPENSSL_cleanse(&outer_, sizeof outer_);
}

void Authenticator::configure(const Key& key, std::uint8_t vhid, std::span<const Prefix> vips,
                              Form send) {
  send_ = send;
  start_with_key(outer_, key, 0x5c);
  start_with_key(all_, key, 0x36);
  without_link_local_ = all_;
  add_message_head(all_, vhid, hashed_addresses(vips, true));
  add_message_head(without_link_local_, vhid, hashed_addresses(vips, false));
}

Digest Authenticator::finish(const SHA_CTX& prefix, std::uint64_t counter) const {
  std::array<std::uint8_t, 8> octets{};
  for (std::size_t i = 0; i < 8; ++i) {
    octets[i] = static_cast<std::uint8_t>(counter >> (56 - 8 * i));
  }
  Digest inner{};
  SHA_CTX state = prefix;
  SHA1_Update(&state, octets.data(), octets.size());
  SHA1_Final(inner.data(), &state);
  Digest out{};
  state = outer_;
  SHA1_Update(&state, inner.data(), inner.size());
  SHA1_Final(out.data(), &state);
  return out;
}

Digest Authenticator::sign(std::uint64_t counter) const {
  return finish(send_ == Form::kAll ? all_ : without_link_local_, counter);
}

bool Authenticator::verify(std::uint64_t counter, const Digest& digest) const {
  const Digest first = finish(all_, counter);
  const Digest second = finish(without_link_local_, counter);
  const int differs_first = CRYPTO_memcmp(first.data(), digest.data(), digest.size());
  const int differs_second = CRYPTO_memcmp(second.data(), digest.data(), digest.size());
  return (differs_first == 0) | (differs_second == 0);
}

}  // namespace carp::wire

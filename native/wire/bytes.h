// Bounded big-endian reading and writing. A read past the end gives zeros and clears ok(), so a
// parser checks once at the end and never touches an octet that is not there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace carp::wire {

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> octets) : octets_(octets) {}

  std::uint8_t u8() {
    if (at_ >= octets_.size()) {
      ok_ = false;
      return 0;
    }
    return octets_[at_++];
  }
  std::uint16_t u16() {
    const auto high = static_cast<std::uint16_t>(u8());
    return static_cast<std::uint16_t>((high << 8) | u8());
  }
  std::uint64_t u64() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = (value << 8) | u8();
    return value;
  }
  template <std::size_t N>
  void copy(std::array<std::uint8_t, N>& out) {
    for (std::uint8_t& octet : out) octet = u8();
  }
  void skip(std::size_t n) {
    if (n > octets_.size() - at_) {
      ok_ = false;
      at_ = octets_.size();
    } else {
      at_ += n;
    }
  }
  std::size_t left() const { return octets_.size() - at_; }
  bool ok() const { return ok_; }

 private:
  std::span<const std::uint8_t> octets_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// Writes into a buffer that the caller has made large enough; overflow clears ok() and is dropped.
class Writer {
 public:
  explicit Writer(std::span<std::uint8_t> octets) : octets_(octets) {}

  void u8(std::uint8_t value) {
    if (at_ < octets_.size()) {
      octets_[at_++] = value;
    } else {
      ok_ = false;
    }
  }
  void u16(std::uint16_t value) {
    u8(static_cast<std::uint8_t>(value >> 8));
    u8(static_cast<std::uint8_t>(value & 0xff));
  }
  void u32(std::uint32_t value) {
    u16(static_cast<std::uint16_t>(value >> 16));
    u16(static_cast<std::uint16_t>(value & 0xffff));
  }
  void u64(std::uint64_t value) {
    u32(static_cast<std::uint32_t>(value >> 32));
    u32(static_cast<std::uint32_t>(value & 0xffffffff));
  }
  void bytes(std::span<const std::uint8_t> from) {
    for (std::uint8_t octet : from) u8(octet);
  }
  void zeros(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) u8(0);
  }
  std::size_t size() const { return at_; }
  bool ok() const { return ok_; }

 private:
  std::span<std::uint8_t> octets_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

// The one's-complement sum of RFC 1071 over big-endian 16-bit words, not complemented. `seed` lets
// a pseudo-header be summed first.
constexpr std::uint32_t sum16(std::span<const std::uint8_t> octets, std::uint32_t seed = 0) {
  std::uint64_t sum = seed;
  for (std::size_t i = 0; i + 1 < octets.size(); i += 2) {
    sum += (std::uint32_t{octets[i]} << 8) | octets[i + 1];
  }
  if (octets.size() % 2 == 1) sum += std::uint32_t{octets.back()} << 8;
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint32_t>(sum);
}

// The Internet checksum; over data that includes a correct checksum it is 0.
constexpr std::uint16_t checksum(std::span<const std::uint8_t> octets, std::uint32_t seed = 0) {
  return static_cast<std::uint16_t>(~sum16(octets, seed) & 0xffff);
}

}  // namespace carp::wire

// What the tests of native/wire share: octets from text, addresses from text, whole frames.
#pragma once

#include <arpa/inet.h>

#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "wire/advertisement.h"
#include "wire/bytes.h"
#include "wire/digest.h"
#include "wire/types.h"

namespace carp::test {

using Octets = std::vector<std::uint8_t>;

// Blanks are skipped; anything else that is not a pair of hexadecimal digits ends the program.
inline Octets octets(std::string_view hex) {
  const auto nibble = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    std::abort();
  };
  Octets out;
  int high = -1;
  for (const char c : hex) {
    if (c == ' ') continue;
    if (high < 0) {
      high = nibble(c);
    } else {
      out.push_back(static_cast<std::uint8_t>(high * 16 + nibble(c)));
      high = -1;
    }
  }
  if (high >= 0) std::abort();
  return out;
}

inline std::string hex(std::span<const std::uint8_t> from) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t octet : from) {
    out += kDigits[octet >> 4];
    out += kDigits[octet & 15];
  }
  return out;
}

inline wire::IpAddress address(const std::string& text) {
  wire::IpAddress out{};
  const bool v6 = text.find(':') != std::string::npos;
  out.family = v6 ? wire::Family::kIpv6 : wire::Family::kIpv4;
  if (inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), out.octets.data()) != 1) std::abort();
  return out;
}

inline std::vector<wire::Prefix> vips(const std::vector<std::string>& texts) {
  std::vector<wire::Prefix> out;
  for (const std::string& text : texts) out.push_back({address(text), 24});
  return out;
}

// Up to 20 octets: the wire takes the whole field, only the configuration stops at 19.
inline wire::Key key(std::string_view password) {
  wire::Key out{};
  for (std::size_t i = 0; i < password.size() && i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(password[i]);
  }
  return out;
}

inline wire::Authenticator authenticator(
    std::string_view password, std::uint8_t vhid, const std::vector<std::string>& addresses,
    wire::Authenticator::Form form = wire::Authenticator::Form::kAll) {
  wire::Authenticator out;
  out.configure(key(password), vhid, vips(addresses), form);
  return out;
}

// A whole frame from the virtual MAC to the group; the family is that of `source`.
inline Octets frame(const wire::Advertisement& advertisement, const std::string& source) {
  Octets out(wire::kEthernetHeader + wire::kIpv6Header + wire::kCarpHeader);
  const auto packet = std::span(out).subspan(wire::kEthernetHeader);
  const wire::IpAddress from = address(source);
  const wire::MacAddress mac = wire::virtual_mac(advertisement.vhid);
  std::size_t size = 0;
  if (from.family == wire::Family::kIpv4) {
    wire::write_ethernet(out, wire::kCarpGroupMac4, mac, wire::kEtherTypeIpv4);
    size = wire::write_packet4(packet, advertisement, from.v4(), wire::kCarpGroup4);
  } else {
    wire::write_ethernet(out, wire::kCarpGroupMac6, mac, wire::kEtherTypeIpv6);
    size = wire::write_packet6(packet, advertisement, from.v6(), wire::kCarpGroup6);
  }
  out.resize(wire::kEthernetHeader + size);
  return out;
}

// Password mekmitasdigoat, vhid 1, VIP 192.168.1.1.
inline wire::Advertisement handbook_advertisement(std::uint64_t counter, std::uint8_t advbase_s,
                                                  std::uint8_t advskew, std::uint8_t demotion = 0) {
  wire::Advertisement out{.vhid = 1,
                          .advskew = advskew,
                          .demotion = demotion,
                          .advbase_s = advbase_s,
                          .counter = counter,
                          .digest = {}};
  out.digest = authenticator("mekmitasdigoat", 1, {"192.168.1.1"}).sign(counter);
  return out;
}

// Makes the checksums of a changed IPv4 frame right again: the IP header's, then CARP's.
inline void repair4(Octets& frame) {
  const std::size_t header = std::size_t{frame[14] & 0x0fU} * 4;
  const std::size_t total = (std::size_t{frame[16]} << 8) | frame[17];
  const auto store = [&frame](std::size_t at, std::uint16_t sum) {
    frame[at] = static_cast<std::uint8_t>(sum >> 8);
    frame[at + 1] = static_cast<std::uint8_t>(sum & 0xff);
  };
  store(24, 0);
  store(24, wire::checksum(std::span(frame).subspan(14, header)));
  if (total < header + wire::kCarpHeader) return;
  store(14 + header + 6, 0);
  store(14 + header + 6, wire::checksum(std::span(frame).subspan(14 + header, wire::kCarpHeader)));
}

// The outcome of parse_frame in one value that CHECK_EQ can print.
enum class Outcome : std::uint8_t { kNotCarp, kBadLength, kBadChecksum, kForeignVrrp, kParsed };

inline Outcome outcome(std::span<const std::uint8_t> frame) {
  const auto parsed = wire::parse_frame(frame);
  const auto* rejected = std::get_if<wire::Rejected>(&parsed);
  if (rejected == nullptr) return Outcome::kParsed;
  switch (rejected->reason) {
    case wire::Malformed::kNotCarp:
      return Outcome::kNotCarp;
    case wire::Malformed::kBadLength:
      return Outcome::kBadLength;
    case wire::Malformed::kBadChecksum:
      return Outcome::kBadChecksum;
    case wire::Malformed::kForeignVrrp:
      return Outcome::kForeignVrrp;
  }
  std::abort();
}

// Every octet as an allocation of its exact size, so that a read behind the end is a report of
// AddressSanitizer and not a neighbour's octet.
inline Octets exactly(std::span<const std::uint8_t> from) {
  Octets out(from.begin(), from.end());
  out.shrink_to_fit();
  return out;
}

}  // namespace carp::test

// Frames that are cut, damaged, disguised or another protocol's. The network is hostile: each must
// be refused with the right reason, and no octet behind the end may be read.
#include "check.h"
#include "wire_support.h"

namespace carp::test {
namespace {

Octets good4() { return frame(handbook_advertisement(77, 1, 100), "192.168.1.2"); }
Octets good6() { return frame(handbook_advertisement(77, 1, 100), "fe80::2"); }

TEST(wire_negative_every_truncation_is_refused) {
  for (const Octets& whole : {good4(), good6()}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      CHECK_EQ(outcome(exactly(std::span(whole).first(length))), Outcome::kBadLength);
    }
    CHECK_EQ(outcome(whole), Outcome::kParsed);
  }
}

TEST(wire_negative_every_shorter_ip_length_is_refused) {
  // The IP length counts, however long the frame is.
  for (std::uint8_t length = 0; length < 56; ++length) {
    Octets changed = good4();
    changed[17] = length;
    repair4(changed);
    CHECK_EQ(outcome(changed), Outcome::kBadLength);
  }
  for (std::uint8_t length = 0; length < 36; ++length) {
    Octets changed = good6();
    changed[19] = length;
    CHECK_EQ(outcome(changed), Outcome::kBadLength);
  }
}

TEST(wire_negative_ip_length_beyond_the_frame_is_refused) {
  Octets changed = good4();
  changed[17] = 57;
  repair4(changed);
  CHECK_EQ(outcome(exactly(changed)), Outcome::kBadLength);
  changed = good6();
  changed[19] = 37;
  CHECK_EQ(outcome(exactly(changed)), Outcome::kBadLength);
  changed[18] = 0xff;
  CHECK_EQ(outcome(exactly(changed)), Outcome::kBadLength);
}

TEST(wire_negative_padding_and_trailing_octets_are_allowed) {
  // Padding behind the IP length: some NICs deliver it.
  Octets padded = good4();
  padded.insert(padded.end(), 6, 0xaa);
  CHECK_EQ(outcome(padded), Outcome::kParsed);
  padded = good6();
  padded.insert(padded.end(), 6, 0xaa);
  CHECK_EQ(outcome(padded), Outcome::kParsed);
  // Octets behind the 36th inside the IP length are outside the checksum.
  for (std::uint8_t extra = 1; extra <= 64; ++extra) {
    Octets longer = good4();
    longer.insert(longer.end(), extra, 0x55);
    longer[17] = static_cast<std::uint8_t>(56 + extra);
    repair4(longer);
    CHECK_EQ(outcome(longer), Outcome::kParsed);
    longer = good6();
    longer.insert(longer.end(), extra, 0x55);
    longer[19] = static_cast<std::uint8_t>(36 + extra);
    CHECK_EQ(outcome(longer), Outcome::kParsed);
  }
}

void flip(Octets& frame, std::size_t at, std::size_t bit) {
  frame[at] = static_cast<std::uint8_t>(frame[at] ^ (1U << bit));
}

TEST(wire_negative_every_flipped_bit_of_ipv4_and_carp_is_refused) {
  const Octets good = good4();
  std::size_t foreign = 0;
  for (std::size_t at = 14; at < good.size(); ++at) {
    for (std::size_t bit = 0; bit < 8; ++bit) {
      Octets bad = good;
      flip(bad, at, bit);
      const Outcome got = outcome(bad);
      CHECK(got != Outcome::kParsed);
      if (got == Outcome::kForeignVrrp) ++foreign;
      if (at == 14 + 9) CHECK_EQ(got, Outcome::kNotCarp);  // another protocol
    }
  }
  // Authlen 7 -> 5: 36 octets are then what a VRRPv2 packet with five addresses has.
  CHECK_EQ(foreign, 1U);
}

TEST(wire_negative_flipped_bits_of_ethernet) {
  // The addresses are not ours to judge here; the EtherType decides whether it is looked at.
  const Octets good = good4();
  for (std::size_t at = 0; at < 14; ++at) {
    for (std::size_t bit = 0; bit < 8; ++bit) {
      Octets changed = good;
      flip(changed, at, bit);
      CHECK_EQ(outcome(changed), at < 12 ? Outcome::kParsed : Outcome::kNotCarp);
    }
  }
}

TEST(wire_negative_flipped_bits_of_ipv6) {
  // The IPv6 header has no checksum of its own and CARP's plain form leaves it out: traffic class,
  // flow label, hop limit and the two addresses arrive changed. Everything else is refused.
  const Octets good = good6();
  for (std::size_t at = 14; at < good.size(); ++at) {
    for (std::size_t bit = 0; bit < 8; ++bit) {
      Octets changed = good;
      flip(changed, at, bit);
      const std::size_t offset = at - 14;
      const bool unprotected =
          (offset == 0 && bit < 4) || (offset >= 1 && offset <= 3) || (offset >= 7 && offset < 40);
      CHECK_EQ(outcome(changed) == Outcome::kParsed, unprotected);
    }
  }
}

TEST(wire_negative_ipv4_options_are_honoured) {
  // Router alert (RFC 2113), and the longest header there is.
  for (std::size_t words = 6; words <= 15; ++words) {
    Octets with = good4();
    Octets options = octets("94040000");
    options.resize((words - 5) * 4, 0);
    with.insert(with.begin() + 34, options.begin(), options.end());
    with[14] = static_cast<std::uint8_t>(0x40 | words);
    with[17] = static_cast<std::uint8_t>(words * 4 + 36);
    repair4(with);
    const auto parsed = wire::parse_frame(with);
    const auto* got = std::get_if<wire::ReceivedAdvertisement>(&parsed);
    REQUIRE(got != nullptr);
    CHECK_EQ(got->advertisement.counter, 77U);
    CHECK_EQ(got->advertisement.advskew, 100);
    // A header that claims to be longer than the packet.
    Octets cut = exactly(std::span(with).first(14 + words * 4 - 1));
    CHECK_EQ(outcome(cut), Outcome::kBadLength);
  }
}

TEST(wire_negative_header_length_below_20_is_refused) {
  for (std::uint8_t words = 0; words < 5; ++words) {
    Octets changed = good4();
    changed[14] = static_cast<std::uint8_t>(0x40 | words);
    CHECK_EQ(outcome(changed), Outcome::kBadLength);
  }
}

TEST(wire_negative_other_ip_versions_are_refused) {
  for (int version = 0; version < 16; ++version) {
    Octets changed = good4();
    changed[14] = static_cast<std::uint8_t>((version << 4) | 5);
    repair4(changed);
    CHECK_EQ(outcome(changed), version == 4 ? Outcome::kParsed : Outcome::kBadLength);
    changed = good6();
    changed[14] = static_cast<std::uint8_t>((version << 4) | (changed[14] & 15));
    CHECK_EQ(outcome(changed), version == 6 ? Outcome::kParsed : Outcome::kBadLength);
  }
}

TEST(wire_negative_fragments_are_refused) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    Octets changed = good4();
    changed[20] = static_cast<std::uint8_t>(bits >> 8);
    changed[21] = static_cast<std::uint8_t>(bits & 0xff);
    repair4(changed);
    // Neither more-fragments nor an offset; don't-fragment and the reserved bit do not matter.
    const bool whole = (bits & 0x3fff) == 0;
    CHECK_EQ(outcome(changed), whole ? Outcome::kParsed : Outcome::kBadLength);
  }
}

TEST(wire_negative_ipv6_extension_headers_are_not_taken) {
  // Hop-by-hop, routing, fragment, authentication, destination options, then CARP.
  for (const int next : {0, 43, 44, 51, 60}) {
    Octets with = good6();
    const Octets extension = octets("7000 000000000000");
    with.insert(with.begin() + 54, extension.begin(), extension.end());
    with[20] = static_cast<std::uint8_t>(next);
    with[19] = 44;
    CHECK_EQ(outcome(with), Outcome::kNotCarp);
  }
}

TEST(wire_negative_other_protocols_and_ether_types_are_not_ours) {
  for (int protocol = 0; protocol < 256; ++protocol) {
    if (protocol == 112) continue;
    Octets changed = good4();
    changed[23] = static_cast<std::uint8_t>(protocol);
    repair4(changed);
    CHECK_EQ(outcome(changed), Outcome::kNotCarp);
    changed = good6();
    changed[20] = static_cast<std::uint8_t>(protocol);
    CHECK_EQ(outcome(changed), Outcome::kNotCarp);
  }
  // 802.1Q: the kernel takes the tag off before a packet socket sees the frame.
  Octets tagged = good4();
  const Octets tag = octets("81000064");
  tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
  CHECK_EQ(outcome(tagged), Outcome::kNotCarp);
}

TEST(wire_negative_vrrp_is_recognised_with_its_id) {
  const auto wrapped = [](const Octets& payload) {
    Octets out = frame(handbook_advertisement(0, 1, 0), "192.168.1.2");
    out.resize(34);
    out.insert(out.end(), payload.begin(), payload.end());
    out[17] = static_cast<std::uint8_t>(20 + payload.size());
    out[24] = out[25] = 0;
    const std::uint16_t sum = wire::checksum(std::span(out).subspan(14, 20));
    out[24] = static_cast<std::uint8_t>(sum >> 8);
    out[25] = static_cast<std::uint8_t>(sum & 0xff);
    return out;
  };
  // The whole range of address counts but the one in which the two look alike.
  for (std::uint8_t addresses = 1; addresses <= 20; ++addresses) {
    Octets v2(std::size_t{16} + std::size_t{4} * addresses);
    v2[0] = 0x21;
    v2[1] = 51;
    v2[2] = 100;  // priority
    v2[3] = addresses;
    v2[5] = 1;
    Octets v3(std::size_t{8} + std::size_t{4} * addresses);
    v3[0] = 0x31;
    v3[1] = 52;
    v3[2] = 100;
    v3[3] = addresses;
    for (const Octets& payload : {v2, v3}) {
      // 0x31, 7 and 36 octets are CARP's shape too: not taken for VRRP, and refused all the same.
      const bool alike = addresses == 7 && payload.size() == wire::kCarpHeader;
      const auto parsed = wire::parse_frame(wrapped(payload));
      const auto* rejected = std::get_if<wire::Rejected>(&parsed);
      REQUIRE(rejected != nullptr);
      CHECK_EQ(rejected->reason,
               alike ? wire::Malformed::kBadChecksum : wire::Malformed::kForeignVrrp);
      if (!alike) CHECK_EQ(rejected->vrid, payload[1]);
    }
  }
}

TEST(wire_negative_real_vrrp_frames) {
  // VRRPv2 of a router with id 51, priority 100, 192.168.1.254, simple text authentication off.
  const Octets v2 = octets(
      "01005e000012 00005e000133 0800 45c00028 00010000 ff70 18e8 c0a80102 e0000012"
      "2133 6401 0001 b823 c0a801fe 00000000 00000000");
  const auto parsed = wire::parse_frame(v2);
  const auto* rejected = std::get_if<wire::Rejected>(&parsed);
  REQUIRE(rejected != nullptr);
  CHECK_EQ(rejected->reason, wire::Malformed::kForeignVrrp);
  CHECK_EQ(rejected->vrid, 51);
  // VRRPv3 over IPv6, id 7, one address.
  Octets v3 = good6();
  v3.resize(54);
  const Octets payload = octets("3107 6401 0064 0000 fe800000000000000000000000000001");
  v3.insert(v3.end(), payload.begin(), payload.end());
  v3[19] = 24;
  const auto parsed3 = wire::parse_frame(v3);
  const auto* rejected3 = std::get_if<wire::Rejected>(&parsed3);
  REQUIRE(rejected3 != nullptr);
  CHECK_EQ(rejected3->reason, wire::Malformed::kForeignVrrp);
  CHECK_EQ(rejected3->vrid, 7);
}

}  // namespace
}  // namespace carp::test

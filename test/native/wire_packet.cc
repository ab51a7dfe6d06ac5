// What is written, octet for octet: the examples of the specification (sections 1.6 and 1.8), the
// two IP headers, and that what is written is read back.
#include "check.h"
#include "wire_support.h"

namespace carp::test {
namespace {

using wire::Advertisement;

std::string carp_hex(const Advertisement& advertisement) {
  Octets out(wire::kCarpHeader);
  wire::write_carp(out, advertisement);
  return hex(out);
}

TEST(wire_packet_headers_of_the_specification) {
  CHECK_EQ(carp_hex(handbook_advertisement(0, 1, 0)),
           "2101000700012d1900000000000000009bef078bfb9f4762e9b7c70774a56b6a4ad4efbc");
  CHECK_EQ(carp_hex(handbook_advertisement(1, 1, 100)),
           "2101640700017b6c000000000000000113a5ef538db8d66c3ba1c054805521829870622c");
  CHECK_EQ(carp_hex(handbook_advertisement(2, 255, 255)),
           "2101ff0700ff8c930000000000000002c7228b659c0abdbe1a11c5086195cd0b179280c3");
  CHECK_EQ(carp_hex(handbook_advertisement(3, 1, 0, 32)),
           "21010007200102a70000000000000003e1f4041eb46f019db989b1fa6ce8ea9b43d9194b");
  Advertisement other{.vhid = 1,
                      .advskew = 100,
                      .demotion = 0,
                      .advbase_s = 1,
                      .counter = 0x0123456789abcdef,
                      .digest = {}};
  other.digest = authenticator("testpass", 1, {"192.168.1.50"}).sign(other.counter);
  CHECK_EQ(carp_hex(other),
           "2101640700012b450123456789abcdef8a28722b250012cc264dc3ff6044f75668e5d29d");
}

Advertisement v8() {
  Advertisement out{.vhid = 175,
                    .advskew = 0,
                    .demotion = 0,
                    .advbase_s = 1,
                    .counter = 0x1122334455667788,
                    .digest = {}};
  out.digest = authenticator("s3cret", 175, {"fd00:1::100"}).sign(out.counter);
  return out;
}

TEST(wire_packet_ipv6_checksum_is_sent_plain_and_taken_in_both_forms) {
  const Octets plain = frame(v8(), "fe80::1");
  CHECK_EQ(plain[60], 0x85);
  CHECK_EQ(plain[61], 0x20);
  CHECK_EQ(outcome(plain), Outcome::kParsed);
  // The form of newer NetBSD: with pseudo-header, for fe80::1 to ff02::12.
  Octets pseudo = plain;
  pseudo[60] = 0x86;
  pseudo[61] = 0xf5;
  CHECK_EQ(outcome(pseudo), Outcome::kParsed);
  // The pseudo-header covers the addresses, so the same octets from another host are wrong.
  pseudo[14 + 8 + 15] = 2;
  CHECK_EQ(outcome(pseudo), Outcome::kBadChecksum);
  Octets neither = plain;
  neither[61] = 0x21;
  CHECK_EQ(outcome(neither), Outcome::kBadChecksum);
}

TEST(wire_packet_pseudo_header_form_is_not_for_ipv4) {
  Octets with = frame(handbook_advertisement(0, 1, 0), "192.168.1.2");
  const Octets pseudo = octets("c0a80102 e0000012 0070 0024");
  with[14 + 20 + 6] = 0;
  with[14 + 20 + 7] = 0;
  const std::uint16_t sum =
      wire::checksum(std::span(with).subspan(34, wire::kCarpHeader), wire::sum16(pseudo));
  with[40] = static_cast<std::uint8_t>(sum >> 8);
  with[41] = static_cast<std::uint8_t>(sum & 0xff);
  CHECK_EQ(outcome(with), Outcome::kBadChecksum);
}

TEST(wire_packet_ipv4_frame_octet_for_octet) {
  CHECK_EQ(hex(frame(handbook_advertisement(0, 1, 0), "192.168.1.2")),
           "01005e000012"
           "00005e000101"
           "0800"
           "45e00038"
           "00004000"
           "ff70d8b8"
           "c0a80102"
           "e0000012"
           "2101000700012d1900000000000000009bef078bfb9f4762e9b7c70774a56b6a4ad4efbc");
}

TEST(wire_packet_ipv6_frame_octet_for_octet) {
  CHECK_EQ(hex(frame(v8(), "fe80::1")),
           "333300000012"
           "00005e0001af"
           "86dd"
           "6e000000"
           "002470ff"
           "fe800000000000000000000000000001"
           "ff020000000000000000000000000012"
           "21af0007000185201122334455667788915a47302f4249fd34a97469c65f08b240323db2");
}

TEST(wire_packet_what_is_written_is_read_back) {
  for (const char* source : {"192.168.1.2", "0.0.0.0", "fe80::1"}) {
    for (int vhid = 1; vhid <= 255; ++vhid) {
      Advertisement sent{.vhid = static_cast<std::uint8_t>(vhid),
                         .advskew = static_cast<std::uint8_t>(255 - vhid),
                         .demotion = static_cast<std::uint8_t>(vhid * 7),
                         .advbase_s = static_cast<std::uint8_t>(vhid * 3),
                         .counter = 0x0102030405060708ULL * static_cast<std::uint64_t>(vhid),
                         .digest = {}};
      for (std::size_t i = 0; i < sent.digest.size(); ++i) {
        sent.digest[i] = static_cast<std::uint8_t>(i * 13 + static_cast<std::size_t>(vhid));
      }
      const auto parsed = wire::parse_frame(frame(sent, source));
      const auto* got = std::get_if<wire::ReceivedAdvertisement>(&parsed);
      REQUIRE(got != nullptr);
      CHECK_EQ(got->advertisement.vhid, sent.vhid);
      CHECK_EQ(got->advertisement.advskew, sent.advskew);
      CHECK_EQ(got->advertisement.demotion, sent.demotion);
      CHECK_EQ(got->advertisement.advbase_s, sent.advbase_s);
      CHECK_EQ(got->advertisement.counter, sent.counter);
      CHECK_EQ(hex(got->advertisement.digest), hex(sent.digest));
      CHECK_EQ(got->ttl, 255);
      CHECK_EQ(got->version, 2);
      CHECK_EQ(got->type, 1);
      CHECK(got->source == address(source));
      CHECK(got->ethernet_source == wire::virtual_mac(sent.vhid));
      const bool v6 = got->source.family == wire::Family::kIpv6;
      CHECK(got->destination == address(v6 ? "ff02::12" : "224.0.0.18"));
    }
  }
}

TEST(wire_packet_farewell_is_255_and_255) {
  CHECK(handbook_advertisement(1, 255, 255).is_farewell());
  CHECK(!handbook_advertisement(1, 255, 254).is_farewell());
  CHECK(!handbook_advertisement(1, 1, 255).is_farewell());
}

TEST(wire_packet_fields_nobody_checks_are_passed_on) {
  // Type, authlen and version are judged later or never (spec 3.4 and 3.5): the frame parses.
  for (int value = 0; value < 256; ++value) {
    Octets changed = frame(handbook_advertisement(9, 1, 0), "192.168.1.2");
    changed[34] = static_cast<std::uint8_t>(value);
    repair4(changed);
    const auto parsed = wire::parse_frame(changed);
    const auto* got = std::get_if<wire::ReceivedAdvertisement>(&parsed);
    REQUIRE(got != nullptr);
    CHECK_EQ(got->version, value >> 4);
    CHECK_EQ(got->type, value & 15);
  }
}

TEST(wire_packet_every_ttl_is_passed_on) {
  for (int ttl = 0; ttl < 256; ++ttl) {
    Octets changed = frame(handbook_advertisement(9, 1, 0), "192.168.1.2");
    changed[22] = static_cast<std::uint8_t>(ttl);
    repair4(changed);
    const auto parsed = wire::parse_frame(changed);
    const auto* got = std::get_if<wire::ReceivedAdvertisement>(&parsed);
    REQUIRE(got != nullptr);
    CHECK_EQ(got->ttl, ttl);
  }
}

TEST(wire_packet_reader_and_writer_stop_at_the_end) {
  const Octets three = exactly(octets("010203"));
  wire::Reader in(three);
  CHECK_EQ(in.u16(), 0x0102);
  CHECK(in.ok());
  CHECK_EQ(in.u16(), 0x0300);
  CHECK(!in.ok());
  wire::Reader skipping(three);
  skipping.skip(4);
  CHECK(!skipping.ok());
  CHECK_EQ(skipping.left(), 0U);
  Octets room(3);
  wire::Writer out(room);
  out.u32(0x0a0b0c0d);
  CHECK(!out.ok());
  CHECK_EQ(hex(room), "0a0b0c");
}

}  // namespace
}  // namespace carp::test

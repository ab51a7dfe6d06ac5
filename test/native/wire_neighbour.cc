// ARP and the unsolicited neighbour advertisement.
#include "check.h"
#include "wire/neighbour.h"
#include "wire_support.h"

namespace carp::test {
namespace {

using wire::Arp;
using wire::ArpOperation;

// "Who has 192.168.1.1? Tell 192.168.1.100" from 02:00:00:00:00:64.
Octets request_frame() {
  return octets(
      "ffffffffffff 020000000064 0806 0001 0800 06 04 0001"
      "020000000064 c0a80164 000000000000 c0a80101");
}

TEST(wire_arp_request_is_read) {
  const auto arp = wire::parse_arp(request_frame());
  REQUIRE(arp.has_value());
  CHECK_EQ(arp->operation, ArpOperation::kRequest);
  CHECK_EQ(hex(arp->ethernet_source.octets), "020000000064");
  CHECK_EQ(hex(arp->ethernet_destination.octets), "ffffffffffff");
  CHECK_EQ(hex(arp->sender_mac.octets), "020000000064");
  CHECK_EQ(hex(arp->sender.octets), "c0a80164");
  CHECK_EQ(hex(arp->target.octets), "c0a80101");
  CHECK(!arp->is_gratuitous());
}

TEST(wire_arp_reply_has_the_virtual_mac_in_frame_and_body) {
  const auto request = wire::parse_arp(request_frame());
  REQUIRE(request.has_value());
  Octets out(wire::kArpFrame);
  CHECK_EQ(wire::write_arp(out, wire::reply_to(*request, wire::virtual_mac(5))), wire::kArpFrame);
  CHECK_EQ(hex(out),
           "02000000006400005e000105080600010800060400020000"
           "5e000105c0a80101020000000064c0a80164");
}

TEST(wire_arp_gratuitous_request) {
  Octets out(wire::kArpFrame);
  const Arp arp = wire::gratuitous_request(wire::virtual_mac(1), address("192.168.1.1").v4());
  CHECK(arp.is_gratuitous());
  wire::write_arp(out, arp);
  CHECK_EQ(hex(out),
           "ffffffffffff00005e0001010806000108000604000100005e000101c0a80101000000000000c0a80101");
}

TEST(wire_arp_every_truncation_is_refused) {
  const Octets whole = request_frame();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CHECK(!wire::parse_arp(exactly(std::span(whole).first(length))).has_value());
  }
  Octets padded = whole;  // to the 60 octets of Ethernet
  padded.resize(60);
  CHECK(wire::parse_arp(padded).has_value());
}

TEST(wire_arp_every_flipped_bit_of_the_fixed_part_is_refused) {
  for (std::size_t at = 12; at < 22; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Octets changed = request_frame();
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1U << bit));
      CHECK(!wire::parse_arp(changed).has_value());
    }
  }
  for (int operation = 0; operation < 0x10000; ++operation) {
    Octets changed = request_frame();
    changed[20] = static_cast<std::uint8_t>(operation >> 8);
    changed[21] = static_cast<std::uint8_t>(operation & 0xff);
    CHECK_EQ(wire::parse_arp(changed).has_value(), operation == 1 || operation == 2);
  }
}

TEST(wire_arp_what_is_written_is_read_back) {
  for (std::uint8_t i = 1; i < 255; ++i) {
    const Arp sent{.operation = i % 2 == 0 ? ArpOperation::kReply : ArpOperation::kRequest,
                   .ethernet_source = wire::virtual_mac(i),
                   .ethernet_destination = wire::kBroadcastMac,
                   .sender_mac = {{2, i, 3, 4, 5, 6}},
                   .sender = {{10, i, 0, 1}},
                   .target_mac = {{8, 7, i, 5, 4, 3}},
                   .target = {{10, 0, i, 2}}};
    Octets out(wire::kArpFrame);
    wire::write_arp(out, sent);
    const auto got = wire::parse_arp(out);
    REQUIRE(got.has_value());
    CHECK_EQ(got->operation, sent.operation);
    CHECK(got->ethernet_source == sent.ethernet_source);
    CHECK(got->ethernet_destination == sent.ethernet_destination);
    CHECK(got->sender_mac == sent.sender_mac);
    CHECK(got->sender == sent.sender);
    CHECK(got->target_mac == sent.target_mac);
    CHECK(got->target == sent.target);
  }
}

TEST(wire_na_octet_for_octet) {
  Octets out(wire::kNeighbourAdvertisementFrame);
  const auto vip = address("2001:db8::1").v6();
  CHECK_EQ(wire::write_unsolicited_na(out, wire::virtual_mac(9), vip, true), out.size());
  const auto packet = std::span<const std::uint8_t>(out).subspan(14);
  CHECK_EQ(hex(packet.first(40)),
           "6000000000203aff20010db8000000000000000000000001ff020000000000000000000000000001");
  CHECK_EQ(hex(std::span(out).first(14)), "33330000000100005e00010986dd");
  // Type 136, code 0, router and override, target, option 2 with the virtual MAC.
  CHECK_EQ(hex(packet.subspan(40, 2)), "8800");
  CHECK_EQ(hex(packet.subspan(44)), "a000000020010db8000000000000000000000001020100005e000109");
  // RFC 4443 2.3: the sum over pseudo-header and message, checksum included, is all ones.
  Octets pseudo(packet.begin() + 8, packet.begin() + 40);
  const Octets tail = octets("000000200000003a");
  pseudo.insert(pseudo.end(), tail.begin(), tail.end());
  CHECK_EQ(wire::checksum(packet.subspan(40), wire::sum16(pseudo)), 0);
  wire::write_unsolicited_na(out, wire::virtual_mac(9), vip, false);
  CHECK_EQ(packet[44], 0x20);
  CHECK_EQ(wire::checksum(packet.subspan(40), wire::sum16(pseudo)), 0);
}

}  // namespace
}  // namespace carp::test

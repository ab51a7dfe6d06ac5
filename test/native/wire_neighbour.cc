// ARP and neighbour discovery.
#include "check.h"
#include "wire/neighbour.h"
#include "wire_pcap.h"
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

// Makes the ICMPv6 checksum right again.
void repair6(Octets& frame) {
  const std::size_t length = (std::size_t{frame[18]} << 8) | frame[19];
  const auto packet = std::span(frame).subspan(14);
  packet[42] = packet[43] = 0;
  Octets pseudo(packet.begin() + 8, packet.begin() + 40);
  const Octets tail{0, 0, frame[18], frame[19], 0, 0, 0, 58};
  pseudo.insert(pseudo.end(), tail.begin(), tail.end());
  const std::uint16_t sum = wire::checksum(packet.subspan(40, length), wire::sum16(pseudo));
  packet[42] = static_cast<std::uint8_t>(sum >> 8);
  packet[43] = static_cast<std::uint8_t>(sum & 0xff);
}

const wire::MacAddress kAsker{{2, 0, 0, 0, 0, 0x64}};

// "Who has 2001:db8::1? Tell 2001:db8::64."
Octets solicitation_frame() {
  Octets out(wire::kNeighbourSolicitationFrame);
  wire::write_solicitation(out, kAsker, address("2001:db8::64").v6(), address("2001:db8::1").v6());
  return out;
}

// The same from "::" (duplicate address detection): without the option.
Octets probe_frame() {
  const Octets whole = solicitation_frame();
  Octets out(whole.begin(), whole.end() - 8);
  out[19] = 24;
  std::fill(out.begin() + 22, out.begin() + 38, std::uint8_t{0});
  repair6(out);
  return out;
}

void put(Octets& frame, std::size_t at, const wire::Ipv6Address& from) {
  std::copy(from.octets.begin(), from.octets.end(),
            frame.begin() + static_cast<std::ptrdiff_t>(at));
}

constexpr std::size_t kSource = 22;
constexpr std::size_t kDestination = 38;
constexpr std::size_t kTarget = 62;
constexpr std::size_t kOption = 78;

TEST(wire_neighbour_solicitation_is_read) {
  const auto got = wire::parse_neighbour(solicitation_frame());
  REQUIRE(got.has_value());
  CHECK(got->solicitation);
  CHECK(got->ethernet_source == kAsker);
  CHECK_EQ(hex(got->ethernet_destination.octets), "3333ff000001");
  CHECK(got->source == address("2001:db8::64").v6());
  CHECK(got->destination == address("ff02::1:ff00:1").v6());
  CHECK(got->target == address("2001:db8::1").v6());
  REQUIRE(got->link_layer.has_value());
  CHECK(*got->link_layer == kAsker);
  CHECK(!got->solicited);
}

TEST(wire_neighbour_answer_octet_for_octet) {
  const auto question = wire::parse_neighbour(solicitation_frame());
  REQUIRE(question.has_value());
  Octets out(wire::kNeighbourAdvertisementFrame);
  CHECK_EQ(wire::write_neighbour_answer(out, *question, wire::virtual_mac(9), true), out.size());
  CHECK_EQ(hex(std::span(out).first(54)),
           "020000000064"
           "00005e000109"
           "86dd"
           "6000000000203aff"
           "20010db8000000000000000000000001"
           "20010db8000000000000000000000064");
  CHECK_EQ(hex(std::span(out).subspan(54, 2)), "8800");
  CHECK_EQ(hex(std::span(out).subspan(58)),
           "e000000020010db8000000000000000000000001020100005e000109");
  const auto got = wire::parse_neighbour(out);  // also says that the checksum is right
  REQUIRE(got.has_value());
  CHECK(!got->solicitation);
  CHECK(got->solicited);
  CHECK(got->target == question->target);
  CHECK(got->destination == question->source);
  CHECK(got->link_layer == wire::virtual_mac(9));
  wire::write_neighbour_answer(out, *question, wire::virtual_mac(9), false);
  CHECK_EQ(out[58], 0x60);
}

TEST(wire_neighbour_answer_goes_where_the_question_says) {
  // To the option's address, not the frame's; without one to the frame's.
  Octets question = solicitation_frame();
  question[kOption + 7] = 0x65;
  repair6(question);
  auto got = wire::parse_neighbour(question);
  REQUIRE(got.has_value());
  Octets out(wire::kNeighbourAdvertisementFrame);
  wire::write_neighbour_answer(out, *got, wire::virtual_mac(1), false);
  CHECK_EQ(hex(std::span(out).first(6)), "020000000065");
  question[kOption] = 14;  // a nonce
  repair6(question);
  got = wire::parse_neighbour(question);
  REQUIRE(got.has_value());
  CHECK(!got->link_layer.has_value());
  wire::write_neighbour_answer(out, *got, wire::virtual_mac(1), false);
  CHECK_EQ(hex(std::span(out).first(6)), "020000000064");
  // Nobody has a group's address.
  question[kOption] = 1;
  question[kOption + 2] = 0x33;
  repair6(question);
  got = wire::parse_neighbour(question);
  REQUIRE(got.has_value());
  CHECK(!got->link_layer.has_value());
}

TEST(wire_neighbour_probe_is_answered_to_all_nodes) {
  const auto probe = wire::parse_neighbour(probe_frame());
  REQUIRE(probe.has_value());
  CHECK(probe->source.is_unspecified());
  CHECK(!probe->link_layer.has_value());
  Octets out(wire::kNeighbourAdvertisementFrame);
  Octets same(wire::kNeighbourAdvertisementFrame);
  wire::write_neighbour_answer(out, *probe, wire::virtual_mac(1), true);
  wire::write_unsolicited_na(same, wire::virtual_mac(1), probe->target, true);
  CHECK_EQ(hex(out), hex(same));
  CHECK_EQ(out[58], 0xa0);
  // RFC 4861 7.1.1: no option, and to the solicited-node group only.
  Octets with_option = solicitation_frame();
  std::fill(with_option.begin() + kSource, with_option.begin() + kDestination, std::uint8_t{0});
  repair6(with_option);
  CHECK(!wire::parse_neighbour(with_option).has_value());
  with_option[kOption + 2] = 0x33;  // nor one with a group's address
  repair6(with_option);
  CHECK(!wire::parse_neighbour(with_option).has_value());
  for (const char* elsewhere : {"ff02::1", "2001:db8::1", "ff05::1:ff00:1"}) {
    Octets frame = probe_frame();
    put(frame, kDestination, address(elsewhere).v6());
    repair6(frame);
    CHECK(!wire::parse_neighbour(frame).has_value());
  }
}

TEST(wire_neighbour_every_truncation_is_refused) {
  for (const Octets& whole : {solicitation_frame(), probe_frame()}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      CHECK(!wire::parse_neighbour(exactly(std::span(whole).first(length))).has_value());
    }
    Octets padded = whole;
    padded.insert(padded.end(), 5, std::uint8_t{0xff});  // the link's, not the packet's
    CHECK(wire::parse_neighbour(padded).has_value());
  }
}

TEST(wire_neighbour_every_flipped_bit_of_the_packet_is_refused_or_outside_the_sum) {
  const Octets whole = solicitation_frame();
  for (std::size_t at = 12; at < whole.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Octets changed = whole;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ (1U << bit));
      // Traffic class and flow label.
      const bool free = (at == 14 && bit < 4) || (at >= 15 && at <= 17);
      CHECK_EQ(wire::parse_neighbour(changed).has_value(), free);
    }
  }
}

TEST(wire_neighbour_what_rfc_4861_discards) {
  const auto refused = [](auto change) {
    Octets frame = solicitation_frame();
    change(frame);
    repair6(frame);
    return !wire::parse_neighbour(frame).has_value();
  };
  CHECK(!refused([](Octets&) {}));
  CHECK(refused([](Octets& f) { f[21] = 254; }));  // hop limit
  CHECK(refused([](Octets& f) { f[20] = 0; }));    // hop-by-hop options
  CHECK(refused([](Octets& f) { f[54] = 134; }));  // router advertisement
  CHECK(refused([](Octets& f) { f[54] = 137; }));  // redirect
  CHECK(refused([](Octets& f) { f[55] = 1; }));    // code
  CHECK(refused([](Octets& f) { f[kTarget] = 0xff; }));
  CHECK(refused([](Octets& f) { f[kSource] = 0xff; }));
  CHECK(refused([](Octets& f) { f[kOption + 1] = 0; }));
  CHECK(refused([](Octets& f) { f[kOption + 1] = 2; }));  // beyond the end
  CHECK(refused([](Octets& f) { f[19] = 23; }));          // shorter than the fixed part
  CHECK(refused([](Octets& f) { f[19] = 25; }));          // half an option
  CHECK(refused([](Octets& f) {                           // not an Ethernet address
    f.insert(f.end(), 8, std::uint8_t{0});
    f[19] = 40;
    f[kOption + 1] = 2;
  }));
  CHECK(refused([](Octets& f) {  // a second option of length 0
    f.insert(f.end(), 8, std::uint8_t{0});
    f[19] = 40;
  }));
  CHECK(refused([](Octets& f) {  // solicited advertisement to a group
    f[54] = 136;
    f[58] = 0x40;
  }));
  CHECK(!refused([](Octets& f) { f[54] = 136; }));
  CHECK(!refused([](Octets& f) { f[58] = f[61] = 0xff; }));  // reserved octets
}

TEST(wire_neighbour_the_first_address_counts) {
  Octets frame = solicitation_frame();
  frame.insert(frame.end(), frame.begin() + kOption, frame.begin() + kOption + 8);
  frame.back() = 0x77;
  frame[19] = 40;
  repair6(frame);
  const auto got = wire::parse_neighbour(frame);
  REQUIRE(got.has_value());
  CHECK(got->link_layer == kAsker);
}

// Every neighbour message of the captured stacks is read, and means what tshark says of it.
TEST(wire_neighbour_messages_of_real_stacks) {
  struct Wanted {
    const char* file;
    int solicitations, probes, advertisements;
  };
  for (const Wanted& wanted : {Wanted{"bsd-freebsd-06-ipv6-vip.pcap", 4, 3, 1},
                               Wanted{"bsd-freebsd-07-dual-stack.pcap", 8, 8, 0},
                               Wanted{"bsd-netbsd-10-ipv6-vip.pcap", 10, 4, 0},
                               Wanted{"bsd-openbsd-05-dual-stack.pcap", 0, 0, 4}}) {
    int solicitations = 0;
    int probes = 0;
    int advertisements = 0;
    for (const Octets& frame : read_pcap(std::string("test/vectors/") + wanted.file)) {
      const auto got = wire::parse_neighbour(frame);
      if (!got.has_value()) continue;
      if (!got->solicitation) ++advertisements;
      if (got->solicitation) ++solicitations;
      if (got->source.is_unspecified()) ++probes;
    }
    CHECK_EQ(solicitations, wanted.solicitations);
    CHECK_EQ(probes, wanted.probes);
    CHECK_EQ(advertisements, wanted.advertisements);
  }
}

// FreeBSD's answer for a VIP of vhid 6 and ours to the same question: the message is the same from
// the flags on. (The source is not: FreeBSD names the host, we name the VIP.)
TEST(wire_neighbour_answers_as_freebsd_does) {
  const auto frames = read_pcap("test/vectors/bsd-freebsd-06-ipv6-vip.pcap");
  REQUIRE(frames.size() >= 16);
  const auto question = wire::parse_neighbour(frames[14]);
  const auto theirs = wire::parse_neighbour(frames[15]);
  REQUIRE(question.has_value() && theirs.has_value());
  Octets out(wire::kNeighbourAdvertisementFrame);
  wire::write_neighbour_answer(out, *question, wire::virtual_mac(6), false);
  CHECK_EQ(hex(std::span(out).subspan(58)), hex(std::span(frames[15]).subspan(58)));
  CHECK_EQ(hex(std::span(out).first(22)), hex(std::span(frames[15]).first(22)));
  CHECK_EQ(hex(std::span(out).subspan(38, 16)), hex(std::span(frames[15]).subspan(38, 16)));
}

}  // namespace
}  // namespace carp::test

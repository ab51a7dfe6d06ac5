#include "sys/bpf.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <algorithm>

namespace carp::sys {
namespace {

// Offsets in an Ethernet frame whose VLAN tag, if any, was taken out by the kernel.
constexpr std::uint32_t kEtherType = 12;
constexpr std::uint32_t kIpv4FragmentOffset = 20;
constexpr std::uint32_t kIpv4Protocol = 23;
constexpr std::uint32_t kIpv6NextHeader = 20;
constexpr std::uint32_t kIpv6HopByHopNextHeader = 54;
constexpr std::uint32_t kArpHardwareAndProtocol = 14;
constexpr std::uint32_t kArpLengthsAndPadding = 18;  // hardware length, protocol length, operation
constexpr std::uint32_t kArpSenderIp = 28;
constexpr std::uint32_t kArpTargetIp = 38;

constexpr std::uint32_t kProtocolCarp = 112;
constexpr std::uint32_t kProtocolIcmp = 1;
constexpr std::uint32_t kProtocolIgmp = 2;
constexpr std::uint32_t kProtocolIcmpv6 = 58;

constexpr std::uint32_t ancillary(std::int32_t what) {
  return static_cast<std::uint32_t>(SKF_AD_OFF + what);
}

sock_filter statement(std::uint16_t code, std::uint32_t k) { return sock_filter{code, 0, 0, k}; }
sock_filter load_word(std::uint32_t at) { return statement(BPF_LD | BPF_W | BPF_ABS, at); }
sock_filter load_half(std::uint32_t at) { return statement(BPF_LD | BPF_H | BPF_ABS, at); }
sock_filter load_byte(std::uint32_t at) { return statement(BPF_LD | BPF_B | BPF_ABS, at); }
sock_filter give(std::uint32_t octets) { return statement(BPF_RET | BPF_K, octets); }
sock_filter jump_ahead(std::size_t over) {
  return statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(over));
}

/// Goes on if A == k, else drops. Two instructions, so that no jump has to know the length of the
/// program.
void require_equal(BpfProgram& program, std::uint32_t k) {
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, k});
  program.push_back(give(0));
}

/// Drops if A == k.
void require_other(BpfProgram& program, std::uint32_t k) {
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k});
  program.push_back(give(0));
}

/// Drops a frame that carries a VLAN id. Id 0 is a priority tag: the frame belongs to the untagged
/// network (802.1Q 6.9). SKF_AD_VLAN_TAG reads as 0 without a tag.
void require_untagged(BpfProgram& program) {
  program.push_back(load_word(ancillary(SKF_AD_VLAN_TAG_PRESENT)));
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 0});
  program.push_back(load_word(ancillary(SKF_AD_VLAN_TAG)));
  program.push_back(sock_filter{BPF_JMP | BPF_JSET | BPF_K, 0, 1, 0x0fff});
  program.push_back(give(0));
}

/// Drops own frames and those for other hosts.
void require_for_us(BpfProgram& program) {
  program.push_back(load_word(ancillary(SKF_AD_PKTTYPE)));
  require_other(program, PACKET_OUTGOING);
  require_other(program, PACKET_OTHERHOST);
}

void begin_arp(BpfProgram& program, ArpDelivery delivery) {
  // The cheapest test that drops the most comes first: the socket may be open for every EtherType.
  program.push_back(load_half(kEtherType));
  require_equal(program, ETH_P_ARP);
  program.push_back(load_word(ancillary(SKF_AD_PKTTYPE)));
  switch (delivery) {
    case ArpDelivery::kAny:
      require_other(program, PACKET_OUTGOING);
      require_other(program, PACKET_OTHERHOST);
      break;
    case ArpDelivery::kUnicastOnly:
      require_equal(program, PACKET_HOST);
      break;
  }
  require_untagged(program);
  program.push_back(load_word(kArpHardwareAndProtocol));
  require_equal(program, 0x0001'0800);  // Ethernet, IPv4
  program.push_back(load_word(kArpLengthsAndPadding));
  // Lengths 6 and 4; operation 1 (request) or 2 (reply).
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 0x0604'0001});
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0x0604'0002});
  program.push_back(give(0));
}

/// Appends a look-up of A in the sorted `keys`: a hit accepts the frame, a miss goes on behind the
/// look-up. A binary tree down to leaves of at most `leaf` keys, which are compared one after the
/// other: the leaf size trades speed for length, because a hop over a subtree and the end of a leaf
/// each cost two instructions.
void append_lookup(BpfProgram& program, std::span<const std::uint32_t> keys, std::size_t leaf,
                   std::vector<std::size_t>& misses) {
  if (keys.size() > leaf) {
    const std::size_t middle = keys.size() / 2;
    program.push_back(sock_filter{BPF_JMP | BPF_JGE | BPF_K, 0, 1, keys[middle]});
    const std::size_t hop = program.size();
    program.push_back(jump_ahead(0));
    append_lookup(program, keys.first(middle), leaf, misses);
    program[hop].k = static_cast<std::uint32_t>(program.size() - hop - 1);
    append_lookup(program, keys.subspan(middle), leaf, misses);
    return;
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    // Over the remaining comparisons and the jump of the miss, to the accept.
    const auto to_accept = static_cast<std::uint8_t>(keys.size() - i);
    program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, to_accept, 0, keys[i]});
  }
  misses.push_back(program.size());
  program.push_back(jump_ahead(0));
  program.push_back(give(kArpSnapLength));
}

void append_lookup_at(BpfProgram& program, std::uint32_t offset,
                      std::span<const std::uint32_t> keys, std::size_t leaf) {
  std::vector<std::size_t> misses;
  program.push_back(load_word(offset));
  append_lookup(program, keys, leaf, misses);
  for (const std::size_t miss : misses) {
    program[miss].k = static_cast<std::uint32_t>(program.size() - miss - 1);
  }
}

}  // namespace

BpfProgram build_advert_filter_v4() {
  BpfProgram program;
  program.push_back(load_half(kEtherType));
  require_equal(program, ETH_P_IP);
  program.push_back(load_byte(kIpv4Protocol));
  require_equal(program, kProtocolCarp);
  program.push_back(load_half(kIpv4FragmentOffset));
  program.push_back(sock_filter{BPF_JMP | BPF_JSET | BPF_K, 0, 1, 0x1fff});
  program.push_back(give(0));
  require_for_us(program);
  require_untagged(program);
  program.push_back(give(kAdvertSnapLength));
  return program;
}

BpfProgram build_advert_filter_v6() {
  BpfProgram program;
  program.push_back(load_half(kEtherType));
  require_equal(program, ETH_P_IPV6);
  program.push_back(load_byte(kIpv6NextHeader));
  require_equal(program, kProtocolCarp);
  require_for_us(program);
  require_untagged(program);
  program.push_back(give(kAdvertSnapLength));
  return program;
}

BpfProgram build_arp_filter(std::span<const wire::Ipv4Address> vips, ArpDelivery delivery) {
  if (vips.empty()) return build_drop_all_filter();
  std::vector<std::uint32_t> keys;
  keys.reserve(vips.size());
  for (const wire::Ipv4Address& vip : vips) keys.push_back(vip.number());
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (keys.size() > kMaxArpVips) return build_any_arp_filter(delivery);

  // The smallest leaves that fit. 250 is the most that an 8-bit jump spans.
  for (const std::size_t leaf :
       {std::size_t{8}, std::size_t{32}, std::size_t{128}, std::size_t{250}}) {
    BpfProgram program;
    begin_arp(program, delivery);
    append_lookup_at(program, kArpTargetIp, keys, leaf);
    append_lookup_at(program, kArpSenderIp, keys, leaf);
    program.push_back(give(0));
    if (program.size() <= kMaxBpfInstructions) return program;
  }
  return build_any_arp_filter(delivery);
}

BpfProgram build_any_arp_filter(ArpDelivery delivery) {
  BpfProgram program;
  begin_arp(program, delivery);
  program.push_back(give(kArpSnapLength));
  return program;
}

BpfProgram build_drop_all_filter() { return {give(0)}; }

BpfProgram build_capture_filter() {
  constexpr std::uint32_t kWhole = 0x0004'0000;
  const auto equal = [](std::uint8_t yes, std::uint8_t no, std::uint32_t k) {
    return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, yes, no, k};
  };
  return {
      load_half(kEtherType),               // 0
      equal(13, 0, ETH_P_ARP),             // 1: accept
      equal(0, 4, ETH_P_IP),               // 2: else to 7
      load_byte(kIpv4Protocol),            // 3
      equal(10, 0, kProtocolCarp),         // 4
      equal(9, 0, kProtocolIcmp),          // 5
      equal(8, 7, kProtocolIgmp),          // 6
      equal(0, 6, ETH_P_IPV6),             // 7
      load_byte(kIpv6NextHeader),          // 8
      equal(5, 0, kProtocolCarp),          // 9
      equal(4, 0, kProtocolIcmpv6),        // 10
      equal(0, 2, 0),                      // 11: hop-by-hop options, as MLD has
      load_byte(kIpv6HopByHopNextHeader),  // 12
      equal(1, 0, kProtocolIcmpv6),        // 13
      give(0),                             // 14
      give(kWhole),                        // 15
  };
}

}  // namespace carp::sys

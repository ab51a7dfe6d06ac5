#include "sys/bpf.h"

#include <linux/if_ether.h>

#include "sys/bpf_build.h"

namespace carp::sys {
namespace {

constexpr std::uint32_t kIpv4FragmentOffset = 20;
constexpr std::uint32_t kIpv4Protocol = 23;
constexpr std::uint32_t kIpv6NextHeader = 20;
constexpr std::uint32_t kIpv6HopByHopNextHeader = 54;

constexpr std::uint32_t kProtocolCarp = 112;
constexpr std::uint32_t kProtocolIcmp = 1;
constexpr std::uint32_t kProtocolIgmp = 2;
constexpr std::uint32_t kProtocolIcmpv6 = 58;

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

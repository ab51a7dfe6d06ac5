// What the builders of BPF programs share: instructions and the conditions that all programs start
// with. Of bpf*.cc alone.
#pragma once

#include <linux/filter.h>
#include <linux/if_packet.h>

#include <cstddef>
#include <cstdint>

#include "sys/bpf.h"

namespace carp::sys {

/// Offset in an Ethernet frame whose VLAN tag, if any, was taken out by the kernel.
inline constexpr std::uint32_t kEtherType = 12;

constexpr std::uint32_t ancillary(std::int32_t what) {
  return static_cast<std::uint32_t>(SKF_AD_OFF + what);
}

inline sock_filter statement(std::uint16_t code, std::uint32_t k) {
  return sock_filter{code, 0, 0, k};
}
inline sock_filter load_word(std::uint32_t at) { return statement(BPF_LD | BPF_W | BPF_ABS, at); }
inline sock_filter load_half(std::uint32_t at) { return statement(BPF_LD | BPF_H | BPF_ABS, at); }
inline sock_filter load_byte(std::uint32_t at) { return statement(BPF_LD | BPF_B | BPF_ABS, at); }
inline sock_filter give(std::uint32_t octets) { return statement(BPF_RET | BPF_K, octets); }
inline sock_filter jump_ahead(std::size_t over) {
  return statement(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(over));
}

/// Goes on if A == k, else drops. Two instructions, so that no jump has to know the length of the
/// program.
inline void require_equal(BpfProgram& program, std::uint32_t k) {
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, k});
  program.push_back(give(0));
}

/// Drops if A == k.
inline void require_other(BpfProgram& program, std::uint32_t k) {
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k});
  program.push_back(give(0));
}

/// Drops a frame that carries a VLAN id. Id 0 is a priority tag: the frame belongs to the untagged
/// network (802.1Q 6.9). SKF_AD_VLAN_TAG reads as 0 without a tag.
inline void require_untagged(BpfProgram& program) {
  program.push_back(load_word(ancillary(SKF_AD_VLAN_TAG_PRESENT)));
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 0});
  program.push_back(load_word(ancillary(SKF_AD_VLAN_TAG)));
  program.push_back(sock_filter{BPF_JMP | BPF_JSET | BPF_K, 0, 1, 0x0fff});
  program.push_back(give(0));
}

/// Drops own frames and those for other hosts.
inline void require_for_us(BpfProgram& program) {
  program.push_back(load_word(ancillary(SKF_AD_PKTTYPE)));
  require_other(program, PACKET_OUTGOING);
  require_other(program, PACKET_OTHERHOST);
}

}  // namespace carp::sys

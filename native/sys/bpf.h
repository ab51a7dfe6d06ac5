// Builders of classic BPF programs for packet sockets. Pure functions, any thread.
#pragma once

#include <linux/filter.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wire/types.h"

namespace carp::sys {

using BpfProgram = std::vector<sock_filter>;

/// Limit of SO_ATTACH_FILTER (BPF_MAXINSNS).
inline constexpr std::size_t kMaxBpfInstructions = 4096;

/// The most VIPs of one ARP filter: two look-ups of one instruction an address have to fit into the
/// limit above.
inline constexpr std::size_t kMaxArpVips = 2000;

/// How much of an accepted frame the socket keeps.
inline constexpr std::uint32_t kAdvertSnapLength = 256;
inline constexpr std::uint32_t kArpSnapLength = 64;

/// IPv4 protocol 112 in Ethernet. TTL, checksums, vhid and so on are left to the core, which counts
/// what it drops. Dropped: what this host sent itself, what was meant for another host (a foreign
/// MAC, or, on a socket that is bound to a protocol, a foreign VLAN: there the kernel has removed
/// the tag and marked the frame as another host's), a VLAN tag with a non-zero id, and all
/// fragments but the first.
BpfProgram build_advert_filter_v4();

/// The same for IPv6 with next header 112 directly behind the fixed header.
BpfProgram build_advert_filter_v6();

enum class ArpDelivery : std::uint8_t {
  /// For the socket on the carpdev: broadcast and unicast.
  kAny,
  /// For the socket on the macvlan, which sees the broadcasts a second time: only frames sent to
  /// the virtual MAC.
  kUnicastOnly,
};

/// ARP for IPv4 over Ethernet, requests and replies, whose target or sender address is one of
/// `vips` (any order, duplicates allowed). An empty list drops everything. More than kMaxArpVips:
/// build_any_arp_filter().
BpfProgram build_arp_filter(std::span<const wire::Ipv4Address> vips,
                            ArpDelivery delivery = ArpDelivery::kAny);

/// Every ARP request and reply for IPv4 over Ethernet. Also the fallback when the kernel refuses a
/// long program with ENOMEM (net.core.optmem_max is 20 KiB before Linux 6.8: about 1,200 VIPs).
BpfProgram build_any_arp_filter(ArpDelivery delivery = ArpDelivery::kAny);

/// Keeps a socket from receiving anything.
BpfProgram build_drop_all_filter();

/// For captures: CARP (IPv4 and IPv6 protocol 112), ARP, IGMP, ICMP and ICMPv6 (MLD and its
/// hop-by-hop header included), in both directions.
BpfProgram build_capture_filter();

}  // namespace carp::sys

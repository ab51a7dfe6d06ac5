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
/// Room for a nonce and for options of later years; longer ones are cut, and the core drops what it
/// cannot verify.
inline constexpr std::uint32_t kNeighbourSnapLength = 256;

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

/// An address that n vhids share, and for which of the n indexes this host answers (spec 6.1).
struct SharedVip4 {
  wire::Ipv4Address address;
  std::uint32_t members = 0;   ///< n, 2..32
  std::uint32_t mastered = 0;  ///< bit i: this host is MASTER of the vhid with index i
};

struct SharedVip6 {
  wire::Ipv6Address address;
  std::uint32_t members = 0;
  std::uint32_t mastered = 0;
};

/// The most shared VIPs of one family that a filter decides about; more are left to the core.
inline constexpr std::size_t kMaxSharedVips = 64;

/// What the ARP socket of a carpdev is for. Any order, duplicates allowed.
struct ArpInterest {
  /// VIPs: requests and replies with one of them as target or sender are taken.
  std::vector<wire::Ipv4Address> vips;
  /// Shared ones among them. A request for one of these is taken only when
  /// balance_index(sender, members) has its bit in `mastered`, or when it names a virtual MAC
  /// (00:00:5e:00:..) as the target that it looks for (then the core picks that vhid).
  /// A frame whose sender is the VIP is taken in any case, because it may be a conflict.
  std::vector<SharedVip4> shared;
  /// The host's own addresses: replies to them are taken, they say who is alive.
  std::vector<wire::Ipv4Address> own;
};

/// ARP for IPv4 over Ethernet. Nothing of interest drops everything. More than kMaxArpVips VIPs:
/// build_any_arp_filter().
BpfProgram build_arp_filter(const ArpInterest& interest, ArpDelivery delivery = ArpDelivery::kAny);

struct NeighbourInterest {
  std::vector<wire::Ipv6Address> vips;
  /// As above, by balance_index of the IPv6 source. A solicitation names a virtual MAC by being
  /// sent to it, as a client does that verifies what it knows (RFC 4861 7.3).
  std::vector<SharedVip6> shared;
  std::vector<wire::Ipv6Address> own;
};

/// Neighbour solicitations (ICMPv6 135) for one of the VIPs, and neighbour advertisements (136)
/// sent to one of `own` or claiming one of the VIPs; no extension headers. Decided on the last 32
/// bits of the target address where that is unambiguous; the core compares the whole address.
BpfProgram build_neighbour_filter(const NeighbourInterest& interest,
                                  ArpDelivery delivery = ArpDelivery::kAny);

/// Every neighbour solicitation and advertisement.
BpfProgram build_any_neighbour_filter(ArpDelivery delivery = ArpDelivery::kAny);

/// Every ARP request and reply for IPv4 over Ethernet. Also the fallback when the kernel refuses a
/// long program with ENOMEM (net.core.optmem_max is 20 KiB before Linux 6.8: about 1,200 VIPs).
BpfProgram build_any_arp_filter(ArpDelivery delivery = ArpDelivery::kAny);

/// Keeps a socket from receiving anything.
BpfProgram build_drop_all_filter();

/// For captures: CARP (IPv4 and IPv6 protocol 112), ARP, IGMP, ICMP and ICMPv6 (MLD and its
/// hop-by-hop header included), in both directions.
BpfProgram build_capture_filter();

}  // namespace carp::sys

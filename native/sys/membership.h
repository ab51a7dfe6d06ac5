// Membership: keeps an interface in the CARP multicast groups and in the solicited-node groups of
// its IPv6 VIPs. Engine thread.
//
// A packet-socket membership opens the NIC's filter but says nothing to switches, so the groups are
// joined as an application joins them: the kernel then sends IGMP and MLD reports, from the
// physical MAC.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "sys/fd.h"
#include "sys/status.h"
#include "wire/types.h"

namespace carp::sys {

/// ff02::1:ffXX:XXXX with the last 24 bits of `address` (RFC 4291 2.7.1): where it is asked for.
wire::Ipv6Address solicited_node_group(const wire::Ipv6Address& address);

class Membership {
 public:
  /// Joins 224.0.0.18 and ff02::12 on `ifindex`, and again what set_solicited() asked for there.
  /// May be called again at any time (after the interface came back or got an address): it leaves
  /// and joins, so that fresh reports go out. A host or interface without IPv6 is not an error; see
  /// has_v6().
  Status join(int ifindex);

  /// Makes the solicited-node groups on `ifindex` exactly those of `vips` (any order, several may
  /// share a group); only what differs is joined or left. What could not be joined is tried again
  /// by the next call, also by one with the same VIPs. No IPv6 is not an error.
  Status set_solicited(int ifindex, std::span<const wire::Ipv6Address> vips);

  void leave();
  bool has_v6() const { return v6_.valid(); }

 private:
  struct Held {
    wire::Ipv6Address group;
    std::size_t socket;  // which of solicited_sockets_
  };

  Status join_solicited(const wire::Ipv6Address& group, const char* target);
  void leave_solicited(const Held& held);
  void leave_all_solicited();

  Fd v4_;
  Fd v6_;
  int solicited_ifindex_ = 0;
  std::vector<wire::Ipv6Address> wanted_;  // groups, sorted
  std::vector<Held> held_;
  std::vector<Fd> solicited_sockets_;
};

}  // namespace carp::sys

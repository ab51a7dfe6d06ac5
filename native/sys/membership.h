// Membership: keeps an interface in the CARP multicast groups. Engine thread.
//
// A packet-socket membership opens the NIC's filter but says nothing to switches, so the groups are
// joined as an application joins them: the kernel then sends IGMP and MLD reports, from the
// physical MAC.
#pragma once

#include "sys/fd.h"
#include "sys/status.h"

namespace carp::sys {

class Membership {
 public:
  /// Joins 224.0.0.18 and ff02::12 on `ifindex`. May be called again at any time (after the
  /// interface came back or got an address): it leaves and joins, so that fresh reports go out. A
  /// host or interface without IPv6 is not an error; see has_v6().
  Status join(int ifindex);
  void leave();
  bool has_v6() const { return v6_.valid(); }

 private:
  Fd v4_;
  Fd v6_;
};

}  // namespace carp::sys

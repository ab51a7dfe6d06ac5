// VirtualInterface: the holder of one vhid's VIPs. Engine thread.
//
// Mode kVirtual: a macvlan on the carpdev with the virtual MAC, up only as MASTER. Its addresses
// are set in advance, so that becoming MASTER is one netlink request. Mode kPhysical: the VIPs are
// addresses of the carpdev itself, present only as MASTER.
//
// In both modes the kernel answers no ARP request for a VIP; the engine does. Neighbour
// solicitations for IPv6 VIPs are the engine's as well in mode kVirtual, where the macvlan is
// without neighbour discovery (IFF_NOARP), so that several hosts or vhids can share a VIP; in mode
// kPhysical the kernel answers them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sys/janitor_client.h"
#include "sys/netlink_client.h"
#include "sys/status.h"
#include "sys/sysctl.h"
#include "wire/types.h"

namespace carp::sys {

enum class MacMode : std::uint8_t { kVirtual, kPhysical };

struct VirtualInterfaceConfig {
  std::string name;  // of the macvlan, 1 to 15 octets; kPhysical: only for messages
  std::string carpdev;
  int carpdev_ifindex;
  std::uint8_t vhid;
  MacMode mode = MacMode::kVirtual;
  /// Tells the macvlans of this daemon from those of another on the same host; no white space.
  std::string owner;
};

class VirtualInterface {
 public:
  /// `janitor` may be null (tests). All three outlive this object.
  VirtualInterface(NetlinkClient& netlink, SysctlKeeper& sysctls, JanitorClient* janitor);

  /// Sets the carpdev's sysctls and, with kVirtual, creates the macvlan, down. A macvlan of that
  /// name left by our owner is replaced; anything else of that name: EEXIST.
  Status create(const VirtualInterfaceConfig& config);

  /// Makes the VIPs exactly `vips`, in any state; only what differs is touched. Returns the first
  /// failure but tries all.
  Status set_addresses(std::span<const wire::Prefix> vips);

  /// MASTER: the VIPs work from here on. Idempotent.
  Status up();
  /// Not MASTER: the VIPs are no longer ours. Idempotent.
  Status down();
  bool is_up() const { return up_; }

  /// kVirtual and up: makes the macvlan deaf at once, counts it as down and gives the ifindex that
  /// the caller has to take down soon; else 0. Taking a macvlan down waits for an RCU grace period,
  /// 16 ms (measured), which the engine thread cannot afford for each of 255. `silence` false: the
  /// caller makes it deaf, a moment later.
  int hand_off_down(bool silence = true);

  /// Takes the VIPs away and deletes the macvlan. The carpdev's sysctls stay until
  /// SysctlKeeper::restore_all().
  Status remove();

  /// The macvlan (kVirtual) or the carpdev (kPhysical); 0 before create() or after the macvlan was
  /// removed by others.
  int ifindex() const { return ifindex_; }
  MacMode mode() const { return config_.mode; }

  /// Tells a new janitor everything again.
  Status record_all();

  /// Somebody deleted the macvlan (netlink monitor): forget it; create() makes a new one.
  void forget();

 private:
  Status prepare_carpdev();
  Status create_macvlan();
  Status prepare_macvlan();
  Status loosen_path_filter();
  Status switch_ipv6(bool wanted);
  Status apply(const wire::Prefix& vip, bool wanted);
  Status apply_all(bool wanted);

  NetlinkClient& netlink_;
  SysctlKeeper& sysctls_;
  JanitorClient* janitor_;
  VirtualInterfaceConfig config_{};
  int ifindex_ = 0;
  bool up_ = false;
  bool ipv6_on_ = false;
  std::vector<wire::Prefix> vips_;  // sorted; on the macvlan always, on the carpdev only while up
};

/// The ifalias that marks a macvlan as ours: "carpd:" and the owner.
std::string owner_mark(std::string_view owner);

/// Deletes every macvlan that carries the mark of `owner`: what a killed process left. `removed`,
/// if not null, gets their number.
Status remove_leftovers(NetlinkClient& netlink, std::string_view owner, int* removed);

}  // namespace carp::sys

// A carpdev as the kernel has it: sockets, group memberships, addresses. Engine thread.
//
// A port is configured by name and may be missing, come, go and come again (USB NICs, module
// reloads): open() and close() follow what netlink says.
#pragma once

#include <string>
#include <vector>

#include "core/config.h"
#include "core/event.h"
#include "sys/bpf.h"
#include "sys/membership.h"
#include "sys/netlink_client.h"
#include "sys/packet_socket.h"
#include "sys/poller.h"
#include "sys/routed_socket.h"
#include "sys/status.h"
#include "wire/types.h"

namespace carp::engine {

// Which socket of which port is readable: the poller's tag is port * 4 + one of these.
enum class PortSocket : std::uint8_t { kAdvert4, kAdvert6, kArp, kNeighbour };

class Port {
 public:
  Port(std::string name, core::CarpdevId id) : name_(std::move(name)), id_(id) {}

  const std::string& name() const { return name_; }
  core::CarpdevId id() const { return id_; }
  int ifindex() const { return ifindex_; }
  const core::LinkState& link() const { return link_; }
  const core::CarpdevConfig& config() const { return config_; }
  std::uint64_t kernel_drops() const { return kernel_drops_; }

  // The interface exists: opens the sockets and adds them to the poller under `tag`. Returns the
  // first failure; what could be opened stays open.
  sys::Status open(const sys::LinkInfo& link, sys::Poller& poller, std::uint64_t tag);
  // The interface is gone.
  void close(sys::Poller& poller);

  // Takes over what netlink says of the link. Joins the groups again when it came up.
  sys::Status note_link(const sys::LinkInfo& link);
  // Own addresses less the VIPs, which mac = "physical" puts on the carpdev as well.
  void set_addresses(std::vector<wire::Prefix> addresses) {
    config_.addresses = std::move(addresses);
  }

  // Needed as soon as one vhid has unicast peers.
  sys::Status want_routed();
  // Which questions the kernel shall let through.
  sys::Status set_interest(sys::ArpInterest arp, sys::NeighbourInterest neighbours);

  sys::PacketSocket& socket(PortSocket which);
  sys::RoutedSocket& routed() { return routed_; }
  void count_drops();

 private:
  std::string name_;
  core::CarpdevId id_;
  int ifindex_ = 0;
  core::LinkState link_;
  core::CarpdevConfig config_;
  sys::ArpInterest arp_interest_;
  sys::NeighbourInterest neighbour_interest_;
  sys::PacketSocket advert4_;
  sys::PacketSocket advert6_;
  sys::PacketSocket arp_;
  sys::PacketSocket neighbour_;
  sys::RoutedSocket routed_;
  bool routed_wanted_ = false;
  sys::Membership membership_;
  std::uint64_t kernel_drops_ = 0;
};

}  // namespace carp::engine

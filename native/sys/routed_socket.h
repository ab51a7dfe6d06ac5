// RoutedSocket: CARP to unicast peers through the kernel's routing (raw sockets of protocol 112).
// Engine thread.
//
// While it is open the kernel does not answer a peer's advertisement with "protocol unreachable".
// It receives nothing: adverts come in on the packet socket.
#pragma once

#include <cstdint>
#include <span>

#include "sys/fd.h"
#include "sys/status.h"
#include "wire/types.h"

namespace carp::sys {

class RoutedSocket {
 public:
  /// Both are bound to the interface `ifname`. One that IPv6 is disabled for keeps only the IPv4
  /// half: send_v6() then returns EAFNOSUPPORT.
  Status open(const char* ifname);
  void close();

  /// `packet` is a complete IPv4 packet, header checksum included; the destination is taken from
  /// its header. Never blocks. Returns 0 or an errno value.
  int send_v4(std::span<const std::uint8_t> packet);

  /// `payload` begins with the CARP header; the kernel puts an IPv6 header with hop limit 255
  /// before it. `source` has to be an address of this host. `ifindex` is needed for a link-local
  /// destination, else 0. Never blocks. Returns 0 or an errno value.
  int send_v6(const wire::Ipv6Address& source, const wire::Ipv6Address& destination, int ifindex,
              std::span<const std::uint8_t> payload);

 private:
  Fd v4_;
  Fd v6_;
};

}  // namespace carp::sys

#include "sys/membership.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstring>

#include "wire/types.h"

namespace carp::sys {
namespace {

Status join_v4(int ifindex, const char* target, Fd* out) {
  Fd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!fd.valid()) return Status::failure("socket AF_INET", target, errno);
  ip_mreqn request{};
  std::memcpy(&request.imr_multiaddr, wire::kCarpGroup4.octets.data(), 4);
  request.imr_ifindex = ifindex;
  if (::setsockopt(fd.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) != 0) {
    return Status::failure("IP_ADD_MEMBERSHIP", target, errno);
  }
  *out = std::move(fd);
  return Status::success();
}

Status join_v6(int ifindex, const char* target, Fd* out) {
  Fd fd{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!fd.valid()) return Status::failure("socket AF_INET6", target, errno);
  ipv6_mreq request{};
  std::memcpy(&request.ipv6mr_multiaddr, wire::kCarpGroup6.octets.data(), 16);
  request.ipv6mr_interface = static_cast<unsigned>(ifindex);
  if (::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &request, sizeof request) != 0) {
    return Status::failure("IPV6_ADD_MEMBERSHIP", target, errno);
  }
  *out = std::move(fd);
  return Status::success();
}

}  // namespace

Status Membership::join(int ifindex) {
  char target[32];
  std::snprintf(target, sizeof target, "ifindex %d", ifindex);
  // Closing the old sockets leaves the groups; the new ones never receive, as no port is bound.
  leave();
  if (Status status = join_v4(ifindex, target, &v4_); !status.ok()) return status;
  Status status = join_v6(ifindex, target, &v6_);
  switch (status.error) {
    case EAFNOSUPPORT:  // ipv6.disable=1
    case EADDRNOTAVAIL:
    case ENODEV:  // disable_ipv6=1 on the interface, which exists: the IPv4 join succeeded
    case EINVAL:
      return Status::success();
    default:
      return status;
  }
}

void Membership::leave() {
  v4_.reset();
  v6_.reset();
}

}  // namespace carp::sys

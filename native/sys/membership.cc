#include "sys/membership.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

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

Status open_v6(const char* target, Fd* out) {
  Fd fd{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!fd.valid()) return Status::failure("socket AF_INET6", target, errno);
  *out = std::move(fd);
  return Status::success();
}

/// 0 or an errno value.
int change_v6(int fd, int option, int ifindex, const wire::Ipv6Address& group) {
  ipv6_mreq request{};
  std::memcpy(&request.ipv6mr_multiaddr, group.octets.data(), 16);
  request.ipv6mr_interface = static_cast<unsigned>(ifindex);
  return ::setsockopt(fd, IPPROTO_IPV6, option, &request, sizeof request) == 0 ? 0 : errno;
}

Status join_v6(int ifindex, const char* target, Fd* out) {
  Fd fd;
  if (Status status = open_v6(target, &fd); !status.ok()) return status;
  const int error = change_v6(fd.get(), IPV6_ADD_MEMBERSHIP, ifindex, wire::kCarpGroup6);
  if (error != 0) return Status::failure("IPV6_ADD_MEMBERSHIP", target, error);
  *out = std::move(fd);
  return Status::success();
}

/// What a host or an interface without IPv6 says.
bool is_without_v6(const Status& status) {
  switch (status.error) {
    case EAFNOSUPPORT:  // ipv6.disable=1
    case EADDRNOTAVAIL:
    case ENODEV:  // disable_ipv6=1 on the interface
    case EINVAL:
      return true;
    default:
      return false;
  }
}

/// A socket holds as many groups as the memory of its options allows (net.core.optmem_max).
bool is_full(const Status& status) { return status.error == ENOMEM || status.error == ENOBUFS; }

void name_target(int ifindex, std::span<char> out) {
  std::snprintf(out.data(), out.size(), "ifindex %d", ifindex);
}

}  // namespace

wire::Ipv6Address solicited_node_group(const wire::Ipv6Address& address) {
  wire::Ipv6Address group{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff}};
  std::copy(address.octets.begin() + 13, address.octets.end(), group.octets.begin() + 13);
  return group;
}

Status Membership::join(int ifindex) {
  char target[32];
  name_target(ifindex, target);
  // Closing the old sockets leaves the groups; the new ones never receive, as no port is bound.
  v4_.reset();
  v6_.reset();
  held_.clear();
  solicited_sockets_.clear();
  if (Status status = join_v4(ifindex, target, &v4_); !status.ok()) return status;
  if (Status status = join_v6(ifindex, target, &v6_); !status.ok()) {
    // The interface exists: the IPv4 join succeeded.
    return is_without_v6(status) ? Status::success() : status;
  }
  if (ifindex != solicited_ifindex_) return Status::success();
  // A solicited-node group's own group is itself.
  return set_solicited(ifindex, std::vector<wire::Ipv6Address>{wanted_});
}

Status Membership::set_solicited(int ifindex, std::span<const wire::Ipv6Address> vips) {
  char target[32];
  name_target(ifindex, target);
  if (ifindex != solicited_ifindex_) leave_all_solicited();
  solicited_ifindex_ = ifindex;
  wanted_.clear();
  for (const wire::Ipv6Address& vip : vips) wanted_.push_back(solicited_node_group(vip));
  std::sort(wanted_.begin(), wanted_.end());
  wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
  const auto is_wanted = [this](const Held& held) {
    return std::binary_search(wanted_.begin(), wanted_.end(), held.group);
  };
  const auto extra = std::partition(held_.begin(), held_.end(), is_wanted);
  std::for_each(extra, held_.end(), [this](const Held& held) { leave_solicited(held); });
  held_.erase(extra, held_.end());
  if (held_.empty()) solicited_sockets_.clear();

  const auto by_group = [](const Held& a, const Held& b) { return a.group < b.group; };
  std::sort(held_.begin(), held_.end(), by_group);
  Status first = Status::success();
  const std::size_t before = held_.size();
  for (const wire::Ipv6Address& group : wanted_) {
    const auto old_end = held_.begin() + static_cast<std::ptrdiff_t>(before);
    if (std::binary_search(held_.begin(), old_end, Held{group, 0}, by_group)) continue;
    Status status = join_solicited(group, target);
    if (status.ok()) continue;
    if (is_without_v6(status)) break;  // as all the others will be
    if (first.ok()) first = status;
  }
  return first;
}

Status Membership::join_solicited(const wire::Ipv6Address& group, const char* target) {
  // The newest socket is the one with room, unless groups were left since.
  for (std::size_t i = solicited_sockets_.size(); i-- > 0;) {
    const int fd = solicited_sockets_[i].get();
    const int error = change_v6(fd, IPV6_ADD_MEMBERSHIP, solicited_ifindex_, group);
    if (error == 0) {
      held_.push_back({group, i});
      return Status::success();
    }
    Status status = Status::failure("IPV6_ADD_MEMBERSHIP", target, error);
    if (!is_full(status)) return status;
  }
  Fd fd;
  if (Status status = open_v6(target, &fd); !status.ok()) return status;
  const int error = change_v6(fd.get(), IPV6_ADD_MEMBERSHIP, solicited_ifindex_, group);
  if (error != 0) return Status::failure("IPV6_ADD_MEMBERSHIP", target, error);
  held_.push_back({group, solicited_sockets_.size()});
  solicited_sockets_.push_back(std::move(fd));
  return Status::success();
}

/// A failure says that the kernel has left the group already.
void Membership::leave_solicited(const Held& held) {
  static_cast<void>(change_v6(solicited_sockets_[held.socket].get(), IPV6_DROP_MEMBERSHIP,
                              solicited_ifindex_, held.group));
}

void Membership::leave_all_solicited() {
  held_.clear();
  solicited_sockets_.clear();
  wanted_.clear();
  solicited_ifindex_ = 0;
}

void Membership::leave() {
  v4_.reset();
  v6_.reset();
  leave_all_solicited();
}

}  // namespace carp::sys

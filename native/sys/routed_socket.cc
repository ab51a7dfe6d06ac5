#include "sys/routed_socket.h"

#include <linux/pkt_sched.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "sys/bpf.h"

namespace carp::sys {
namespace {

constexpr int kProtocolCarp = 112;
constexpr int kHopLimit = 255;
constexpr std::size_t kIpv4HeaderLength = 20;
constexpr std::size_t kIpv4Destination = 16;

Status open_raw(int family, const char* ifname, Fd* out) {
  Fd fd{::socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, kProtocolCarp)};
  if (!fd.valid()) return Status::failure("socket SOCK_RAW", ifname, errno);
  const BpfProgram program = build_drop_all_filter();
  const sock_fprog argument{static_cast<unsigned short>(program.size()),
                            const_cast<sock_filter*>(program.data())};
  const int priority = TC_PRIO_CONTROL;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &argument, sizeof argument) != 0) {
    return Status::failure("SO_ATTACH_FILTER", ifname, errno);
  }
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, ifname,
                   static_cast<socklen_t>(std::strlen(ifname))) != 0) {
    return Status::failure("SO_BINDTODEVICE", ifname, errno);
  }
  ::setsockopt(fd.get(), SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority);
  *out = std::move(fd);
  return Status::success();
}

}  // namespace

Status RoutedSocket::open(const char* ifname) {
  close();
  if (Status status = open_raw(AF_INET, ifname, &v4_); !status.ok()) return status;
  const int one = 1;
  if (::setsockopt(v4_.get(), IPPROTO_IP, IP_HDRINCL, &one, sizeof one) != 0) {
    return Status::failure("IP_HDRINCL", ifname, errno);
  }
  if (Status status = open_raw(AF_INET6, ifname, &v6_); !status.ok()) {
    return status.error == EAFNOSUPPORT ? Status::success() : status;
  }
  if (::setsockopt(v6_.get(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, &kHopLimit, sizeof kHopLimit) != 0) {
    return Status::failure("IPV6_UNICAST_HOPS", ifname, errno);
  }
  return Status::success();
}

void RoutedSocket::close() {
  v4_.reset();
  v6_.reset();
}

int RoutedSocket::send_v4(std::span<const std::uint8_t> packet) {
  if (packet.size() < kIpv4HeaderLength) return EINVAL;
  sockaddr_in to{};
  to.sin_family = AF_INET;
  std::memcpy(&to.sin_addr, packet.data() + kIpv4Destination, sizeof to.sin_addr);
  const ssize_t sent =
      ::sendto(v4_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&to), sizeof to);
  return sent < 0 ? errno : 0;
}

int RoutedSocket::send_v6(const wire::Ipv6Address& source, const wire::Ipv6Address& destination,
                          int ifindex, std::span<const std::uint8_t> payload) {
  if (!v6_.valid()) return EAFNOSUPPORT;
  sockaddr_in6 to{};
  to.sin6_family = AF_INET6;
  to.sin6_scope_id = static_cast<std::uint32_t>(ifindex);
  std::memcpy(&to.sin6_addr, destination.octets.data(), destination.octets.size());
  in6_pktinfo info{};
  std::memcpy(&info.ipi6_addr, source.octets.data(), source.octets.size());
  info.ipi6_ifindex = static_cast<unsigned>(ifindex);
  alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof info)] = {};
  iovec vector{const_cast<std::uint8_t*>(payload.data()), payload.size()};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = IPPROTO_IPV6;
  header->cmsg_type = IPV6_PKTINFO;
  header->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(header), &info, sizeof info);
  const ssize_t sent = ::sendmsg(v6_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent < 0 ? errno : 0;
}

}  // namespace carp::sys

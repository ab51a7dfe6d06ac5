#include "sys/netlink_monitor.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace carp::sys {
namespace {

constexpr int kReceiveBufferBytes = 1 << 20;

void deliver(std::span<const std::uint8_t> datagram,
             const std::function<void(const NetlinkEvent&)>& callback) {
  NetlinkReader messages{datagram};
  while (const auto message = messages.next()) {
    if (message->type == RTM_NEWLINK || message->type == RTM_DELLINK) {
      if (auto link = parse_link(message->body)) {
        callback(LinkChanged{std::move(*link), message->type == RTM_DELLINK});
      }
    } else if (message->type == RTM_NEWADDR || message->type == RTM_DELADDR) {
      if (auto address = parse_address(message->body)) {
        callback(AddressChanged{*address, message->type == RTM_DELADDR});
      }
    }
  }
}

}  // namespace

Status NetlinkMonitor::open() {
  Fd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (!fd.valid()) return Status::failure("socket NETLINK_ROUTE", "monitor", errno);
  const int bytes = kReceiveBufferBytes;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Status::failure("bind NETLINK_ROUTE", "monitor", errno);
  }
  if (!buffer_) buffer_ = std::make_unique<std::uint8_t[]>(kDatagramMax);
  fd_ = std::move(fd);
  return Status::success();
}

Status NetlinkMonitor::read(const std::function<void(const NetlinkEvent&)>& callback) {
  for (int i = 0; i < kMaxDatagrams; ++i) {
    sockaddr_nl from{};
    socklen_t from_length = sizeof from;
    const ssize_t got = ::recvfrom(fd_.get(), buffer_.get(), kDatagramMax, MSG_TRUNC,
                                   reinterpret_cast<sockaddr*>(&from), &from_length);
    if (got < 0) {
      if (errno == EAGAIN) return Status::success();
      if (errno == EINTR) continue;
      if (errno != ENOBUFS) return Status::failure("recv NETLINK_ROUTE", "monitor", errno);
      callback(MonitorOverrun{});
      continue;
    }
    if (from.nl_pid != 0) continue;  // not the kernel
    if (static_cast<std::size_t>(got) > kDatagramMax) {
      callback(MonitorOverrun{});  // cut off: something is missing
      continue;
    }
    deliver({buffer_.get(), static_cast<std::size_t>(got)}, callback);
  }
  return Status::success();
}

}  // namespace carp::sys

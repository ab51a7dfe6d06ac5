#include "sys/packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_sched.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23  // Linux 4.20; missing in older user-space headers
#endif

namespace carp::sys {
namespace {

Status attach(int fd, std::span<const sock_filter> program) {
  sock_fprog argument{};
  argument.len = static_cast<unsigned short>(program.size());
  // The kernel only reads it.
  argument.filter = const_cast<sock_filter*>(program.data());
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &argument, sizeof argument) != 0) {
    return Status::failure("SO_ATTACH_FILTER", "", errno);
  }
  return Status::success();
}

void enlarge_receive_buffer(int fd) {
  const int bytes = PacketSocket::kReceiveBufferBytes;
  // FORCE needs CAP_NET_ADMIN in the first user namespace; the plain one is cut to
  // net.core.rmem_max. Either is better than the default, and a small buffer is no reason not to
  // start.
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
}

void raise_priority(int fd) {
  const int priority = TC_PRIO_CONTROL;
  ::setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority);
}

}  // namespace

struct PacketSocket::Buffers {
  std::array<std::array<std::uint8_t, kFrameMax>, kBatch> frames;
  std::array<sockaddr_ll, kBatch> sources;
  std::array<iovec, kBatch> vectors;
  std::array<mmsghdr, kBatch> headers;
  std::array<Received, kBatch> received;
};

PacketSocket::PacketSocket() = default;
PacketSocket::~PacketSocket() = default;
PacketSocket::PacketSocket(PacketSocket&&) noexcept = default;
PacketSocket& PacketSocket::operator=(PacketSocket&&) noexcept = default;

Status PacketSocket::open(std::uint16_t protocol, int ifindex,
                          std::span<const sock_filter> program) {
  char target[32];
  std::snprintf(target, sizeof target, "ifindex %d", ifindex);
  // Protocol 0 receives nothing until bind(): no frame slips in before the filter.
  Fd fd{::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd.valid()) return Status::failure("socket AF_PACKET", target, errno);
  if (Status status = attach(fd.get(), program); !status.ok()) return status;
  const int one = 1;
  drop_outgoing_ =
      ::setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) != 0;
  enlarge_receive_buffer(fd.get());
  raise_priority(fd.get());
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = ifindex;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Status::failure("bind AF_PACKET", target, errno);
  }
  if (!buffers_) buffers_ = std::make_unique<Buffers>();
  for (std::size_t i = 0; i < kBatch; ++i) {
    buffers_->vectors[i] = iovec{buffers_->frames[i].data(), kFrameMax};
    buffers_->headers[i] = mmsghdr{};
    msghdr& header = buffers_->headers[i].msg_hdr;
    header.msg_name = &buffers_->sources[i];
    header.msg_iov = &buffers_->vectors[i];
    header.msg_iovlen = 1;
  }
  fd_ = std::move(fd);
  ifindex_ = ifindex;
  return Status::success();
}

Status PacketSocket::open_sender() {
  fd_.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_.valid()) return Status::failure("socket AF_PACKET", "sender", errno);
  raise_priority(fd_.get());
  ifindex_ = 0;
  return Status::success();
}

void PacketSocket::close() {
  fd_.reset();
  ifindex_ = 0;
}

Status PacketSocket::set_filter(std::span<const sock_filter> program) {
  return attach(fd_.get(), program);
}

ReceiveResult PacketSocket::recv_batch() {
  ReceiveResult result;
  if (!buffers_ || !fd_.valid()) return result;
  // The kernel overwrites the lengths with what it used.
  for (mmsghdr& entry : buffers_->headers) entry.msg_hdr.msg_namelen = sizeof(sockaddr_ll);
  const int count = ::recvmmsg(fd_.get(), buffers_->headers.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (count < 0) {
    // The pending error of a packet socket is set once by the kernel and cleared by this read.
    result.interface_down = errno == ENETDOWN;
    result.interface_gone = errno == ENXIO || errno == ENODEV;
    return result;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const sockaddr_ll& source = buffers_->sources[i];
    if (drop_outgoing_ && source.sll_pkttype == PACKET_OUTGOING) continue;
    const std::size_t length = buffers_->headers[i].msg_len;
    buffers_->received[kept++] =
        Received{.frame = {buffers_->frames[i].data(), length < kFrameMax ? length : kFrameMax},
                 .ifindex = source.sll_ifindex,
                 .pkttype = source.sll_pkttype};
  }
  result.frames = {buffers_->received.data(), kept};
  result.more = static_cast<std::size_t>(count) == kBatch;
  return result;
}

std::uint32_t PacketSocket::drops() {
  tpacket_stats stats{};
  socklen_t length = sizeof stats;
  if (::getsockopt(fd_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0) return 0;
  return stats.tp_drops;
}

int PacketSocket::send(int ifindex, std::span<const std::uint8_t> frame) {
  if (frame.size() < ETH_HLEN) return EINVAL;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = ifindex;
  // The queueing discipline reads it; in the order of the frame, which is network order.
  address.sll_protocol = static_cast<std::uint16_t>(
      htons(static_cast<std::uint16_t>((std::uint32_t{frame[12]} << 8) | frame[13])));
  const ssize_t sent = ::sendto(fd_.get(), frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return sent < 0 ? errno : 0;
}

}  // namespace carp::sys

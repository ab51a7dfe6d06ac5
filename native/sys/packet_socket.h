// PacketSocket: raw Ethernet in and out (AF_PACKET). Engine thread; see packet(7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "sys/bpf.h"
#include "sys/fd.h"
#include "sys/status.h"

namespace carp::sys {

/// One received frame. `frame` is valid until the next recv_batch() of the same socket.
struct Received {
  std::span<const std::uint8_t> frame;
  int ifindex;
  /// PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST or PACKET_OTHERHOST of <linux/if_packet.h>.
  std::uint8_t pkttype;
};

struct ReceiveResult {
  std::span<const Received> frames;
  /// The interface went down: it is reported once, the socket works again when the interface is up
  /// again.
  bool interface_down = false;
  /// The interface is gone for good: the owner closes the socket and opens another when the name is
  /// back.
  bool interface_gone = false;
  /// The batch was full: there may be more.
  bool more = false;
};

class PacketSocket {
 public:
  static constexpr std::size_t kBatch = 64;
  static constexpr std::size_t kFrameMax = 2048;
  static constexpr int kReceiveBufferBytes = 4 << 20;

  PacketSocket();
  ~PacketSocket();
  PacketSocket(PacketSocket&&) noexcept;
  PacketSocket& operator=(PacketSocket&&) noexcept;

  /// Opens a receiver for one EtherType (host byte order: ETH_P_IP, ETH_P_ARP, ETH_P_ALL) on one
  /// interface. The program is in place before the first frame can arrive. All buffers are
  /// allocated here.
  Status open(std::uint16_t protocol, int ifindex, std::span<const sock_filter> program);

  /// Opens a socket that only sends; it never receives.
  Status open_sender();

  void close();
  bool is_open() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  int ifindex() const { return ifindex_; }

  /// Replaces the receive filter in one step; frames that are queued already stay.
  Status set_filter(std::span<const sock_filter> program);

  /// Never blocks. An empty result without a flag means: nothing there.
  ReceiveResult recv_batch();

  /// Frames lost because the receive buffer was full, since the last call (the kernel clears its
  /// counter).
  std::uint32_t drops();

  /// Sends one complete Ethernet frame. Never blocks. Returns 0 or an errno value (ENETDOWN, ENXIO,
  /// ENOBUFS, EAGAIN).
  int send(int ifindex, std::span<const std::uint8_t> frame);

 private:
  struct Buffers;

  Fd fd_;
  int ifindex_ = 0;
  bool drop_outgoing_ = false;  // the kernel is too old for PACKET_IGNORE_OUTGOING
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace carp::sys

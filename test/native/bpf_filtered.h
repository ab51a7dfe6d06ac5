// Runs a BPF program in the kernel: a datagram socket pair accepts the same filters as a packet
// socket, without any privilege. There a datagram has no VLAN tag, and its packet type is always
// PACKET_HOST: see sys_netns_packets.cc for these.
#pragma once

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <vector>

#include "sys/bpf.h"
#include "sys/fd.h"

namespace carp::test {

using Frame = std::vector<std::uint8_t>;

/// A pair of sockets with the program on the receiving one.
class Filtered {
 public:
  explicit Filtered(const sys::BpfProgram& program) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) != 0) return;
    in_.reset(ends[0]);
    out_.reset(ends[1]);
    const sock_fprog argument{static_cast<unsigned short>(program.size()),
                              const_cast<sock_filter*>(program.data())};
    attached_ =
        ::setsockopt(out_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &argument, sizeof argument) == 0;
    error_ = attached_ ? 0 : errno;
  }
  bool attached() const { return attached_; }
  int error() const { return error_; }
  /// Octets that pass, -1 if none.
  long pass(const Frame& frame) {
    // A dropped datagram is reported to the sender of a local socket as EPERM; sent or not, the
    // receiver decides.
    static_cast<void>(!::send(in_.get(), frame.data(), frame.size(), 0));
    std::array<std::uint8_t, 2048> buffer;
    return ::recv(out_.get(), buffer.data(), buffer.size(), 0);
  }

 private:
  sys::Fd in_;
  sys::Fd out_;
  bool attached_ = false;
  int error_ = 0;
};

}  // namespace carp::test

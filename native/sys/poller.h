// Poller: waits for descriptors (epoll, level-triggered). One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sys/fd.h"
#include "sys/status.h"

namespace carp::sys {

struct Ready {
  std::uint64_t tag;
  bool readable;
  /// EPOLLERR or EPOLLHUP: the descriptor has a pending error or its peer is gone. Read it to learn
  /// more.
  bool failed;
};

class Poller {
 public:
  static constexpr std::size_t kMaxReady = 64;

  Status open();
  Status add(int fd, std::uint64_t tag);
  Status remove(int fd);

  /// Blocks until something is ready and writes up to min(out.size(), kMaxReady) entries. Returns
  /// how many; 0 after a signal. A timer is a descriptor as well (timer.h), so there is no timeout.
  std::size_t wait(std::span<Ready> out);

  /// Like wait(), but returns at once.
  std::size_t poll(std::span<Ready> out);

 private:
  std::size_t collect(std::span<Ready> out, int timeout_ms);
  Fd fd_;
};

}  // namespace carp::sys

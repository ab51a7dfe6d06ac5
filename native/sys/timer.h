// DeadlineTimer: one absolute deadline as a descriptor to poll. Engine thread.
#pragma once

#include <optional>

#include "core/time.h"
#include "sys/fd.h"
#include "sys/status.h"

namespace carp::sys {

/// A timerfd on CLOCK_MONOTONIC. Readable once the deadline has passed.
class DeadlineTimer {
 public:
  Status open();

  /// Arms for `deadline`, or disarms with nullopt. A deadline in the past fires at once. Re-arming
  /// replaces the old deadline and clears an expiry that was not drained. The same value twice
  /// costs no system call.
  Status arm(std::optional<core::Instant> deadline);

  /// Clears the expiry. Returns whether it had fired. After it the timer is disarmed until the next
  /// arm().
  bool drain();

  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
  std::optional<core::Instant> armed_;
};

}  // namespace carp::sys

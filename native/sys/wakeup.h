// Wakeup: lets any thread wake the thread that polls. signal() from any thread, drain() on the
// polling one.
#pragma once

#include "sys/fd.h"
#include "sys/status.h"

namespace carp::sys {

/// An eventfd used as a doorbell: it coalesces and carries no data.
class Wakeup {
 public:
  Status open();
  /// Never blocks and may be called at any time from any thread after open().
  void signal() const;
  /// Clears the doorbell. Returns whether it had been rung.
  bool drain();
  int fd() const { return fd_.get(); }

 private:
  Fd fd_;
};

}  // namespace carp::sys

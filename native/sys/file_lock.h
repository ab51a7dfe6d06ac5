// FileLock: only one daemon per run directory (flock(2)). Any thread.
#pragma once

#include <sys/types.h>

#include <string>

#include "sys/fd.h"
#include "sys/status.h"

namespace carp::sys {

class FileLock {
 public:
  /// Creates and locks `path` and writes our pid into it. EWOULDBLOCK: somebody else has it (see
  /// holder()). The lock ends with the process, however it ends; the file stays.
  Status acquire(const std::string& path);
  void release() { fd_.reset(); }
  bool held() const { return fd_.valid(); }

  /// The pid written in the file, 0 if unknown.
  static pid_t holder(const std::string& path);

 private:
  Fd fd_;
};

}  // namespace carp::sys

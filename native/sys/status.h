// Status: the result of a system call as a value. Any thread.
#pragma once

#include <cerrno>
#include <cstddef>
#include <string_view>

namespace carp::sys {

/// What failed, on what, and why. Plain data, so it can cross threads in a ring. `error` is an
/// errno value, 0 for success; `op` points at a string literal ("open", "RTM_NEWLINK", ...);
/// `target` is cut to fit.
struct [[nodiscard]] Status {
  int error = 0;
  const char* op = "";
  char target[48] = {};

  bool ok() const { return error == 0; }

  static Status success() { return Status{}; }

  /// `error` of 0 would read as success, so it becomes EIO: a failure without a number is still a
  /// failure.
  static Status failure(const char* op, std::string_view target, int error) {
    Status status;
    status.error = error == 0 ? EIO : error;
    status.op = op;
    const std::size_t n =
        target.size() < sizeof status.target - 1 ? target.size() : sizeof status.target - 1;
    for (std::size_t i = 0; i < n; ++i) status.target[i] = target[i];
    return status;
  }
};

}  // namespace carp::sys

#include "sys/timer.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <cstdint>

namespace carp::sys {

Status DeadlineTimer::open() {
  fd_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!fd_.valid()) return Status::failure("timerfd_create", "", errno);
  armed_.reset();
  return Status::success();
}

Status DeadlineTimer::arm(std::optional<core::Instant> deadline) {
  if (deadline == armed_) return Status::success();
  itimerspec spec{};
  if (deadline) {
    // Zero would disarm and a negative time is refused; the smallest positive one has long passed.
    const std::int64_t us = std::max<std::int64_t>(deadline->us, 1);
    spec.it_value.tv_sec = us / 1'000'000;
    spec.it_value.tv_nsec = us % 1'000'000 * 1000;
  }
  if (::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &spec, nullptr) != 0) {
    return Status::failure("timerfd_settime", "", errno);
  }
  armed_ = deadline;
  return Status::success();
}

bool DeadlineTimer::drain() {
  std::uint64_t expirations = 0;
  if (::read(fd_.get(), &expirations, sizeof expirations) != sizeof expirations) return false;
  armed_.reset();
  return true;
}

}  // namespace carp::sys

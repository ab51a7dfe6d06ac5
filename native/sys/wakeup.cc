#include "sys/wakeup.h"

#include <sys/eventfd.h>

#include <cstdint>

namespace carp::sys {

Status Wakeup::open() {
  fd_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  return fd_.valid() ? Status::success() : Status::failure("eventfd", "", errno);
}

void Wakeup::signal() const {
  const std::uint64_t one = 1;
  // The only failure is EAGAIN, when the counter is full: the bell is ringing then.
  const ssize_t written = ::write(fd_.get(), &one, sizeof one);
  static_cast<void>(written);
}

bool Wakeup::drain() {
  std::uint64_t count = 0;
  return ::read(fd_.get(), &count, sizeof count) == sizeof count;
}

}  // namespace carp::sys

#include "sys/clock.h"

#include <time.h>

namespace carp::sys {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

std::int64_t read_clock(clockid_t id) {
  timespec now{};
  // Cannot fail for these two clocks on Linux.
  ::clock_gettime(id, &now);
  return std::int64_t{now.tv_sec} * kNsPerSecond + now.tv_nsec;
}

}  // namespace

core::Instant monotonic_now() { return core::Instant{monotonic_ns() / 1000}; }
std::int64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }
std::int64_t realtime_ns() { return read_clock(CLOCK_REALTIME); }

}  // namespace carp::sys

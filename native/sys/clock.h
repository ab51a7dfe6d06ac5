// The only place where an Instant is made out of a real clock. Any thread.
#pragma once

#include <cstdint>

#include "core/time.h"

namespace carp::sys {

/// CLOCK_MONOTONIC in microseconds. It does not step; it stands still while the machine is
/// suspended.
core::Instant monotonic_now();

/// CLOCK_MONOTONIC in nanoseconds, for measuring.
std::int64_t monotonic_ns();

/// CLOCK_REALTIME in nanoseconds since 1970. For time stamps that people read; never for a
/// deadline.
std::int64_t realtime_ns();

}  // namespace carp::sys

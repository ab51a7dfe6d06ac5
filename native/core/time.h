// Time as the core knows it: an argument. Nothing in the core reads a clock; only sys makes an
// Instant, from CLOCK_MONOTONIC, because the wall clock steps and a step must never cause a
// failover.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace carp::core {

using Duration = std::chrono::microseconds;

// Microseconds of a monotonic clock since an arbitrary start.
struct Instant {
  std::int64_t us = 0;
  auto operator<=>(const Instant&) const = default;
};

constexpr Instant operator+(Instant at, Duration d) { return Instant{at.us + d.count()}; }
constexpr Instant operator-(Instant at, Duration d) { return Instant{at.us - d.count()}; }
constexpr Duration operator-(Instant a, Instant b) { return Duration{a.us - b.us}; }

}  // namespace carp::core

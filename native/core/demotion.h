// Demotion: the set of reasons that hold now, never a running sum of increments. One lost event
// cannot leave a host demoted for ever (the fault of the BSD family: faults.md finding 8).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>

#include "core/event.h"
#include "core/time.h"

namespace carp::core {

class Demotion {
 public:
  static constexpr std::size_t kMaxReasons = 64;

  struct Reason {
    ReasonName name{};
    std::int32_t level = 0;
    Instant since;
    std::string_view text() const { return std::string_view(name.data()); }
  };

  enum class Change : std::uint8_t { kNone, kChanged, kFull };

  // Sets the level of one reason; 0 clears it.
  Change set(Instant now, std::string_view name, std::int32_t level) {
    for (std::size_t i = 0; i < size_; ++i) {
      if (reasons_[i].text() != name) continue;
      if (reasons_[i].level == level) return Change::kNone;
      if (level == 0) {
        std::copy(reasons_.begin() + static_cast<long>(i) + 1,
                  reasons_.begin() + static_cast<long>(size_),
                  reasons_.begin() + static_cast<long>(i));
        --size_;
      } else {
        reasons_[i].level = level;
        reasons_[i].since = now;
      }
      return Change::kChanged;
    }
    if (level == 0) return Change::kNone;
    if (size_ == kMaxReasons) return Change::kFull;
    Reason& reason = reasons_[size_++];
    reason = Reason{};
    std::copy_n(name.begin(), std::min(name.size(), kReasonSize - 1), reason.name.begin());
    reason.level = level;
    reason.since = now;
    return Change::kChanged;
  }

  // Sum of all levels; may be negative or above 240.
  std::int32_t total() const {
    std::int32_t sum = 0;
    for (const Reason& reason : reasons()) sum += reason.level;
    return sum;
  }

  std::span<const Reason> reasons() const { return {reasons_.data(), size_}; }

 private:
  std::array<Reason, kMaxReasons> reasons_{};
  std::size_t size_ = 0;
};

}  // namespace carp::core

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

  // One bit a group of the host; a reason holds for the vhids of these groups.
  using Groups = std::uint32_t;
  static constexpr Groups kAllGroups = ~Groups{0};

  struct Reason {
    ReasonName name{};
    std::int32_t level = 0;
    // What OpenBSD's demote octet counts for it: a failed interface is 1 there (spec 5.3), whatever
    // it adds to advskew here.
    std::int32_t count = 0;
    Groups groups = kAllGroups;
    Instant since;
    std::string_view text() const { return std::string_view(name.data()); }
  };

  enum class Change : std::uint8_t { kNone, kChanged, kFull };

  // Sets the level of one reason; 0 clears it.
  Change set(Instant now, std::string_view name, std::int32_t level, std::int32_t count,
             Groups groups = kAllGroups) {
    for (std::size_t i = 0; i < size_; ++i) {
      if (reasons_[i].text() != name) continue;
      if (reasons_[i].level == level && (level == 0 || reasons_[i].groups == groups)) {
        return Change::kNone;
      }
      if (level == 0) {
        std::copy(reasons_.begin() + static_cast<long>(i) + 1,
                  reasons_.begin() + static_cast<long>(size_),
                  reasons_.begin() + static_cast<long>(i));
        --size_;
      } else {
        if (reasons_[i].level != level) reasons_[i].since = now;
        reasons_[i].level = level;
        reasons_[i].count = count;
        reasons_[i].groups = groups;
      }
      return Change::kChanged;
    }
    if (level == 0) return Change::kNone;
    if (size_ == kMaxReasons) return Change::kFull;
    Reason& reason = reasons_[size_++];
    reason = Reason{};
    std::copy_n(name.begin(), std::min(name.size(), kReasonSize - 1), reason.name.begin());
    reason.level = level;
    reason.count = count;
    reason.groups = groups;
    reason.since = now;
    return Change::kChanged;
  }

  // Sum of the levels that hold for a group; may be negative or above 240.
  std::int32_t total(Groups group = kAllGroups) const {
    std::int32_t sum = 0;
    for (const Reason& reason : reasons()) sum += (reason.groups & group) != 0 ? reason.level : 0;
    return sum;
  }

  // The same for OpenBSD's demote octet, not clamped.
  std::int32_t count(Groups group = kAllGroups) const {
    std::int32_t sum = 0;
    for (const Reason& reason : reasons()) sum += (reason.groups & group) != 0 ? reason.count : 0;
    return sum;
  }

  std::span<const Reason> reasons() const { return {reasons_.data(), size_}; }

 private:
  std::array<Reason, kMaxReasons> reasons_{};
  std::size_t size_ = 0;
};

}  // namespace carp::core

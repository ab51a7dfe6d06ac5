// How late periodic advertisements were: a histogram in powers of two. Engine thread.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace carp::engine {

class Lateness {
 public:
  void add(std::int64_t us) {
    const auto late = static_cast<std::uint64_t>(us < 0 ? 0 : us);
    ++count_;
    sum_ += late;
    if (late > max_) max_ = late;
    ++buckets_[static_cast<std::size_t>(std::bit_width(late))];
  }

  std::uint64_t count() const { return count_; }
  std::uint64_t sum_us() const { return sum_; }
  std::uint64_t max_us() const { return max_; }

  // Upper bound of the bucket that holds the given share (0..1) of all.
  std::uint64_t quantile_us(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen > wanted || seen == count_) {
        const std::uint64_t bound = i == 0 ? 0 : (std::uint64_t{1} << i) - 1;
        return bound < max_ ? bound : max_;
      }
    }
    return max_;
  }

 private:
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
  std::array<std::uint64_t, 65> buckets_{};
};

}  // namespace carp::engine

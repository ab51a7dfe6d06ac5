// The rings between the threads, under ThreadSanitizer: one writer, one reader, nothing lost,
// nothing twice, order kept.
#include <cstdint>
#include <memory>
#include <thread>

#include "check.h"
#include "engine/ring.h"

using carp::engine::Ring;

TEST(ring_keeps_order_between_two_threads) {
  constexpr std::uint64_t kCount = 200'000;
  Ring<std::uint64_t, 64> ring;
  std::thread writer([&ring] {
    for (std::uint64_t i = 1; i <= kCount;) {
      std::uint64_t value = i;
      if (ring.push(std::move(value))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::uint64_t expected = 1;
  bool in_order = true;
  while (expected <= kCount) {
    std::uint64_t value = 0;
    if (!ring.pop(&value)) {
      std::this_thread::yield();
      continue;
    }
    in_order = in_order && value == expected;
    ++expected;
  }
  writer.join();
  CHECK(in_order);
  std::uint64_t left = 0;
  CHECK(!ring.pop(&left));
}

TEST(ring_hands_over_ownership) {
  constexpr int kCount = 20'000;
  Ring<std::unique_ptr<int>, 16> ring;
  std::thread writer([&ring] {
    for (int i = 0; i < kCount;) {
      auto value = std::make_unique<int>(i);
      while (!ring.push(std::move(value))) std::this_thread::yield();
      ++i;
    }
  });
  long sum = 0;
  for (int taken = 0; taken < kCount;) {
    std::unique_ptr<int> value;
    if (!ring.pop(&value)) {
      std::this_thread::yield();
      continue;
    }
    sum += *value;
    ++taken;
  }
  writer.join();
  CHECK_EQ(sum, static_cast<long>(kCount) * (kCount - 1) / 2);
}

TEST(ring_refuses_when_full_and_says_how_much_fits) {
  Ring<int, 4> ring;
  CHECK_EQ(ring.room(), std::size_t{4});
  for (int i = 0; i < 4; ++i) {
    int value = i;
    CHECK(ring.push(std::move(value)));
  }
  int extra = 9;
  CHECK(!ring.push(std::move(extra)));
  CHECK_EQ(ring.room(), std::size_t{0});
  int out = -1;
  CHECK(ring.pop(&out));
  CHECK_EQ(out, 0);
  CHECK_EQ(ring.room(), std::size_t{1});
}

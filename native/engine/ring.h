// A bounded queue between exactly one writing and one reading thread, without locks. The JavaScript
// thread and the engine thread talk through two of these, one each way.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace carp::engine {

template <typename T, std::size_t Capacity>
class Ring {
  static_assert((Capacity & (Capacity - 1)) == 0, "a power of two");

 public:
  Ring() : slots_(std::make_unique<T[]>(Capacity)) {}

  // Writer. False when full: the caller counts what it drops, nobody waits.
  bool push(T&& value) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == Capacity) return false;
    slots_[tail % Capacity] = std::move(value);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  // Writer: how many more fit.
  std::size_t room() const {
    return Capacity -
           (tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_acquire));
  }

  // Reader. False when empty.
  bool pop(T* out) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return false;
    *out = std::move(slots_[head % Capacity]);
    head_.store(head + 1, std::memory_order_release);
    return true;
  }

  const void* memory() const { return slots_.get(); }
  static constexpr std::size_t bytes() { return Capacity * sizeof(T); }

 private:
  std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace carp::engine

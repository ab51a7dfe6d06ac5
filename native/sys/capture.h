// Capture: writes what passes an interface into a classic pcap file. Its own thread; for the lab
// and tests.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "sys/fd.h"
#include "sys/status.h"

namespace carp::sys {

struct CaptureConfig {
  std::string path;
  int ifindex = 0;
  /// Only CARP, ARP, IGMP, ICMP and ICMPv6; else every frame.
  bool protocols_only = false;
  std::uint64_t max_frames = 1'000'000;
  std::uint64_t max_bytes = 256ull << 20;
};

class Capture {
 public:
  Capture() = default;
  ~Capture() { stop(); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// On success every later frame, in both directions, is caught: the socket is bound before this
  /// returns.
  Status start(const CaptureConfig& config);
  /// Takes what is queued, flushes and closes the file. Idempotent.
  void stop();

  /// Frames written so far.
  std::uint64_t frames() const { return frames_.load(std::memory_order_acquire); }
  /// Frames that the kernel could not queue or that came after a bound was reached.
  std::uint64_t lost() const { return lost_.load(std::memory_order_acquire); }
  /// 0, or the errno value of a write that failed; capturing ended there.
  int write_error() const { return write_error_.load(std::memory_order_acquire); }

 private:
  void run();
  bool drain();  // false: writing failed
  bool write_all(const void* data, std::size_t bytes);

  CaptureConfig config_{};
  Fd socket_;
  Fd file_;
  Fd stop_;
  std::uint64_t bytes_ = 0;
  std::atomic<std::uint64_t> frames_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<int> write_error_{0};
  std::thread thread_;
};

}  // namespace carp::sys

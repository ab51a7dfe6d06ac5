// Prober: measures how long an address does not answer (ICMP and ICMPv6 echo). Its own thread; for
// the lab and tests.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "sys/fd.h"
#include "sys/status.h"
#include "wire/types.h"

namespace carp::sys {

struct ProbeConfig {
  wire::IpAddress destination{};
  /// Interface to leave by; 0: as routed. Needed for link-local destinations.
  int ifindex = 0;
  std::uint32_t per_second = 100;  // 1 to 2,000
  std::uint32_t capacity = 65536;  // probes kept; the prober stops by itself when it is full
};

enum class ProbeFate : std::uint8_t { kWaiting, kAnswered, kLost, kSendFailed };

struct Probe {
  std::int64_t sent_monotonic_ns;
  std::int64_t sent_realtime_ns;
  std::int64_t answered_monotonic_ns;  // 0 unless kAnswered
  std::int64_t answered_realtime_ns;
  ProbeFate fate;
};

class Prober {
 public:
  /// A probe without an answer after this long is lost. A later answer still turns it into
  /// kAnswered.
  static constexpr std::int64_t kLostAfterNs = 1'000'000'000;

  Prober() = default;
  ~Prober() { stop(); }
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  /// Opens the socket here, so that a refusal is seen by the caller, and starts the thread.
  Status start(const ProbeConfig& config);
  /// Ends the thread; probes still waiting stay kWaiting or become kLost by age. Idempotent.
  void stop();
  /// Probes of sequence `first` and later, oldest first; may be called while it runs.
  std::vector<Probe> results(std::uint32_t first = 0) const;
  std::uint32_t sent() const { return sent_.load(std::memory_order_acquire); }
  std::uint32_t answered() const { return answered_count_.load(std::memory_order_acquire); }
  int last_send_error() const { return last_send_error_.load(std::memory_order_relaxed); }

 private:
  struct Slot {
    std::atomic<std::int64_t> sent_monotonic{0};
    std::atomic<std::int64_t> sent_realtime{0};
    std::atomic<std::int64_t> answered_monotonic{0};
    std::atomic<std::int64_t> answered_realtime{0};
    std::atomic<bool> failed{false};
  };

  void run();
  void send_probe(std::uint32_t sequence);
  void receive_replies();

  ProbeConfig config_{};
  Fd socket_;
  Fd stop_;
  std::uint16_t ident_ = 0;
  std::unique_ptr<Slot[]> slots_;
  std::atomic<std::uint32_t> sent_{0};
  std::atomic<std::uint32_t> answered_count_{0};
  std::atomic<int> last_send_error_{0};
  std::thread thread_;
};

}  // namespace carp::sys

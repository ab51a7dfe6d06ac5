// Real-time scheduling and memory locking of the calling thread, and what came of it in words for
// `show`.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace carp::sys {

struct RealtimeResult {
  bool granted;
  /// "SCHED_FIFO 50", or "SCHED_OTHER: SCHED_FIFO refused (EPERM: needs CAP_SYS_NICE or
  /// RLIMIT_RTPRIO)".
  std::string text;
};

/// SCHED_FIFO for the calling thread only; its children do not inherit it (SCHED_RESET_ON_FORK).
/// `priority` 1 to 99.
RealtimeResult try_fifo(int priority);

/// A memory range that the calling thread must not wait for.
struct MemoryRange {
  const void* start;
  std::size_t bytes;
};

/// Locks the calling thread's stack (its lowest kStackBytes used from here), the program text and
/// data of this module and of libc, and `ranges`. Never mlockall(): see realtime.cc. The later
/// mappings of the process are not affected.
RealtimeResult try_lock_memory(std::span<const MemoryRange> ranges);

/// Names the calling thread (15 octets) for ps and top.
void name_thread(const char* name);

}  // namespace carp::sys

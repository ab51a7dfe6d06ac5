#include "sys/realtime.h"

#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

namespace carp::sys {
namespace {

/// More than the engine thread ever uses; the rest of the stack (8 MiB as a rule) stays pageable.
constexpr std::size_t kStackBytes = 256 * 1024;

std::string errno_name(int error) {
  const char* const name = ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

struct Pages {
  std::uintptr_t start;
  std::uintptr_t end;
};

Pages whole_pages(std::uintptr_t start, std::uintptr_t bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  return {start & ~(page - 1), (start + bytes + page - 1) & ~(page - 1)};
}

struct ModuleSearch {
  std::uintptr_t inside;
  std::vector<Pages>* out;
};

/// Called for each loaded object: takes the segments of the one that holds `inside`.
int take_segments(dl_phdr_info* info, std::size_t, void* data) {
  const auto& search = *static_cast<ModuleSearch*>(data);
  std::vector<Pages> segments;
  bool found = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const std::uintptr_t start = info->dlpi_addr + header.p_vaddr;
    found = found || (search.inside >= start && search.inside < start + header.p_memsz);
    segments.push_back(whole_pages(start, header.p_memsz));
  }
  if (!found) return 0;
  search.out->insert(search.out->end(), segments.begin(), segments.end());
  return 1;
}

void add_module_of(const void* address, std::vector<Pages>& out) {
  ModuleSearch search{reinterpret_cast<std::uintptr_t>(address), &out};
  ::dl_iterate_phdr(take_segments, &search);
}

/// The part of the stack that is in use or will be: from a little above here downwards.
bool add_stack(std::vector<Pages>& out) {
  pthread_attr_t attributes;
  if (::pthread_getattr_np(::pthread_self(), &attributes) != 0) return false;
  void* lowest = nullptr;
  std::size_t size = 0;
  const bool known = ::pthread_attr_getstack(&attributes, &lowest, &size) == 0;
  ::pthread_attr_destroy(&attributes);
  if (!known) return false;
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const auto bottom = reinterpret_cast<std::uintptr_t>(lowest);
  const std::uintptr_t top = std::min(bottom + size, here + 64 * 1024);
  const std::uintptr_t start = here > bottom + kStackBytes ? here - kStackBytes : bottom;
  out.push_back(whole_pages(start, top - start));
  return true;
}

/// Grows the main thread's stack to where it is going to be locked: mlock() refuses what is not
/// mapped yet.
__attribute__((noinline)) void touch_stack() {
  volatile unsigned char room[kStackBytes / 2];
  for (std::size_t i = 0; i < sizeof room; i += 1024) room[i] = 0;
}

}  // namespace

RealtimeResult try_fifo(int priority) {
  sched_param parameter{};
  parameter.sched_priority = priority;
  // Pid 0 is the calling thread. RESET_ON_FORK: a helper process of the daemon must not run above
  // everything else.
  if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter) == 0) {
    return {true, "SCHED_FIFO " + std::to_string(priority)};
  }
  std::string text = "SCHED_OTHER: SCHED_FIFO refused (" + errno_name(errno);
  if (errno == EPERM) text += ": needs CAP_SYS_NICE or RLIMIT_RTPRIO";
  return {false, text + ")"};
}

/// Never mlockall(MCL_FUTURE): V8 aborts under it at its next MADV_DONTNEED, which locked pages
/// refuse, even where CAP_IPC_LOCK allows the lock (measured with Node 20; MCL_ONFAULT changes
/// nothing). Without the capability every later mapping counts against RLIMIT_MEMLOCK, and V8
/// reserves gigabytes. Locking a few ranges of our own changes nothing for the rest of the process.
RealtimeResult try_lock_memory(std::span<const MemoryRange> ranges) {
  touch_stack();
  std::vector<Pages> wanted;
  add_stack(wanted);
  add_module_of(reinterpret_cast<const void*>(&try_lock_memory), wanted);
  add_module_of(reinterpret_cast<const void*>(&::sched_setscheduler), wanted);
  for (const MemoryRange& range : ranges) {
    if (range.bytes > 0) {
      wanted.push_back(whole_pages(reinterpret_cast<std::uintptr_t>(range.start), range.bytes));
    }
  }
  std::size_t locked = 0;
  int refused = 0;
  for (const Pages& pages : wanted) {
    if (::mlock(reinterpret_cast<const void*>(pages.start), pages.end - pages.start) == 0) {
      locked += pages.end - pages.start;
    } else {
      refused = errno;
    }
  }
  std::string text = "locked " + std::to_string(locked / 1024) + " KiB";
  if (refused != 0) {
    text += ", the rest refused (" + errno_name(refused);
    if (refused == ENOMEM || refused == EPERM) text += ": needs CAP_IPC_LOCK or RLIMIT_MEMLOCK";
    text += ")";
  }
  return {refused == 0, text};
}

void name_thread(const char* name) { ::prctl(PR_SET_NAME, name); }

}  // namespace carp::sys

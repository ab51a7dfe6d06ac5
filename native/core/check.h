// Assertions stay on in release builds: a bug stops the process and the peer takes over, which is
// better than two hosts that both believe something impossible.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace carp::core {

[[noreturn]] inline void check_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "carpd: %s:%d: impossible: not %s\n", file, line, condition);
  std::abort();
}

}  // namespace carp::core

#define CARP_CHECK(condition)                                                   \
  do {                                                                          \
    if (!(condition)) carp::core::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)

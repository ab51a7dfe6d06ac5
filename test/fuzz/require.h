// A property that a fuzz target holds its parser to; a broken one ends the process.
#pragma once

#include <cstdio>
#include <cstdlib>

#define REQUIRE_ALWAYS(condition)                                                         \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

// The smallest test frame that does the job: TEST registers, CHECK counts and prints, main.cc runs.
#pragma once

#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>
#include <type_traits>

namespace carp::test {

struct Case {
  const char* name;
  void (*run)();
  Case* next;
};

inline Case*& cases() {
  static Case* head = nullptr;
  return head;
}

struct Result {
  int failures = 0;  // failed checks of the running case
  const char* skipped = nullptr;
};

inline Result& current() {
  static Result result;
  return result;
}

struct Register {
  Case entry;
  Register(const char* name, void (*run)()) : entry{name, run, cases()} { cases() = &entry; }
};

inline void fail(const char* file, int line, const std::string& text) {
  ++current().failures;
  std::fprintf(stderr, "  %s:%d: %s\n", file, line, text.c_str());
}

template <typename T>
std::string show(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<long long>(value));
  } else if constexpr (requires(std::ostringstream & out) { out << value; }) {
    std::ostringstream out;
    if constexpr (sizeof(T) == 1 && std::is_integral_v<T>) {
      out << static_cast<int>(value);
    } else {
      out << value;
    }
    return out.str();
  } else {
    return "(value)";
  }
}

}  // namespace carp::test

#define TEST(name)                                                  \
  static void test_##name();                                        \
  static carp::test::Register register_##name{#name, &test_##name}; \
  static void test_##name()

#define CHECK(condition)                                                             \
  do {                                                                               \
    if (!(condition)) carp::test::fail(__FILE__, __LINE__, "not true: " #condition); \
  } while (false)

#define CHECK_EQ(a, b)                                                                        \
  do {                                                                                        \
    const auto check_a = (a);                                                                 \
    const auto check_b = (b);                                                                 \
    if (!(check_a == check_b)) {                                                              \
      carp::test::fail(__FILE__, __LINE__,                                                    \
                       std::string(#a " == " #b ": ") + carp::test::show(check_a) + " and " + \
                           carp::test::show(check_b));                                        \
    }                                                                                         \
  } while (false)

#define REQUIRE(condition)                                           \
  do {                                                               \
    if (!(condition)) {                                              \
      carp::test::fail(__FILE__, __LINE__, "not true: " #condition); \
      return;                                                        \
    }                                                                \
  } while (false)

// Ends the case as skipped, with the reason.
#define SKIP(reason)                          \
  do {                                        \
    carp::test::current().skipped = (reason); \
    return;                                   \
  } while (false)

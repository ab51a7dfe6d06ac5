// What the authentication of an advertisement costs: nanoseconds a call of Authenticator, each line
// a case and one number for each round. A program of its own, built by test/bench/hmac.ts.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "wire/digest.h"
#include "wire/types.h"

namespace {

using carp::wire::Authenticator;

constexpr int kCalls = 100'000;
constexpr int kRounds = 9;

// Every other address IPv6, half of those link-local: both accepted forms then differ.
std::vector<carp::wire::Prefix> addresses(int count) {
  std::vector<carp::wire::Prefix> list;
  for (int i = 0; i < count; ++i) {
    const auto last = static_cast<std::uint8_t>(i + 1);
    if (i % 2 == 0) {
      const carp::wire::Ipv4Address v4{{192, 168, 1, last}};
      list.push_back({carp::wire::IpAddress::from(v4), 24});
    } else {
      carp::wire::Ipv6Address v6{};
      v6.octets[0] = i % 4 == 1 ? 0xfe : 0x20;
      v6.octets[1] = i % 4 == 1 ? 0x80 : 0x01;
      v6.octets[15] = last;
      list.push_back({carp::wire::IpAddress::from(v6), 64});
    }
  }
  return list;
}

Authenticator authenticator(int count) {
  Authenticator made;
  const carp::wire::Key key{'m', 'e', 'k', 'm', 'i', 't', 'a', 's', 'd', 'i', 'g', 'o', 'a', 't'};
  made.configure(key, 1, addresses(count), Authenticator::Form::kAll);
  return made;
}

// `call` gets the number of the call and returns something that depends on its work.
template <typename Call>
void measure(const char* name, const Call& call) {
  std::printf("%s:", name);
  std::uint64_t used = 0;
  for (int round = -1; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < kCalls; ++i) used += call(i);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    // The first round warms caches and the clock of the core.
    if (round >= 0) std::printf(" %.1f", took.count() / kCalls);
  }
  // Printed where nobody reads it, so that no call can be left out.
  std::fprintf(stderr, "%llu\n", static_cast<unsigned long long>(used));
  std::printf("\n");
}

}  // namespace

int main() {
  const Authenticator one = authenticator(1);
  const Authenticator many = authenticator(20);
  const carp::wire::Digest good = one.sign(7);
  measure("verify, 1 address", [&](std::uint64_t i) { return one.verify(i, good) ? 1u : 0u; });
  const carp::wire::Digest good_many = many.sign(7);
  measure("verify, 20 addresses of both families",
          [&](std::uint64_t i) { return many.verify(i, good_many) ? 1u : 0u; });
  measure("sign", [&](std::uint64_t i) { return std::uint64_t{one.sign(i)[0]}; });
  return one.verify(7, good) && !one.verify(8, good) && many.verify(7, good_many) ? 0 : 1;
}

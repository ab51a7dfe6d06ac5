// Fuzz target: lines of the engine to its janitor. What is taken is remembered within bounds, and a
// prefix that was read is printed as it can be read again.
#include <string_view>

#include "require.h"
#include "sys/janitor_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using carp::sys::JanitorLedger;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  JanitorLedger ledger;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    const std::size_t before =
        ledger.macvlans.size() + ledger.addresses.size() + ledger.sysctls.size();
    const bool finished = ledger.finished;
    if (!ledger.take(line)) {
      REQUIRE_ALWAYS(finished == ledger.finished);
      REQUIRE_ALWAYS(before ==
                     ledger.macvlans.size() + ledger.addresses.size() + ledger.sysctls.size());
    }
    if (const auto prefix = carp::sys::parse_prefix(line)) {
      const auto again = carp::sys::parse_prefix(carp::sys::print_prefix(*prefix));
      REQUIRE_ALWAYS(again.has_value() && *again == *prefix);
    }
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  REQUIRE_ALWAYS(ledger.macvlans.size() <= JanitorLedger::kMaxEntries);
  REQUIRE_ALWAYS(ledger.addresses.size() <= JanitorLedger::kMaxEntries);
  REQUIRE_ALWAYS(ledger.sysctls.size() <= JanitorLedger::kMaxEntries);
  return 0;
}

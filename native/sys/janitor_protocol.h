// The lines between the engine and its janitor, and what the janitor knows from them. Pure, any
// thread.
//
//   macvlan INDEX NAME            it is there          -macvlan INDEX        it is gone
//   address INDEX HEX/LENGTH      likewise             -address INDEX HEX/LENGTH
//   sysctl PATH OURS ORIGINAL     changed              -sysctl PATH          put back
//   finish                        a clean end follows
//
// The janitor itself says "ready" once, or "refused ERRNO".
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/sysctl.h"
#include "wire/types.h"

namespace carp::sys {

/// The longest line, without its line feed.
inline constexpr std::size_t kJanitorLineMax = 1024;

struct JanitorAddress {
  int ifindex;
  wire::Prefix prefix;
  bool operator==(const JanitorAddress&) const = default;
};

/// 8 or 32 hexadecimal digits, '/', length.
std::string print_prefix(const wire::Prefix& prefix);
std::optional<wire::Prefix> parse_prefix(std::string_view text);

/// What is to be taken down.
struct JanitorLedger {
  static constexpr std::size_t kMaxEntries = 8192;  // of each kind

  std::vector<int> macvlans;
  std::vector<JanitorAddress> addresses;
  std::vector<SysctlChange> sysctls;
  bool finished = false;

  /// Takes one line. False: not understood or no room; the ledger is unchanged then.
  bool take(std::string_view line);
};

}  // namespace carp::sys

// What the core is told: one VhostConfig for each vhid, one CarpdevConfig for each interface, and
// the options of the host. Values are checked before they come here (src/core/config-schema.ts);
// the core clamps nothing and trusts the ranges below.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/time.h"
#include "wire/digest.h"
#include "wire/types.h"

namespace carp::core {

// Whose demotion rules are spoken (spec 5.1): FreeBSD adds demotion to advskew; OpenBSD sends a
// count in octet 4 and compares it before the interval.
enum class Profile : std::uint8_t { kFreebsd, kOpenbsd };

// Which host answers for an address that several vhids share (spec 6.1, 6.2).
enum class BalanceHash : std::uint8_t {
  kSourceIp,   // FreeBSD 9.1: the asking address as a big-endian number
  kSenderMac,  // NetBSD, OpenBSD: a keyed hash of the asking MAC
};

// The interface group that a vhid fails over with; with terminator. "carp" if nothing else is
// said, as on OpenBSD.
using GroupName = std::array<char, 16>;
inline constexpr std::size_t kMaxGroups = 32;

enum class MacMode : std::uint8_t {
  kVirtual,   // 00:00:5e:00:01:VHID
  kPhysical,  // the carpdev's own, for networks that forbid foreign MACs
};

struct VhostConfig {
  std::uint8_t vhid = 0;       // 1..255, unique on its carpdev
  std::uint8_t advbase_s = 1;  // seconds, 0..255
  std::uint8_t advskew = 0;    // 1/256 s, 0..254
  bool enabled = true;         // false: administratively down
  Profile profile = Profile::kFreebsd;
  MacMode mac = MacMode::kVirtual;
  wire::Key key{};
  std::vector<wire::Prefix> vips;      // may be empty: then the vhid stays in INIT
  std::vector<wire::IpAddress> peers;  // unicast peers; empty: multicast
  GroupName group{'c', 'a', 'r', 'p'};
  std::uint16_t balance_rank = 0;  // order of the vhids that share a VIP: by rank, then by vhid
  std::uint64_t counter = 0;       // a new vhid's first advertisement carries counter + 1
};

struct HostOptions {
  bool preempt = false;
  bool arpbalance = false;
  BalanceHash balance_hash = BalanceHash::kSourceIp;
  bool fast_takeover = true;            // of a whole group; acts only with preempt
  Duration link_up_delay{};             // a link that came back is used after this time
  std::int32_t ifdown_demotion = 240;   // level of the reason link:CARPDEV
  std::int32_t senderr_demotion = 240;  // level of the reason send:CARPDEV
  Duration handover_limit = std::chrono::seconds{2};
  bool router = true;  // the router flag of neighbour advertisements
};

struct CarpdevConfig {
  wire::MacAddress mac;
  std::vector<wire::Prefix> addresses;  // the interface's own, VIPs not among them
};

struct LinkState {
  bool present = false;   // the interface exists
  bool admin_up = false;  // IFF_UP
  bool carrier = false;   // unknown counts as true
  bool usable() const { return present && admin_up && carrier; }
  bool operator==(const LinkState&) const = default;
};

// T_own = advbase s + floor(advskew * 1000000 / 256) us (spec 4.1). advbase 0 and advskew 0 is
// 1/256 s, as on OpenBSD, so that nothing can spin.
constexpr Duration interval_of(std::uint8_t advbase_s, std::int64_t advskew) {
  const std::int64_t skew = (advbase_s == 0 && advskew == 0) ? 1 : advskew;
  return std::chrono::seconds{advbase_s} + Duration{skew * 1'000'000 / 256};
}
static_assert(interval_of(1, 0) == std::chrono::seconds{1});
static_assert(interval_of(1, 100) == Duration{1'390'625});
static_assert(interval_of(0, 0) == Duration{3906});

// T_down = 3*advbase s + skew, own and undemoted; with advbase 0 three times the interval
// (spec 4.1, OpenBSD carp_setrun).
constexpr Duration master_down_interval(std::uint8_t advbase_s, std::uint8_t advskew) {
  if (advbase_s == 0) return 3 * interval_of(0, advskew);
  return std::chrono::seconds{3 * advbase_s} + Duration{std::int64_t{advskew} * 1'000'000 / 256};
}
static_assert(master_down_interval(1, 100) == Duration{3'390'625});
static_assert(master_down_interval(2, 128) == Duration{6'500'000});

}  // namespace carp::core

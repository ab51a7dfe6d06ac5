// What the core reports: edges, as plain data. Names and order of the enums are those of
// src/core/engine.ts; test/unit/engine-names.test.ts compares them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/time.h"
#include "wire/types.h"

namespace carp::core {

using CarpdevId = std::uint16_t;
using VhostId = std::uint16_t;

enum class VhostState : std::uint8_t { kInit, kBackup, kMaster };
inline constexpr std::array<std::string_view, 3> kVhostStateNames{"INIT", "BACKUP", "MASTER"};

// FreeBSD's words where FreeBSD has the cause (spec 8.4).
enum class Cause : std::uint8_t {
  kNone,
  kInitialized,
  kMasterTimedOut,
  kMasterWillTimeOut,
  kPreempting,
  kMoreFrequent,
  kEqualFromLower,
  kPeerKeepsClaim,
  kLessDemoted,
  kMasterMoreDemoted,
  kLinkDown,
  kLinkUp,
  kUserRequest,
  kAdminDown,
  kHandedOver,
  kLate,
  kNoAddress,
  kRemoved,
  kInterfaceFailed,
  kGroupTakeover,
};
inline constexpr std::array<std::string_view, 20> kCauseNames{
    "none",
    "initialization complete",
    "master timed out",
    "master will time out",
    "preempting a slower master",
    "more frequent advertisement received",
    "equal advertisement from a lower address",
    "peer keeps its claim at equal interval",
    "less demoted advertisement received",
    "master is more demoted",
    "hardware interface down",
    "hardware interface up",
    "user requested via ifconfig",
    "interface administratively down",
    "handed over",
    "own advertisements were late",
    "no address configured",
    "configuration removed",
    "virtual interface failed",
    "its master failed with its group",
};

enum class HandoverPhase : std::uint8_t { kBegin, kSuccessor, kLimit, kCancelled };
inline constexpr std::array<std::string_view, 4> kHandoverPhaseNames{"begin", "successor", "limit",
                                                                     "cancelled"};

enum class Alarm : std::uint8_t {
  kSecondMaster,
  kBadAuth,
  kForeignVrrp,
  kSelf,
  kAddressInUse,
  kAdvbaseDiffers,
  kReplay,
};
inline constexpr std::array<std::string_view, 7> kAlarmNames{
    "second master",       "wrong password or address set",  "foreign vrrp on our vhid",
    "own frame came back", "address in use by another host", "advbase differs",
    "counter replayed",
};

enum class PeerClass : std::uint8_t { kNew, kRising, kConstant, kRandom, kRewound };
inline constexpr std::array<std::string_view, 5> kPeerClassNames{"new", "rising", "constant",
                                                                 "random", "rewound"};

enum class EventKind : std::uint8_t {
  kVhostState,
  kHandover,
  kLink,
  kDemotion,
  kAlarm,
  kCounterEpoch,
  kEventsLost,
};

inline constexpr std::size_t kReasonSize = 32;  // with terminator
using ReasonName = std::array<char, kReasonSize>;

// Cut to what fits; always with a terminator.
constexpr ReasonName to_reason_name(std::string_view text) {
  ReasonName name{};
  for (std::size_t i = 0; i < text.size() && i < kReasonSize - 1; ++i) name[i] = text[i];
  return name;
}

// One flat record; which fields mean something depends on `kind`.
struct Event {
  EventKind kind = EventKind::kEventsLost;
  Instant at;
  VhostId vhost = 0;      // kVhostState, kHandover, kAlarm
  CarpdevId carpdev = 0;  // kVhostState, kLink, kAlarm
  std::uint8_t vhid = 0;
  VhostState from = VhostState::kInit;
  VhostState to = VhostState::kInit;
  Cause cause = Cause::kNone;
  HandoverPhase phase = HandoverPhase::kBegin;
  Alarm alarm = Alarm::kSecondMaster;
  bool has_peer = false;
  wire::IpAddress peer;
  bool present = false;
  bool admin_up = false;
  bool carrier = false;
  ReasonName reason{};      // kDemotion
  ReasonName group{};       // kDemotion: the one group that it holds for; empty: all
  std::int32_t level = 0;   // kDemotion: of this reason; 0 cleared
  std::int32_t total = 0;   // kDemotion: sum, not clamped
  std::uint32_t count = 0;  // kAlarm, kEventsLost; kCounterEpoch: the epoch
};

}  // namespace carp::core

// What crosses between the JavaScript thread and the engine thread: plain data, one direction each.
// Commands may own memory (made by JavaScript, kept by the engine); messages never do.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "core/counters.h"
#include "core/event.h"
#include "core/host.h"
#include "core/peers.h"

namespace carp::engine {

using IfName = std::array<char, 16>;  // IFNAMSIZ, with terminator
using Text = std::array<char, 96>;

template <std::size_t N>
std::array<char, N> to_array(std::string_view text) {
  std::array<char, N> out{};
  std::memcpy(out.data(), text.data(), text.size() < N - 1 ? text.size() : N - 1);
  return out;
}

// --- JavaScript -> engine --------------------------------------------------------------------

struct VhostSpec {
  std::string name;     // of the virtual interface
  std::string carpdev;  // by name; it may be missing and come later
  core::VhostConfig config;
};

// An interface without vhids whose link demotes the host (an uplink).
struct LinkTrack {
  std::string reason;  // "track:uplink"
  std::string ifname;  // it may be missing, which counts as down
  std::int32_t level = 0;
  std::string group;  // empty: every vhid
};

struct EngineConfig {
  core::HostOptions options;
  std::vector<VhostSpec> vhosts;
  std::vector<LinkTrack> tracks;
};

enum class CommandKind : std::uint8_t { kConfigure, kAdmin, kDemotion, kSnapshot, kStop };

struct Command {
  CommandKind kind = CommandKind::kSnapshot;
  std::uint32_t sequence = 0;
  std::unique_ptr<EngineConfig> config;               // kConfigure
  IfName name{};                                      // kAdmin
  core::AdminAction action = core::AdminAction::kUp;  // kAdmin
  core::ReasonName reason{};                          // kDemotion
  std::int32_t level = 0;                             // kDemotion
  core::GroupName group{};                            // kDemotion; empty: every group
};

// --- engine -> JavaScript --------------------------------------------------------------------

struct Fault {
  std::array<char, 32> code{};  // stable, e.g. SEND_FAILED
  std::array<char, 32> op{};
  std::array<char, 48> target{};
  std::int32_t error = 0;
};

struct VhostRecord {
  IfName name{};
  IfName carpdev{};
  std::uint8_t vhid = 0;
  core::VhostState state = core::VhostState::kInit;
  bool enabled = false;
  bool handing_over = false;
  std::uint8_t advbase_s = 0;
  std::uint8_t advskew = 0;
  std::uint8_t effective_advskew = 0;
  core::Cause cause = core::Cause::kNone;
  core::GroupName group{};
  std::int32_t demotion = 0;  // the sum that holds for its group, not clamped
  core::Instant since;
  bool has_next = false;
  core::Instant next_advertisement;
  bool has_down = false;
  core::Instant master_down;
  std::int8_t master = -1;  // index into peers
  std::uint8_t peer_count = 0;
  std::array<core::Peer, core::PeerTable::kMax> peers{};
  std::array<std::uint64_t, core::Counters<core::VhostCounter>::size()> counters{};
  std::uint32_t transitions = 0;
  wire::MacAddress mac;
  wire::IpAddress source4;
  wire::IpAddress source6;
};

struct CarpdevRecord {
  IfName name{};
  std::int32_t ifindex = 0;
  core::LinkState link;
  bool has_up_at = false;  // the link is up and waits for link_up_delay
  core::Instant up_at;
  wire::MacAddress mac;
  std::uint8_t address_count = 0;
  std::array<wire::Prefix, 16> addresses{};  // the first ones
  std::array<std::uint64_t, core::Counters<core::DevCounter>::size()> counters{};
  std::uint64_t kernel_drops = 0;
};

struct DemotionRecord {
  core::ReasonName reason{};
  std::int32_t level = 0;
  core::Instant since;
  Text groups{};  // names with ", " between; empty: every group
};

// One member of a group of vhids that share a VIP. Members come one after the other, by index.
struct BalanceRecord {
  IfName carpdev{};
  wire::IpAddress vip;
  std::uint32_t index = 0;
  std::uint32_t members = 0;
  core::VhostId vhost = core::kNoVhost;
  IfName name{};
  std::uint8_t vhid = 0;
  // Questions that selected this index and reached the core: where this host is not MASTER of the
  // index the kernel drops them unseen.
  std::uint64_t requests = 0;
  std::uint64_t answers = 0;
};

struct TrackRecord {
  core::ReasonName reason{};
  IfName ifname{};
  core::LinkState link;
  core::Instant since;
};

// Lateness of periodic advertisements against the time that was meant, in microseconds.
struct SnapshotEnd {
  std::int32_t demotion = 0;
  Text scheduler{};
  Text memory{};
  bool realtime = false;
  bool memory_locked = false;
  std::uint64_t late_count = 0;
  std::uint64_t late_sum_us = 0;
  std::uint64_t late_max_us = 0;
  std::uint64_t late_p99_us = 0;
};

enum class MessageKind : std::uint8_t {
  kEvent,
  kFault,
  kDone,
  kVhost,
  kCarpdev,
  kDemotion,
  kBalance,
  kTrack,
  kSnapshotEnd,
  kStopped,
};

struct Message {
  MessageKind kind = MessageKind::kEvent;
  std::uint32_t sequence = 0;  // kDone and the snapshot's records: of the command
  core::Instant at;
  IfName name{};     // kEvent: of the vhost
  IfName carpdev{};  // kEvent
  core::Event event;
  Fault fault;  // kFault; kDone: code is empty on success
  VhostRecord vhost;
  CarpdevRecord port;
  DemotionRecord demotion;
  BalanceRecord balance;
  TrackRecord track;
  SnapshotEnd end;
};

}  // namespace carp::engine

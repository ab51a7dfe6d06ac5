// Counters, with the BSDs' names where they have one (netstat -s -p carp; spec section 3).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace carp::core {

// What happened on a carpdev before a vhid was known.
enum class DevCounter : std::uint8_t {
  kIpackets,         // IPv4 packets of protocol 112
  kIpackets6,        // IPv6 packets of protocol 112
  kBadif,            // no vhid here, or not sent to the group that we listen to
  kBadlen,           // too short, a fragment, extension headers
  kBadsum,           // IPv4 or CARP checksum
  kBadvhid,          // vhid not configured, or without an address of this family
  kSelf,             // our own frame came back
  kForeignVrrp,      // a VRRP router
  kArpRequests,      // ARP requests for one of our VIPs
  kArpReplies,       // answered
  kArpIgnored,       // not MASTER, gratuitous, or malformed
  kNdRequests,       // neighbour solicitations for one of our VIPs
  kNdReplies,        // answered
  kNdIgnored,        // not MASTER, or malformed
  kTransmitDropped,  // answers that found the queue full
  kCount,
};
inline constexpr std::array<std::string_view, static_cast<std::size_t>(DevCounter::kCount)>
    kDevCounterNames{"ipackets",   "ipackets6",  "badif",       "badlen",      "badsum",
                     "badvhid",    "self",       "foreignVrrp", "arpRequests", "arpReplies",
                     "arpIgnored", "ndRequests", "ndReplies",   "ndIgnored",   "transmitDropped"};

enum class VhostCounter : std::uint8_t {
  kAccepted,       // advertisements that passed every check
  kBadver,         // version is not 2, or type not 1
  kBadttl,         // TTL is not 255 on a multicast vhid
  kBadaddrs,       // not from a configured unicast peer
  kBadauth,        // digest does not match
  kReplayed,       // valid, but its counter had been seen (counted, decides nothing)
  kOpackets,       // IPv4 advertisements sent
  kOpackets6,      // IPv6 advertisements sent
  kOerrors,        // sends that failed
  kNoSource,       // not sent: the carpdev has no address to send from
  kAnnouncements,  // gratuitous ARP requests and neighbour advertisements
  kPreempt,        // BACKUP -> MASTER
  kStalls,         // stepped down because our own advertisements were late
  kSecondMaster,   // advertisements of an inferior MASTER heard as MASTER
  kGroupTakeover,  // taken over with the group, because the master did not answer any more
  kGroupAnswered,  // not taken over with the group, because the master answered
  kCount,
};
inline constexpr std::array<std::string_view, static_cast<std::size_t>(VhostCounter::kCount)>
    kVhostCounterNames{"accepted", "badver",       "badttl",        "badaddrs",
                       "badauth",  "replayed",     "opackets",      "opackets6",
                       "oerrors",  "noSource",     "announcements", "preempt",
                       "stalls",   "secondMaster", "groupTakeover", "groupAnswered"};

template <typename E>
class Counters {
 public:
  void add(E which, std::uint64_t n = 1) { values_[static_cast<std::size_t>(which)] += n; }
  std::uint64_t operator[](E which) const { return values_[static_cast<std::size_t>(which)]; }
  static constexpr std::size_t size() { return static_cast<std::size_t>(E::kCount); }

 private:
  std::array<std::uint64_t, static_cast<std::size_t>(E::kCount)> values_{};
};

}  // namespace carp::core

// One frame or packet to be sent, made by the core, sent by the engine or the simulator.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/event.h"
#include "core/time.h"
#include "wire/types.h"

namespace carp::core {

enum class TransmitKind : std::uint8_t {
  kAdvertisement,
  kFarewell,
  kAnnouncement,   // gratuitous ARP request or neighbour advertisement
  kAnswer,         // to an ARP request or a neighbour solicitation for a VIP
  kAliveQuestion,  // to the master of a vhid that might be taken over with its group
  kProbe,  // of the host itself, from the physical MAC: shows whether a carpdev that refused frames
           // takes them again, or asks for a VIP that was just let go
};

inline constexpr VhostId kNoVhost = 0xffff;

struct Transmit {
  TransmitKind kind = TransmitKind::kAdvertisement;
  CarpdevId carpdev = 0;
  VhostId vhost = kNoVhost;  // whose success or failure it is
  // false: `octets` is an Ethernet frame. true: to a unicast peer, so the kernel must find the next
  // hop; `octets` is an IPv4 packet with header, or the payload of an IPv6 packet.
  bool routed = false;
  wire::IpAddress source;       // routed only
  wire::IpAddress destination;  // routed only
  bool scheduled = false;       // a periodic advertisement: `due` is when it was meant to go out
  Instant due;
  std::size_t length = 0;
  std::array<std::uint8_t, 96> octets{};

  std::span<const std::uint8_t> bytes() const { return {octets.data(), length}; }
};

enum class SendResult : std::uint8_t {
  kOk,
  kFailed,
  kPeerUnreachable,  // EHOSTDOWN, EHOSTUNREACH to a unicast peer: the peer's fault (spec 4.7)
};

}  // namespace carp::core

// ARP (RFC 826, RFC 5227) and the unsolicited neighbour advertisement (RFC 4861 4.4): how clients
// learn which MAC has an address.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "wire/types.h"

namespace carp::wire {

inline constexpr std::size_t kArpFrame = 42;
inline constexpr std::size_t kNeighbourAdvertisementFrame = 86;

enum class ArpOperation : std::uint8_t { kRequest = 1, kReply = 2 };

struct Arp {
  ArpOperation operation = ArpOperation::kRequest;
  MacAddress ethernet_source;
  MacAddress ethernet_destination;
  MacAddress sender_mac;
  Ipv4Address sender;
  MacAddress target_mac;
  Ipv4Address target;

  // Sender = target: an announcement, not a question (RFC 5227 3).
  bool is_gratuitous() const { return sender == target; }
};

// Nothing for all that is not a well-formed Ethernet/IPv4 ARP request or reply.
std::optional<Arp> parse_arp(std::span<const std::uint8_t> frame);

// Writes kArpFrame octets.
std::size_t write_arp(std::span<std::uint8_t> out, const Arp& arp);

// The BSDs' gratuitous request: broadcast, sender and target IP the VIP, target MAC zero
// (spec 4.4, trap 20), with `mac` both as Ethernet source and in the body.
Arp gratuitous_request(const MacAddress& mac, const Ipv4Address& vip);

// The answer to `request`, from `mac`.
Arp reply_to(const Arp& request, const MacAddress& mac);

// Unsolicited advertisement to ff02::1 for `vip` with the override flag; source is the VIP itself.
// Writes kNeighbourAdvertisementFrame octets.
std::size_t write_unsolicited_na(std::span<std::uint8_t> out, const MacAddress& mac,
                                 const Ipv6Address& vip, bool router);

inline constexpr std::size_t kNeighbourSolicitationFrame = 86;

// Asks for `target` at its solicited-node group (RFC 4861 4.3); `source` is the asking host's own
// address. Writes kNeighbourSolicitationFrame octets.
std::size_t write_solicitation(std::span<std::uint8_t> out, const MacAddress& mac,
                               const Ipv6Address& source, const Ipv6Address& target);

// A neighbour solicitation or advertisement (RFC 4861 4.3, 4.4).
struct Neighbour {
  bool solicitation = true;
  MacAddress ethernet_source;
  MacAddress ethernet_destination;
  Ipv6Address source;  // "::" while the asking host checks for a duplicate address (RFC 4862 5.4)
  Ipv6Address destination;
  Ipv6Address target;
  // The source link-layer address of a solicitation, the target one of an advertisement.
  std::optional<MacAddress> link_layer;
  bool solicited = false;  // of an advertisement
};

// Nothing for all that RFC 4861 7.1 tells to discard: hop limit not 255, wrong checksum, code not
// 0, too short, a multicast target, an option of length 0, a solicitation from "::" that carries a
// source link-layer address or is not sent to a solicited-node group. Extension headers are not
// walked: such a packet is nothing to us.
std::optional<Neighbour> parse_neighbour(std::span<const std::uint8_t> frame);

// The answer to `solicitation`, from `mac`: to the asking host with the solicited flag, or to
// ff02::1 without it when the question came from "::" (RFC 4861 7.2.4). Override is set, the target
// link-layer option is `mac`, the source is the target itself. Writes
// kNeighbourAdvertisementFrame octets.
std::size_t write_neighbour_answer(std::span<std::uint8_t> out, const Neighbour& solicitation,
                                   const MacAddress& mac, bool router);

}  // namespace carp::wire

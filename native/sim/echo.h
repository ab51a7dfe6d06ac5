// The simulator's pings: frames as a client and a router's kernel would exchange them, complete
// enough for a capture to be read; the accounting needs only their sequence.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "wire/types.h"

namespace carp::sim {

struct Echo {
  bool reply = false;
  wire::MacAddress destination_mac;
  wire::MacAddress source_mac;
  wire::IpAddress destination;
  wire::IpAddress source;
  std::uint64_t sequence = 0;  // unique in one Network
};

std::vector<std::uint8_t> write_echo(const Echo& echo);
// Nothing for any other frame.
std::optional<Echo> parse_echo(std::span<const std::uint8_t> frame);

}  // namespace carp::sim

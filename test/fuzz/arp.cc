// Fuzz target: a received ARP frame, and the reply that it would get.
#include <algorithm>
#include <array>

#include "require.h"
#include "wire/neighbour.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using carp::wire::ArpOperation;
  const auto arp = carp::wire::parse_arp({data, size});
  if (!arp.has_value()) return 0;
  REQUIRE_ALWAYS(size >= carp::wire::kArpFrame);
  REQUIRE_ALWAYS(arp->operation == ArpOperation::kRequest ||
                 arp->operation == ArpOperation::kReply);
  std::array<std::uint8_t, carp::wire::kArpFrame> out{};
  carp::wire::write_arp(out, *arp);
  // The whole frame is in the struct: what was read is what is written.
  REQUIRE_ALWAYS(std::equal(out.begin(), out.end(), data));
  const auto reply = carp::wire::reply_to(*arp, carp::wire::virtual_mac(1));
  carp::wire::write_arp(out, reply);
  const auto again = carp::wire::parse_arp(out);
  REQUIRE_ALWAYS(again.has_value() && again->operation == ArpOperation::kReply);
  REQUIRE_ALWAYS(again->sender == arp->target && again->target == arp->sender);
  REQUIRE_ALWAYS(again->sender_mac == carp::wire::virtual_mac(1));
  return 0;
}

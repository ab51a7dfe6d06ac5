// Fuzz target: a datagram of rtnetlink. The kernel is not hostile, but a reader that trusts a
// length is wrong the day a message is cut.
#include <array>

#include "require.h"
#include "sys/netlink_message.h"

namespace {

using carp::sys::AttributeReader;

// Every view that a reader hands out must lie inside what it was given.
void require_inside(std::span<const std::uint8_t> part, std::span<const std::uint8_t> whole) {
  if (part.empty()) return;
  REQUIRE_ALWAYS(part.data() >= whole.data());
  REQUIRE_ALWAYS(part.data() + part.size() <= whole.data() + whole.size());
}

std::size_t walk(std::span<const std::uint8_t> attributes, int depth) {
  std::size_t sum = 0;
  AttributeReader reader(attributes);
  while (const auto attribute = reader.next()) {
    require_inside(attribute->value, attributes);
    for (const std::uint8_t octet : attribute->value) sum += octet;
    if (depth > 0) sum += walk(attribute->value, depth - 1);
  }
  return sum;
}

void parse_body(std::span<const std::uint8_t> body) {
  if (const auto link = carp::sys::parse_link(body)) {
    REQUIRE_ALWAYS(link->ifindex != 0);
    REQUIRE_ALWAYS(!link->name.empty());
  }
  if (const auto address = carp::sys::parse_address(body)) {
    const bool v4 = address->prefix.address.family == carp::wire::Family::kIpv4;
    REQUIRE_ALWAYS(address->prefix.length <= (v4 ? 32 : 128));
  }
  if (const auto entry = carp::sys::parse_neighbour_entry(body)) {
    REQUIRE_ALWAYS(entry->ifindex > 0);
  }
  static_cast<void>(carp::sys::parse_error(body));
  constexpr std::size_t kIfinfo = 16;  // struct ifinfomsg
  if (body.size() > kIfinfo) static_cast<void>(walk(body.subspan(kIfinfo), 2));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> datagram(data, size);
  carp::sys::NetlinkReader reader(datagram);
  std::size_t messages = 0;
  while (const auto message = reader.next()) {
    require_inside(message->body, datagram);
    parse_body(message->body);
    REQUIRE_ALWAYS(++messages <= size);  // each one moves on
  }
  parse_body(datagram);
  return 0;
}

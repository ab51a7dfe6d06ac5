// Fuzz target: a received neighbour solicitation or advertisement, and the answer that it would
// get. An input is read as it is and with its checksum made right, which mutation alone seldom
// does.
#include "wire/neighbour.h"

#include <algorithm>
#include <array>
#include <vector>

#include "require.h"
#include "wire/balance.h"
#include "wire/bytes.h"

namespace {

using namespace carp::wire;

constexpr std::size_t kPacket = 14;
constexpr std::size_t kMessage = 54;

void check(std::span<const std::uint8_t> frame) {
  const auto got = parse_neighbour(frame);
  if (!got.has_value()) return;
  REQUIRE_ALWAYS(frame.size() >= kMessage + 24);
  REQUIRE_ALWAYS(frame[21] == 255);
  REQUIRE_ALWAYS(frame[kMessage] == (got->solicitation ? 135 : 136));
  REQUIRE_ALWAYS(!got->target.is_multicast() && !got->source.is_multicast());
  REQUIRE_ALWAYS(std::equal(got->target.octets.begin(), got->target.octets.end(), &frame[62]));
  REQUIRE_ALWAYS(!got->solicited || !got->destination.is_multicast());
  for (std::uint32_t n = 1; n <= 32; ++n) REQUIRE_ALWAYS(balance_index(got->source, n) < n);
  if (!got->solicitation) return;
  const bool probe = got->source.is_unspecified();
  REQUIRE_ALWAYS(!probe || (got->destination.is_multicast() && !got->link_layer.has_value()));
  std::array<std::uint8_t, kNeighbourAdvertisementFrame> out{};
  const MacAddress mac = virtual_mac(7);
  REQUIRE_ALWAYS(write_neighbour_answer(out, *got, mac, true) == out.size());
  const auto answer = parse_neighbour(out);
  REQUIRE_ALWAYS(answer.has_value() && !answer->solicitation);
  REQUIRE_ALWAYS(answer->target == got->target && answer->link_layer == mac);
  REQUIRE_ALWAYS(answer->solicited == !probe);
  REQUIRE_ALWAYS(probe || answer->destination == got->source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check({data, size});
  if (size < kMessage + 4) return 0;
  std::vector<std::uint8_t> repaired(data, data + size);
  const std::size_t length = std::min((std::size_t{data[18]} << 8) | data[19], size - kMessage);
  if (length < 4) return 0;
  repaired[18] = static_cast<std::uint8_t>(length >> 8);
  repaired[19] = static_cast<std::uint8_t>(length & 0xff);
  repaired[kMessage + 2] = repaired[kMessage + 3] = 0;
  const std::span<const std::uint8_t> packet = std::span(repaired).subspan(kPacket);
  const std::array<std::uint8_t, 8> tail{0, 0, repaired[18], repaired[19], 0, 0, 0, 58};
  const std::uint16_t sum =
      checksum(packet.subspan(40, length), sum16(tail, sum16(packet.subspan(8, 32))));
  repaired[kMessage + 2] = static_cast<std::uint8_t>(sum >> 8);
  repaired[kMessage + 3] = static_cast<std::uint8_t>(sum & 0xff);
  check(repaired);
  return 0;
}

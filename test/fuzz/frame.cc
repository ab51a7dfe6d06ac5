// Fuzz target: a received Ethernet frame. What parses must be written and read back unchanged, and
// a digest that nobody computed must not verify.
#include <algorithm>
#include <array>

#include "require.h"
#include "wire/advertisement.h"
#include "wire/digest.h"

namespace {

using carp::wire::Authenticator;
using carp::wire::ReceivedAdvertisement;

const Authenticator& authenticator() {
  static const Authenticator instance = [] {
    Authenticator out;
    const carp::wire::Prefix vip{
        carp::wire::IpAddress::from(carp::wire::Ipv4Address{{192, 168, 1, 1}}), 24};
    carp::wire::Key key{};
    key[0] = 'k';
    out.configure(key, 1, std::span(&vip, 1), Authenticator::Form::kAll);
    return out;
  }();
  return instance;
}

void write_back(const ReceivedAdvertisement& got) {
  std::array<std::uint8_t, 128> out{};
  const auto packet = std::span(out).subspan(carp::wire::kEthernetHeader);
  const bool v4 = got.source.family == carp::wire::Family::kIpv4;
  carp::wire::write_ethernet(out, carp::wire::kBroadcastMac, got.ethernet_source,
                             v4 ? carp::wire::kEtherTypeIpv4 : carp::wire::kEtherTypeIpv6);
  const std::size_t size = carp::wire::kEthernetHeader +
                           (v4 ? carp::wire::write_packet4(packet, got.advertisement,
                                                           got.source.v4(), got.destination.v4())
                               : carp::wire::write_packet6(packet, got.advertisement,
                                                           got.source.v6(), got.destination.v6()));
  const auto parsed = carp::wire::parse_frame(std::span(out).first(size));
  const auto* again = std::get_if<ReceivedAdvertisement>(&parsed);
  REQUIRE_ALWAYS(again != nullptr);
  REQUIRE_ALWAYS(again->advertisement.vhid == got.advertisement.vhid);
  REQUIRE_ALWAYS(again->advertisement.advskew == got.advertisement.advskew);
  REQUIRE_ALWAYS(again->advertisement.demotion == got.advertisement.demotion);
  REQUIRE_ALWAYS(again->advertisement.advbase_s == got.advertisement.advbase_s);
  REQUIRE_ALWAYS(again->advertisement.counter == got.advertisement.counter);
  REQUIRE_ALWAYS(again->advertisement.digest == got.advertisement.digest);
  REQUIRE_ALWAYS(again->source == got.source);
  REQUIRE_ALWAYS(again->destination == got.destination);
  REQUIRE_ALWAYS(again->ethernet_source == got.ethernet_source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::uint8_t> frame(data, size);
  const auto parsed = carp::wire::parse_frame(frame);
  if (const auto* got = std::get_if<ReceivedAdvertisement>(&parsed)) {
    REQUIRE_ALWAYS(size >=
                   carp::wire::kEthernetHeader + carp::wire::kIpv4Header + carp::wire::kCarpHeader);
    // The captures in the corpus have other passwords.
    REQUIRE_ALWAYS(!authenticator().verify(got->advertisement.counter, got->advertisement.digest));
    write_back(*got);
  }
  return 0;
}

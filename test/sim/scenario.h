// What the scenarios share: addresses, keys, and one segment with routers and a client on it.
#pragma once

#include <initializer_list>
#include <string_view>

#include "check.h"
#include "sim/network.h"
#include "wire/neighbour.h"

namespace carp::test {

using core::AdminAction;
using core::Cause;
using core::Duration;
using core::Instant;
using core::VhostState;
using sim::Network;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline wire::IpAddress ip4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  return wire::IpAddress::from(wire::Ipv4Address{{a, b, c, d}});
}

// PREFIX:: with the last 16 bits, for example ip6(0xfd00, 1) is fd00::1.
inline wire::IpAddress ip6(std::uint16_t prefix, std::uint16_t last) {
  wire::Ipv6Address out;
  out.octets[0] = static_cast<std::uint8_t>(prefix >> 8);
  out.octets[1] = static_cast<std::uint8_t>(prefix & 0xff);
  out.octets[14] = static_cast<std::uint8_t>(last >> 8);
  out.octets[15] = static_cast<std::uint8_t>(last & 0xff);
  return wire::IpAddress::from(out);
}

inline wire::Key key(std::string_view password) {
  wire::Key out{};
  for (std::size_t i = 0; i < password.size() && i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(password[i]);
  }
  return out;
}

// A locally administered MAC, one a number.
inline wire::MacAddress mac(std::uint8_t n) { return {{0x02, 0, 0, 0, 0, n}}; }

inline const wire::IpAddress kVip = ip4(192, 168, 1, 1);
inline const wire::IpAddress kVip6 = ip6(0xfd00, 1);

inline core::VhostConfig vhid(std::uint8_t number, std::uint8_t advskew,
                              std::initializer_list<wire::IpAddress> vips = {kVip}) {
  core::VhostConfig config{.vhid = number, .advskew = advskew, .key = key("testpass")};
  for (const wire::IpAddress& vip : vips) {
    const std::uint8_t length = vip.family == wire::Family::kIpv4 ? 24 : 64;
    config.vips.push_back({vip, length});
  }
  return config;
}

// 192.168.1.N/24, fd00::N/64 and fe80::N/64 on MAC 02::N.
inline core::CarpdevConfig carpdev(std::uint8_t n) {
  return {.mac = mac(n),
          .addresses = {{ip4(192, 168, 1, n), 24}, {ip6(0xfd00, n), 64}, {ip6(0xfe80, n), 64}}};
}

// One segment, a client at .9, and routers that each have one carpdev and the vhids given.
struct Lan {
  Network net;
  sim::SegmentId segment = net.add_segment();
  sim::ClientId client = net.add_client(segment, mac(9), ip4(192, 168, 1, 9));

  explicit Lan(std::uint64_t seed = 1) : net(seed) {}

  // Not booted.
  sim::HostId router(std::uint8_t n, std::initializer_list<core::VhostConfig> vhids,
                     const core::HostOptions& options = {}) {
    const sim::HostId host = net.add_host(options);
    const core::CarpdevId dev = net.add_carpdev(host, segment, carpdev(n));
    for (const core::VhostConfig& config : vhids) net.add_vhost(host, dev, config);
    return host;
  }

  sim::HostId booted(std::uint8_t n, std::initializer_list<core::VhostConfig> vhids,
                     const core::HostOptions& options = {}) {
    const sim::HostId host = router(n, vhids, options);
    net.boot(host);
    return host;
  }

  sim::PortId port(sim::HostId host) const { return net.port(host, 0); }
};

// What a frame that is known to be an advertisement said.
inline wire::Advertisement said(const sim::Sent& sent) {
  const auto received = sent.advertisement();
  return received ? received->advertisement : wire::Advertisement{};
}

// Advertisements sent by one host since `from`, farewells too.
inline std::vector<sim::Sent> advertisements(const Network& net, sim::HostId host,
                                             Instant from = {}) {
  std::vector<sim::Sent> out;
  for (const sim::Sent& sent : net.sent()) {
    if (sent.host == host && sent.at >= from && sent.advertisement()) out.push_back(sent);
  }
  return out;
}

inline std::size_t count_kind(const Network& net, sim::HostId host, core::TransmitKind kind,
                              Instant from = {}) {
  std::size_t n = 0;
  for (const sim::Sent& sent : net.sent()) {
    if (sent.host == host && sent.at >= from && sent.kind == kind) ++n;
  }
  return n;
}

// The change of `host` to `to` that came last, or nothing.
inline const sim::StateChange* last_change(const Network& net, sim::HostId host, VhostState to,
                                           core::VhostId vhost = 0) {
  const sim::StateChange* found = nullptr;
  for (const sim::StateChange& change : net.changes()) {
    if (change.host == host && change.to == to && change.vhost == vhost) found = &change;
  }
  return found;
}

inline std::size_t count_changes(const Network& net, sim::HostId host, Instant from = {}) {
  std::size_t n = 0;
  for (const sim::StateChange& change : net.changes()) {
    if (change.host == host && change.at >= from) ++n;
  }
  return n;
}

inline std::uint64_t counter(const Network& net, sim::HostId host, core::VhostCounter which,
                             core::VhostId vhost = 0) {
  return net.vhost(host, vhost)->counters()[which];
}

constexpr Instant at(Duration since_start) { return Instant{since_start.count()}; }

}  // namespace carp::test

// The rules that hold in every run; see Network::violations().
#define CHECK_NO_VIOLATION(net)                            \
  do {                                                     \
    for (const std::string& broken : (net).violations()) { \
      carp::test::fail(__FILE__, __LINE__, broken);        \
    }                                                      \
  } while (false)

#define CHECK_STATE(net, host, wanted) CHECK_EQ((net).state((host), 0), VhostState::wanted)

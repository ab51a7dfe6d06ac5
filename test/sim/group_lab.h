// What the tests of the group take-over share: routers that each have a carpdev on every segment,
// and what can be read from a run about who was MASTER when.
#pragma once

#include <functional>
#include <set>

#include "crafted.h"

namespace carp::test {

inline constexpr core::HostOptions kGroupOptions{.preempt = true};
inline constexpr core::HostOptions kPlainOptions{.preempt = true, .fast_takeover = false};
inline constexpr std::string_view kManualPassword = "mekmitasdigoat";

// Segment s (from 0) is 192.168.(s+1).0/24 with the VIP .1, and fd0(s+1)::/64 with the VIP ::1. Its
// vhid is s+1; a host's vhost and carpdev on it are number s.
struct Routers {
  using Edit = std::function<void(std::size_t segment, core::VhostConfig&)>;

  Network net;
  std::vector<sim::SegmentId> segments;

  explicit Routers(std::size_t n_segments = 2, std::uint64_t seed = 1) : net(seed) {
    for (std::size_t s = 0; s < n_segments; ++s) segments.push_back(net.add_segment());
  }

  static wire::IpAddress address(std::size_t segment, std::uint8_t host) {
    return ip4(192, 168, static_cast<std::uint8_t>(segment + 1), host);
  }
  static wire::IpAddress vip(std::size_t segment) { return address(segment, 1); }
  static wire::IpAddress vip6(std::size_t segment) {
    return ip6(static_cast<std::uint16_t>(0xfd01 + segment), 1);
  }

  static core::VhostConfig vhost(std::size_t segment, std::uint8_t skew) {
    core::VhostConfig config = vhid(static_cast<std::uint8_t>(segment + 1), skew, {vip(segment)});
    config.key = key(kManualPassword);
    return config;
  }

  // Host .n with one advskew a segment, booted.
  sim::HostId add(std::uint8_t n, const std::vector<std::uint8_t>& skews,
                  const core::HostOptions& options = kGroupOptions, const Edit& edit = {}) {
    const sim::HostId host = net.add_host(options);
    for (std::size_t s = 0; s < skews.size(); ++s) {
      net.add_carpdev(host, segments[s],
                      {.mac = mac(static_cast<std::uint8_t>(n + 16 * s)),
                       .addresses = {{address(s, n), 24},
                                     {ip6(static_cast<std::uint16_t>(0xfd01 + s), n), 64},
                                     {ip6(0xfe80, static_cast<std::uint16_t>(n + 16 * s)), 64}}});
      core::VhostConfig config = vhost(s, skews[s]);
      if (edit) edit(s, config);
      net.add_vhost(host, static_cast<core::CarpdevId>(s), config);
    }
    net.boot(host);
    return host;
  }

  // A client at .9 that pings the VIP each millisecond.
  sim::PingId ping(std::size_t segment, Duration every = milliseconds{1}) {
    const sim::ClientId client = net.add_client(
        segments[segment], mac(static_cast<std::uint8_t>(9 + 16 * segment)), address(segment, 9));
    return net.ping(client, vip(segment), every);
  }

  bool is_master(sim::HostId host, std::size_t segment) const {
    return net.state(host, static_cast<core::VhostId>(segment)) == VhostState::kMaster;
  }
  bool is_backup(sim::HostId host, std::size_t segment) const {
    return net.state(host, static_cast<core::VhostId>(segment)) == VhostState::kBackup;
  }
  void pull(sim::HostId host, std::size_t segment, bool out = true) {
    net.set_plugged(net.port(host, static_cast<core::CarpdevId>(segment)), !out);
  }
  // A demotion that is none of the core's own reasons.
  void demote(sim::HostId host, std::int32_t level, std::string group = "") {
    net.command(host, [=](core::Host& h, Instant now) {
      (void)h.handle_demotion(now, "operator", level, group);
    });
  }
};

// How long after `since` a host became MASTER of a vhost last; for ever if it never did.
inline Duration taken_after(const Network& net, sim::HostId host, core::VhostId vhost,
                            Instant since) {
  const auto* change = last_change(net, host, VhostState::kMaster, vhost);
  return change == nullptr ? Duration::max() : change->at - since;
}

struct Reigns {
  std::size_t most = 0;  // hosts that were MASTER at once
  Duration several{};    // how long more than one was
  Duration none{};       // how long nobody was
};

// Of one vhid between `from` and now. A host that is killed does not say so: not for such runs.
inline Reigns reigns(const Network& net, std::uint8_t vhid, Instant from) {
  Reigns out;
  std::set<sim::HostId> masters;
  Instant last = from;
  const auto pass = [&](Instant to) {
    if (to <= last) return;
    if (masters.size() > 1) out.several += to - last;
    if (masters.empty()) out.none += to - last;
    last = to;
  };
  for (const sim::StateChange& change : net.changes()) {
    if (change.vhid != vhid) continue;
    pass(change.at);
    if (change.at > from) out.most = std::max(out.most, masters.size());
    if (change.to == VhostState::kMaster) {
      masters.insert(change.host);
    } else {
      masters.erase(change.host);
    }
    if (change.at >= from) out.most = std::max(out.most, masters.size());
  }
  pass(net.now());
  out.most = std::max(out.most, masters.size());
  return out;
}

// Changes of one vhid on any host since `from`.
inline std::size_t changes_of(const Network& net, std::uint8_t vhid, Instant from) {
  std::size_t n = 0;
  for (const sim::StateChange& change : net.changes()) {
    if (change.vhid == vhid && change.at >= from) ++n;
  }
  return n;
}

struct Question {
  Instant at;
  sim::SegmentId segment = 0;
  wire::IpAddress target;
};

// Whom `host` asked whether it is alive.
inline std::vector<Question> questions(const Network& net, sim::HostId host, Instant from) {
  std::vector<Question> out;
  for (const sim::Sent& sent : net.sent()) {
    if (sent.host != host || sent.at < from || sent.kind != core::TransmitKind::kAliveQuestion)
      continue;
    if (const auto arp = wire::parse_arp(sent.frame)) {
      out.push_back({sent.at, sent.segment, wire::IpAddress::from(arp->target)});
    }
    if (const auto asked = wire::parse_neighbour(sent.frame)) {
      out.push_back({sent.at, sent.segment, wire::IpAddress::from(asked->target)});
    }
  }
  return out;
}

inline std::vector<std::string> reasons(const Network& net, sim::HostId host) {
  std::vector<std::string> out;
  for (const auto& reason : net.core(host)->demotion_reasons()) out.emplace_back(reason.text());
  return out;
}

// A master that is not ours (UCarp, a BSD): advertises once a second from a client's port, and its
// kernel answers ARP for its own address. One on a segment.
class Foreign {
 public:
  Foreign(Routers& routers, std::size_t segment, std::uint8_t n, std::uint8_t skew,
          wire::MacAddress ethernet_source)
      : net_(routers.net), segment_(routers.segments[segment]), mac_(mac(n)) {
    advert_ = {.ethernet_source = ethernet_source,
               .source = Routers::address(segment, n),
               .vhid = static_cast<std::uint8_t>(segment + 1),
               .skew = skew,
               .password = kManualPassword,
               .vips = {Routers::vip(segment)}};
    port_ = net_.client_port(net_.add_client(segment_, mac_, advert_.source));
    tick();
  }
  Foreign(const Foreign&) = delete;
  Foreign& operator=(const Foreign&) = delete;

  // To be called by the network's tap.
  void hear(sim::SegmentId segment, std::span<const std::uint8_t> frame) {
    if (!alive || segment != segment_) return;
    const auto arp = wire::parse_arp(frame);
    if (!arp || arp->operation != wire::ArpOperation::kRequest || arp->is_gratuitous()) return;
    if (wire::IpAddress::from(arp->target) != advert_.source) return;
    sim::Frame answer(wire::kArpFrame);
    wire::write_arp(answer, wire::reply_to(*arp, mac_));
    net_.inject_at(net_.now() + Duration{300}, port_, std::move(answer));
  }

  Crafted& advert() { return advert_; }
  void advertise() {
    ++advert_.counter;
    net_.inject(port_, craft(advert_));
  }
  bool alive = true;

 private:
  void tick() {
    if (alive) advertise();
    net_.at(net_.now() + seconds{1}, [this] { tick(); });
  }

  Network& net_;
  sim::SegmentId segment_;
  wire::MacAddress mac_;
  sim::PortId port_ = 0;
  Crafted advert_;
};

}  // namespace carp::test

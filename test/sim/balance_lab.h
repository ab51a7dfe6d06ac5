// What the tests of ARP balancing share: hosts whose vhids have one VIP together, clients that ask,
// and questions of every form.
#pragma once

#include "scenario.h"
#include "wire/balance.h"

namespace carp::test {

inline constexpr core::HostOptions kBalanceOptions{.preempt = true, .arpbalance = true};
inline const wire::IpAddress kShared = ip4(192, 168, 1, 10);
inline const wire::IpAddress kShared6 = ip6(0xfd00, 10);

struct Balanced : Lan {
  std::vector<sim::ClientId> clients;
  std::vector<sim::PingId> pings;

  // Clients at .first and up, each with the MAC 02::n of its number.
  void add_clients(std::uint8_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto n = static_cast<std::uint8_t>(first + i);
      clients.push_back(net.add_client(segment, mac(n), ip4(192, 168, 1, n)));
    }
  }
  void ping_all(const wire::IpAddress& vip, Duration every = milliseconds{100}) {
    for (const sim::ClientId c : clients) pings.push_back(net.ping(c, vip, every));
  }
  void forget_all(const wire::IpAddress& vip) {
    for (const sim::ClientId c : clients) net.forget_neighbour(c, vip);
  }
};

struct Answer {
  sim::HostId host = sim::kNoHost;
  core::VhostId vhost = core::kNoVhost;
  wire::MacAddress mac;     // what it names
  wire::MacAddress source;  // of its Ethernet header
  wire::MacAddress to;
};

// All answers that hosts gave since `from`.
inline std::vector<Answer> answers(const Network& net, Instant from) {
  std::vector<Answer> out;
  for (const sim::Sent& sent : net.sent()) {
    if (sent.at < from || sent.kind != core::TransmitKind::kAnswer || sent.host == sim::kNoHost) {
      continue;
    }
    Answer answer{.host = sent.host, .vhost = sent.vhost};
    if (const auto arp = wire::parse_arp(sent.frame)) {
      answer.mac = arp->sender_mac;
      answer.source = arp->ethernet_source;
      answer.to = arp->ethernet_destination;
    } else if (const auto neighbour = wire::parse_neighbour(sent.frame)) {
      answer.mac = neighbour->link_layer.value_or(wire::MacAddress{});
      answer.source = neighbour->ethernet_source;
      answer.to = neighbour->ethernet_destination;
    }
    out.push_back(answer);
  }
  return out;
}

struct Ask {
  wire::MacAddress mac = test::mac(200);
  wire::IpAddress sender = ip4(192, 168, 1, 200);
  wire::IpAddress target = kShared;
  wire::MacAddress to = wire::kBroadcastMac;
  wire::MacAddress target_mac{};
};

// Asks from the client's port and gives all answers of the next 2 ms.
inline std::vector<Answer> ask(Lan& lan, const Ask& ask) {
  const Instant start = lan.net.now();
  sim::Frame frame(wire::kArpFrame);
  wire::write_arp(frame, wire::Arp{.operation = wire::ArpOperation::kRequest,
                                   .ethernet_source = ask.mac,
                                   .ethernet_destination = ask.to,
                                   .sender_mac = ask.mac,
                                   .sender = ask.sender.v4(),
                                   .target_mac = ask.target_mac,
                                   .target = ask.target.v4()});
  lan.net.inject(lan.net.client_port(lan.client), std::move(frame));
  lan.net.run_for(milliseconds{2});
  return answers(lan.net, start);
}

// A neighbour solicitation; from "::" it is the check for a duplicate address.
inline std::vector<Answer> ask6(Lan& lan, const wire::IpAddress& sender,
                                const wire::IpAddress& target = kShared6) {
  const Instant start = lan.net.now();
  sim::Frame frame(wire::kNeighbourSolicitationFrame);
  std::size_t n = wire::write_solicitation(frame, mac(200), sender.v6(), target.v6());
  if (sender.is_unspecified()) {
    // Without the source link-layer option, which "::" may not carry: 8 octets less.
    n -= 8;
    frame.resize(n);
    frame[19] = 24;
    frame[56] = frame[57] = 0;
    std::uint32_t sum = 58 + 24;
    for (std::size_t i = 22; i < frame.size(); i += 2) {
      sum += (std::uint32_t{frame[i]} << 8) + frame[i + 1];
    }
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    frame[56] = static_cast<std::uint8_t>((~sum >> 8) & 0xff);
    frame[57] = static_cast<std::uint8_t>(~sum & 0xff);
  }
  lan.net.inject(lan.net.client_port(lan.client), std::move(frame));
  lan.net.run_for(milliseconds{2});
  return answers(lan.net, start);
}

// Gratuitous ARP, or an unsolicited neighbour advertisement, that names `vip`: what would pull
// every client to one host.
inline std::size_t announcements_of(const Network& net, const wire::IpAddress& vip,
                                    Instant from = {}) {
  std::size_t n = 0;
  for (const sim::Sent& sent : net.sent()) {
    if (sent.at < from || sent.host == sim::kNoHost) continue;
    if (const auto arp = wire::parse_arp(sent.frame)) {
      const bool names = wire::IpAddress::from(arp->sender) == vip;
      const bool solicited = sent.kind == core::TransmitKind::kAnswer;
      n += names && (!solicited || arp->is_gratuitous() ||
                     arp->ethernet_destination == wire::kBroadcastMac)
               ? 1
               : 0;
    } else if (const auto neighbour = wire::parse_neighbour(sent.frame)) {
      n += !neighbour->solicitation && sent.kind != core::TransmitKind::kAnswer &&
                   wire::IpAddress::from(neighbour->target) == vip
               ? 1
               : 0;
    }
  }
  return n;
}

}  // namespace carp::test

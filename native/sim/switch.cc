// The wires: a learning switch a segment, its faults, and the clients with their pings.
#include "sim/network.h"
#include "wire/advertisement.h"
#include "wire/bytes.h"
#include "wire/neighbour.h"

namespace carp::sim {

namespace {

// The longest that an answer may take; pings younger than this are not judged.
constexpr Duration kAnswerTime = std::chrono::milliseconds{20};

bool is_group(const wire::MacAddress& mac) { return (mac.octets[0] & 1) != 0; }

}  // namespace

// --- faults ----------------------------------------------------------------------------------

core::LinkState Network::link(HostId host, core::CarpdevId carpdev) const {
  const CarpdevSpec& dev = hosts_[host]->carpdevs[carpdev];
  return {.present = true, .admin_up = dev.admin_up, .carrier = ports_[dev.port].plugged};
}

void Network::link_changed(HostId host, core::CarpdevId carpdev) {
  schedule(now_, Order::kLink, [this, host, carpdev] {
    SimHost& h = *hosts_[host];
    if (!h.core || h.paused) return;  // boot() and resume() read the link themselves
    h.core->handle_link(now_, carpdev, link(host, carpdev));
    drain(host);
  });
}

void Network::set_plugged(PortId port, bool plugged) {
  Port& p = ports_[port];
  p.plugged = plugged;
  if (!plugged) {
    std::erase_if(segments_[p.segment].learnt, [=](const auto& e) { return e.second == port; });
  }
  if (p.host != kNoHost) link_changed(p.host, p.carpdev);
}

void Network::set_admin_up(HostId host, core::CarpdevId carpdev, bool up) {
  hosts_[host]->carpdevs[carpdev].admin_up = up;
  link_changed(host, carpdev);
}

void Network::set_blocked(PortId from, PortId to, bool blocked) {
  if (blocked) {
    blocked_.insert({from, to});
  } else {
    blocked_.erase({from, to});
  }
}

void Network::set_delay(SegmentId segment, Duration base, Duration jitter) {
  segments_[segment].delay = base;
  segments_[segment].jitter = jitter;
}

void Network::set_send_failure(HostId host, core::CarpdevId carpdev, bool fails) {
  hosts_[host]->carpdevs[carpdev].send_fails = fails;
}

// --- switching -------------------------------------------------------------------------------

void Network::inject(PortId from, Frame frame) {
  sent_.push_back({.at = now_, .segment = ports_[from].segment, .frame = frame});
  forward(from, std::make_shared<const Frame>(std::move(frame)));
}

void Network::inject_at(Instant when, PortId from, Frame frame) {
  at(when, [this, from, frame = std::move(frame)] { inject(from, frame); });
}

void Network::forward(PortId from, const std::shared_ptr<const Frame>& frame) {
  if (!ports_[from].plugged) return;
  if (tap_) tap_(now_, ports_[from].segment, *frame);
  through_switch(from, ports_[from].side, false, frame);
}

void Network::through_switch(PortId from, int side, bool over_trunk,
                             const std::shared_ptr<const Frame>& frame) {
  Segment& segment = segments_[ports_[from].segment];
  const bool trunk = !segment.split && !over_trunk;
  wire::MacAddress destination;
  wire::MacAddress source;
  wire::Reader in(*frame);
  in.copy(destination.octets);
  in.copy(source.octets);
  segment.learnt[{side, source}] = from;
  if (!is_group(destination)) {
    const auto known = segment.learnt.find({side, destination});
    if (known != segment.learnt.end()) {
      const PortId to = known->second;
      if (ports_[to].side == side) {
        if (to != from) transfer(from, to, frame);
      } else if (trunk) {
        through_switch(from, ports_[to].side, true, frame);
      }
      return;
    }
  }
  std::set<int> others;
  for (const PortId to : segment.ports) {
    if (ports_[to].side != side) {
      others.insert(ports_[to].side);
    } else if (to != from) {
      transfer(from, to, frame);
    }
  }
  if (!trunk) return;
  for (const int other : others) through_switch(from, other, true, frame);
}

void Network::transfer(PortId from, PortId to, const std::shared_ptr<const Frame>& frame) {
  Segment& segment = segments_[ports_[to].segment];
  if (blocked_.contains({from, to})) return;
  if (segment.filter && !segment.filter(from, to, *frame)) return;
  if (segment.loss > 0 && random_.chance(segment.loss)) return;
  Duration delay = segment.delay;
  if (segment.jitter.count() > 0) delay += Duration{random_.between(0, segment.jitter.count())};
  schedule(now_ + delay, Order::kFrame, [this, to, frame] { arrive(to, *frame); });
}

void Network::arrive(PortId to, const Frame& frame) {
  const Port& port = ports_[to];
  if (!port.plugged) return;
  if (port.host == kNoHost) {
    arrive_at_client(clients_[port.client], frame);
  } else {
    arrive_at_host(port, frame);
  }
}

void Network::arrive_at_host(const Port& port, const Frame& frame) {
  if (!hosts_[port.host]->carpdevs[port.carpdev].admin_up) return;
  if (const auto echo = parse_echo(frame)) {
    answer_echo(port, *echo);
    return;
  }
  answer_for_own_address(port, frame);
  // What the engine's socket filters let through: ARP, neighbour discovery and protocol 112.
  const std::uint16_t type =
      frame.size() < wire::kEthernetHeader
          ? std::uint16_t{0}
          : static_cast<std::uint16_t>((std::uint32_t{frame[12]} << 8) | frame[13]);
  const auto has = [&](std::size_t at) {
    return frame.size() <= at || frame[at] == wire::kProtocolCarp;
  };
  const bool wanted = type == wire::kEtherTypeArp || (type == wire::kEtherTypeIpv4 && has(23)) ||
                      (type == wire::kEtherTypeIpv6 && (has(20) || wire::parse_neighbour(frame)));
  if (wanted) deliver(port.host, port.carpdev, frame);
}

// The kernel of a router: answers what comes to a VIP whose interface is up, and forwards what
// comes to that interface for somebody else.
void Network::answer_echo(const Port& port, const Echo& echo) {
  SimHost& h = *hosts_[port.host];
  if (!h.core || (h.paused && *h.paused == Pause::kMachine)) return;
  bool forwards = false;
  for (std::size_t i = 0; i < h.vhosts.size(); ++i) {
    const core::Vhost* v = h.core->vhost(static_cast<core::VhostId>(i));
    if (v == nullptr || !h.vhosts[i].up || v->carpdev() != port.carpdev ||
        v->mac() != echo.destination_mac) {
      continue;
    }
    forwards = true;
    if (echo.reply || !v->owns(echo.destination)) continue;
    const Echo reply{.reply = true,
                     .destination_mac = echo.source_mac,
                     .source_mac = v->mac(),
                     .destination = echo.source,
                     .source = echo.destination,
                     .sequence = echo.sequence};
    forward(h.carpdevs[port.carpdev].port, std::make_shared<const Frame>(write_echo(reply)));
    return;
  }
  if (forwards) route_echo(h, port.carpdev, echo);
}

// Out of the carpdev whose network has the destination, to the client there. The neighbour table of
// a router's kernel is not simulated: it knows the MACs of clients.
void Network::route_echo(const SimHost& host, core::CarpdevId from, const Echo& echo) {
  for (std::size_t i = 0; i < host.carpdevs.size(); ++i) {
    const CarpdevSpec& dev = host.carpdevs[i];
    const auto covers = [&](const wire::Prefix& own) { return own.covers(echo.destination); };
    if (i == from || !dev.admin_up ||
        std::none_of(dev.config.addresses.begin(), dev.config.addresses.end(), covers)) {
      continue;
    }
    for (const Client& client : clients_) {
      if (client.address != echo.destination ||
          ports_[client.port].segment != ports_[dev.port].segment) {
        continue;
      }
      Echo routed = echo;
      routed.destination_mac = client.mac;
      routed.source_mac = dev.config.mac;
      forward(dev.port, std::make_shared<const Frame>(write_echo(routed)));
    }
    return;
  }
}

// The kernel answers for the host's own addresses, from the physical MAC, whatever carpd does; and
// for IPv6 VIPs that it holds itself (mac = "physical").
void Network::answer_for_own_address(const Port& port, const Frame& frame) {
  const SimHost& h = *hosts_[port.host];
  if (!h.core || (h.paused && *h.paused == Pause::kMachine)) return;
  const CarpdevSpec& dev = h.carpdevs[port.carpdev];
  const auto is_own = [&](const wire::IpAddress& asked) {
    return std::any_of(dev.config.addresses.begin(), dev.config.addresses.end(),
                       [&](const wire::Prefix& own) { return own.address == asked; });
  };
  const auto holds = [&](const wire::IpAddress& asked) {
    for (std::size_t i = 0; i < h.vhosts.size(); ++i) {
      const core::Vhost* v = h.core->vhost(static_cast<core::VhostId>(i));
      if (v == nullptr || !h.vhosts[i].up || v->carpdev() != port.carpdev) continue;
      if (v->config().mac == core::MacMode::kPhysical && v->owns(asked)) return true;
    }
    return false;
  };
  if (const auto arp = wire::parse_arp(frame)) {
    if (arp->operation != wire::ArpOperation::kRequest || arp->is_gratuitous()) return;
    if (!is_own(wire::IpAddress::from(arp->target))) return;
    Frame answer(wire::kArpFrame);
    wire::write_arp(answer, wire::reply_to(*arp, dev.config.mac));
    forward(dev.port, std::make_shared<const Frame>(std::move(answer)));
    return;
  }
  const auto asked = wire::parse_neighbour(frame);
  if (!asked || !asked->solicitation) return;
  const auto target = wire::IpAddress::from(asked->target);
  if (!is_own(target) && !holds(target)) return;
  Frame answer(wire::kNeighbourAdvertisementFrame);
  wire::write_neighbour_answer(answer, *asked, dev.config.mac, true);
  forward(dev.port, std::make_shared<const Frame>(std::move(answer)));
}

// --- clients ---------------------------------------------------------------------------------

std::optional<wire::MacAddress> Network::neighbour(ClientId client,
                                                   const wire::IpAddress& address) const {
  const auto& table = clients_[client].neighbours;
  const auto found = table.find(address);
  return found == table.end() ? std::nullopt : std::optional(found->second);
}

void Network::forget_neighbour(ClientId client, const wire::IpAddress& address) {
  clients_[client].neighbours.erase(address);
}

void Network::arrive_at_client(Client& client, const Frame& frame) {
  if (const auto echo = parse_echo(frame)) {
    if (echo->destination_mac != client.mac) return;
    if (!echo->reply) {
      answer_as_client(client, *echo);
      return;
    }
    const auto ping = static_cast<PingId>(echo->sequence >> 32);
    Probe& probe = pings_[ping].probes[echo->sequence & 0xffffffff];
    if (++probe.replies == 1) probe.first_reply = now_;
    return;
  }
  if (const auto arp = wire::parse_arp(frame)) {
    const bool reply = arp->operation == wire::ArpOperation::kReply;
    if (reply && arp->ethernet_destination == client.mac) ++client.arp_replies;
    const bool announcement = arp->ethernet_destination == wire::kBroadcastMac &&
                              arp->is_gratuitous() && !is_group(arp->sender_mac);
    if ((reply && arp->ethernet_destination == client.mac) || announcement) {
      learn(client, wire::IpAddress::from(arp->sender), arp->sender_mac);
    }
    return;
  }
  const auto heard = wire::parse_neighbour(frame);
  if (heard && !heard->solicitation && heard->link_layer &&
      (heard->ethernet_destination == client.mac || is_group(heard->ethernet_destination))) {
    if (heard->solicited) ++client.answers6;
    learn(client, wire::IpAddress::from(heard->target), *heard->link_layer);
  }
}

void Network::learn(Client& client, const wire::IpAddress& address, const wire::MacAddress& mac) {
  client.neighbours[address] = mac;
  for (Ping& ping : pings_) {
    if (&clients_[ping.client] != &client || !ping.unresolved) continue;
    if (next_hop(client, ping.destination) != address) continue;
    const std::uint64_t index = *ping.unresolved;
    ping.unresolved.reset();
    send_probe(ping, index);
  }
  if (const auto waiting = client.waiting.extract(address)) {
    answer_as_client(client, waiting.mapped());
  }
}

wire::IpAddress Network::next_hop(const Client& client, const wire::IpAddress& destination) const {
  return client.gateway && !client.own.covers(destination) ? *client.gateway : destination;
}

// A server: answers a ping, by way of its gateway if need be.
void Network::answer_as_client(Client& client, const Echo& echo) {
  if (echo.destination != client.address) return;
  const wire::IpAddress hop = next_hop(client, echo.source);
  const auto known = client.neighbours.find(hop);
  if (known == client.neighbours.end()) {
    client.waiting.insert_or_assign(hop, echo);
    resolve(client, hop);
    return;
  }
  const Echo reply{.reply = true,
                   .destination_mac = known->second,
                   .source_mac = client.mac,
                   .destination = echo.source,
                   .source = client.address,
                   .sequence = echo.sequence};
  forward(client.port, std::make_shared<const Frame>(write_echo(reply)));
}

PingId Network::ping(ClientId client, const wire::IpAddress& destination, Duration every) {
  pings_.push_back({.client = client, .destination = destination, .every = every});
  const PingId id = pings_.size() - 1;
  at(now_, [this, id] { ping_tick(id); });
  return id;
}

void Network::ping_tick(PingId id) {
  Ping& ping = pings_[id];
  if (!ping.running) return;
  ping.probes.push_back({.at = now_});
  send_probe(ping, ping.probes.size() - 1);
  at(now_ + ping.every, [this, id] { ping_tick(id); });
}

void Network::send_probe(Ping& ping, std::uint64_t index) {
  Client& client = clients_[ping.client];
  const wire::IpAddress hop = next_hop(client, ping.destination);
  const auto known = client.neighbours.find(hop);
  if (known == client.neighbours.end()) {
    ping.unresolved = index;
    resolve(client, hop);
    return;
  }
  const auto id = static_cast<std::uint64_t>(&ping - pings_.data());
  const Echo echo{.destination_mac = known->second,
                  .source_mac = client.mac,
                  .destination = ping.destination,
                  .source = client.address,
                  .sequence = (id << 32) | index};
  forward(client.port, std::make_shared<const Frame>(write_echo(echo)));
}

void Network::resolve(Client& client, const wire::IpAddress& address) {
  if (address.family == wire::Family::kIpv4) {
    Frame frame(wire::kArpFrame);
    wire::write_arp(frame, wire::Arp{.operation = wire::ArpOperation::kRequest,
                                     .ethernet_source = client.mac,
                                     .ethernet_destination = wire::kBroadcastMac,
                                     .sender_mac = client.mac,
                                     .sender = client.address.v4(),
                                     .target_mac = {},
                                     .target = address.v4()});
    forward(client.port, std::make_shared<const Frame>(std::move(frame)));
    return;
  }
  Frame frame(wire::kNeighbourSolicitationFrame);
  wire::write_solicitation(frame, client.mac, client.address.v6(), address.v6());
  forward(client.port, std::make_shared<const Frame>(std::move(frame)));
}

PingResult Network::ping_result(PingId id) const {
  PingResult result;
  for (const Probe& probe : pings_[id].probes) {
    ++result.sent;
    if (probe.replies > 0) ++result.answered;
    if (probe.replies > 1) ++result.twice;
    if (probe.replies == 0 && now_ - probe.at >= kAnswerTime) {
      ++result.lost;
      if (!result.first_lost) result.first_lost = probe.at;
      result.last_lost = probe.at;
    }
  }
  return result;
}

}  // namespace carp::sim

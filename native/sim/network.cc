// Hosts, their inputs and outputs, and time. The wires are in switch.cc.
#include "sim/network.h"

#include "core/check.h"
#include "wire/advertisement.h"
#include "wire/bytes.h"

namespace carp::sim {

namespace {

constexpr std::size_t kSocketFrames = 512;  // what a paused process finds when it wakes up
constexpr std::size_t kSentFrames = 200'000;
constexpr int kTimerSpin = 1000;

}  // namespace

Network::Network(std::uint64_t seed) : random_(seed) {}

// --- topology --------------------------------------------------------------------------------

SegmentId Network::add_segment() {
  segments_.emplace_back();
  return segments_.size() - 1;
}

HostId Network::add_host(const core::HostOptions& options) {
  hosts_.push_back(std::make_unique<SimHost>());
  hosts_.back()->options = options;
  return hosts_.size() - 1;
}

core::CarpdevId Network::add_carpdev(HostId host, SegmentId segment,
                                     const core::CarpdevConfig& config, std::string name) {
  SimHost& h = *hosts_[host];
  CARP_CHECK(!h.core);
  const auto id = static_cast<core::CarpdevId>(h.carpdevs.size());
  const PortId port = ports_.size();
  ports_.push_back({.segment = segment, .host = host, .carpdev = id});
  segments_[segment].ports.push_back(port);
  if (name.empty()) name = "eth" + std::to_string(id);
  h.carpdevs.push_back({.name = std::move(name), .port = port, .config = config});
  return id;
}

core::VhostId Network::add_vhost(HostId host, core::CarpdevId carpdev,
                                 const core::VhostConfig& config) {
  SimHost& h = *hosts_[host];
  const auto id = static_cast<core::VhostId>(h.vhosts.size());
  h.vhosts.push_back({.carpdev = carpdev, .config = config});
  if (h.core) {
    command(host, [=](core::Host& core, Instant now) {
      CARP_CHECK(core.add_vhost(now, carpdev, config) == id);
      core.set_ready(now, id, true);
    });
  }
  return id;
}

ClientId Network::add_client(SegmentId segment, const wire::MacAddress& mac,
                             const wire::IpAddress& address) {
  const PortId port = ports_.size();
  ports_.push_back({.segment = segment, .client = clients_.size()});
  segments_[segment].ports.push_back(port);
  clients_.push_back({.port = port, .mac = mac, .address = address});
  return clients_.size() - 1;
}

void Network::set_gateway(ClientId client, const wire::Prefix& own,
                          const wire::IpAddress& gateway) {
  clients_[client].own = own;
  clients_[client].gateway = gateway;
}

PortId Network::port(HostId host, core::CarpdevId carpdev) const {
  return hosts_[host]->carpdevs[carpdev].port;
}

// --- hosts -----------------------------------------------------------------------------------

void Network::boot(HostId host) {
  SimHost& h = *hosts_[host];
  CARP_CHECK(!h.core);
  h.core = std::make_unique<core::Host>();
  core::Host& core = *h.core;
  core.configure_options(now_, h.options);
  for (std::size_t i = 0; i < h.carpdevs.size(); ++i) {
    const core::CarpdevId id = core.add_carpdev(h.carpdevs[i].name);
    core.configure_carpdev(id, h.carpdevs[i].config);
    core.handle_link(now_, id, link(host, id));
  }
  if (h.boots++ > 0) ++h.epoch;
  for (std::size_t i = 0; i < h.vhosts.size(); ++i) {
    core::VhostConfig config = h.vhosts[i].config;
    if (h.epoch > 0) config.counter = std::uint64_t{h.epoch} << 32;
    const core::VhostId id = core.add_vhost(now_, h.vhosts[i].carpdev, config);
    CARP_CHECK(id == i && !h.vhosts[i].released);
    core.set_ready(now_, id, true);
  }
  drain(host);
}

void Network::crash(HostId host) {
  SimHost& h = *hosts_[host];
  h.core.reset();
  h.paused.reset();
  h.socket.clear();
  h.waiting.clear();
  h.timer.reset();
  ++h.timer_generation;
  for (VhostSpec& v : h.vhosts) v.up = false;
}

void Network::pause(HostId host, Pause how) { hosts_[host]->paused = how; }

void Network::resume(HostId host) {
  SimHost& h = *hosts_[host];
  if (!h.paused || !h.core) return;
  h.paused.reset();
  while (!h.socket.empty()) {
    const auto [carpdev, frame] = std::move(h.socket.front());
    h.socket.pop_front();
    deliver(host, carpdev, frame);
  }
  for (std::size_t i = 0; i < h.carpdevs.size(); ++i) {
    h.core->handle_link(now_, static_cast<core::CarpdevId>(i),
                        link(host, static_cast<core::CarpdevId>(i)));
    drain(host);
  }
  while (!h.waiting.empty()) {
    h.waiting.front()(*h.core, now_);
    h.waiting.pop_front();
    drain(host);
  }
  h.core->handle_timeout(now_);
  drain(host);
}

void Network::command(HostId host, std::function<void(core::Host&, Instant)> run) {
  SimHost& h = *hosts_[host];
  CARP_CHECK(h.core);
  if (h.paused) {
    h.waiting.push_back(std::move(run));
    return;
  }
  run(*h.core, now_);
  drain(host);
}

void Network::admin(HostId host, core::VhostId vhost, core::AdminAction action) {
  command(host, [=](core::Host& core, Instant now) { core.handle_admin(now, vhost, action); });
}

void Network::configure(HostId host, core::VhostId vhost, const core::VhostConfig& config) {
  hosts_[host]->vhosts[vhost].config = config;
  command(host, [=](core::Host& core, Instant now) { core.configure_vhost(now, vhost, config); });
}

void Network::drain(HostId host) {
  SimHost& h = *hosts_[host];
  core::Host& core = *h.core;
  core::Transmit transmit;
  while (core.poll_question(&transmit)) {
    core.handle_send_result(now_, transmit, send(host, transmit));
  }
  core::InterfaceChange change;
  while (core.poll_interface(&change)) {
    if (change.up && h.interface_fails) {
      core.handle_interface_failure(now_, change.vhost);
    } else {
      h.vhosts[change.vhost].up = change.up;
    }
  }
  while (core.poll_transmit(&transmit)) {
    core.handle_send_result(now_, transmit, send(host, transmit));
  }
  core::Event event;
  while (core.poll_event(&event)) {
    events_.emplace_back(host, event);
    if (event.kind == core::EventKind::kCounterEpoch) h.epoch = event.count;
    if (event.kind != core::EventKind::kVhostState) continue;
    changes_.push_back({.at = event.at,
                        .host = host,
                        .vhost = event.vhost,
                        .vhid = event.vhid,
                        .from = event.from,
                        .to = event.to,
                        .cause = event.cause,
                        .has_peer = event.has_peer,
                        .peer = event.peer});
  }
  core::VhostId released = 0;
  while (core.poll_released(&released)) h.vhosts[released].released = true;

  const std::optional<Instant> next = core.poll_timeout();
  if (next == h.timer) return;
  h.timer = next;
  const std::uint64_t generation = ++h.timer_generation;
  if (!next) return;
  schedule(std::max(*next, now_), Order::kTimer,
           [this, host, generation] { timer_fired(host, generation); });
}

void Network::timer_fired(HostId host, std::uint64_t generation) {
  SimHost& h = *hosts_[host];
  if (generation != h.timer_generation || !h.core) return;
  h.timer.reset();
  if (h.paused) return;  // resume() runs what is due
  h.timer_repeats = h.last_timer == now_ ? h.timer_repeats + 1 : 0;
  h.last_timer = now_;
  if (h.timer_repeats == kTimerSpin) violations_.push_back("a timer spins");
  if (h.timer_repeats >= kTimerSpin) return;
  h.core->handle_timeout(now_);
  drain(host);
}

core::SendResult Network::send(HostId host, const core::Transmit& transmit) {
  const CarpdevSpec& dev = hosts_[host]->carpdevs[transmit.carpdev];
  const Port& port = ports_[dev.port];
  if (dev.send_fails || !port.plugged || !dev.admin_up) return core::SendResult::kFailed;
  if (transmit.routed) return send_routed(host, transmit);
  const auto bytes = transmit.bytes();
  auto frame = std::make_shared<const Frame>(bytes.begin(), bytes.end());
  record(host, transmit, port.segment, *frame);
  forward(dev.port, frame);
  return core::SendResult::kOk;
}

// The kernel finds the next hop: a neighbour on the segment, or a router between segments, which
// takes one off the TTL.
core::SendResult Network::send_routed(HostId host, const core::Transmit& transmit) {
  const CarpdevSpec& from = hosts_[host]->carpdevs[transmit.carpdev];
  for (const std::unique_ptr<SimHost>& peer : hosts_) {
    for (const CarpdevSpec& to : peer->carpdevs) {
      const auto matches = [&](const wire::Prefix& own) {
        return own.address == transmit.destination;
      };
      if (std::none_of(to.config.addresses.begin(), to.config.addresses.end(), matches)) continue;
      const Port& port = ports_[to.port];
      const bool same = port.segment == ports_[from.port].segment;
      if (!peer->core || !port.plugged) return core::SendResult::kPeerUnreachable;
      const auto bytes = transmit.bytes();
      const bool v4 = transmit.destination.family == wire::Family::kIpv4;
      Frame frame(wire::kEthernetHeader + (v4 ? 0 : wire::kIpv6Header));
      frame.insert(frame.end(), bytes.begin(), bytes.end());
      wire::write_ethernet(frame, to.config.mac, from.config.mac,
                           v4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
      const auto packet = std::span<std::uint8_t>(frame).subspan(wire::kEthernetHeader);
      const std::uint8_t ttl = same ? 255 : 254;
      if (v4) {
        packet[8] = ttl;
        packet[10] = packet[11] = 0;
        const std::uint16_t sum = wire::checksum(packet.first(wire::kIpv4Header));
        packet[10] = static_cast<std::uint8_t>(sum >> 8);
        packet[11] = static_cast<std::uint8_t>(sum & 0xff);
      } else {
        wire::Writer w(packet);
        w.u32((6U << 28) | (std::uint32_t{wire::kTrafficClass} << 20));
        w.u16(static_cast<std::uint16_t>(bytes.size()));
        w.u8(wire::kProtocolCarp);
        w.u8(ttl);
        w.bytes(transmit.source.octets);
        w.bytes(transmit.destination.octets);
      }
      record(host, transmit, port.segment, frame);
      if (tap_) tap_(now_, port.segment, frame);
      transfer(from.port, to.port, std::make_shared<const Frame>(std::move(frame)));
      return core::SendResult::kOk;
    }
  }
  return core::SendResult::kPeerUnreachable;
}

void Network::record(HostId host, const core::Transmit& transmit, SegmentId segment,
                     const Frame& frame) {
  if (sent_.size() == kSentFrames) sent_.pop_front();
  sent_.push_back({.at = now_,
                   .segment = segment,
                   .host = host,
                   .carpdev = transmit.carpdev,
                   .vhost = transmit.vhost,
                   .kind = transmit.kind,
                   .frame = frame});
  check_sent(host, sent_.back());
}

void Network::check_sent(HostId host, const Sent& sent) {
  if (sent.vhost == core::kNoVhost) return;
  const std::string who =
      "host " + std::to_string(host) + " at " + std::to_string(now_.us) + " us: ";
  VhostSpec& spec = hosts_[host]->vhosts[sent.vhost];
  wire::MacAddress source;
  wire::Reader in(sent.frame);
  in.skip(6);
  in.copy(source.octets);
  if (source == wire::virtual_mac(spec.config.vhid) && !spec.up &&
      sent.kind != core::TransmitKind::kFarewell) {
    violations_.push_back(who + "the virtual MAC used while not forwarding");
  }
  if (const auto advertisement = sent.advertisement()) {
    const std::uint64_t counter = advertisement->advertisement.counter;
    if (counter <= spec.last_counter) violations_.push_back(who + "a counter that did not rise");
    spec.last_counter = counter;
  }
}

std::optional<wire::ReceivedAdvertisement> Sent::advertisement() const {
  const auto parsed = wire::parse_frame(frame);
  if (const auto* received = std::get_if<wire::ReceivedAdvertisement>(&parsed)) return *received;
  return std::nullopt;
}

void Network::deliver(HostId host, core::CarpdevId carpdev, const Frame& frame) {
  SimHost& h = *hosts_[host];
  if (!h.core) return;
  if (h.paused) {
    if (*h.paused == Pause::kProcess && h.socket.size() < kSocketFrames) {
      h.socket.emplace_back(carpdev, frame);
    }
    return;
  }
  h.core->handle_frame(now_, carpdev, frame);
  drain(host);
}

// --- time ------------------------------------------------------------------------------------

void Network::schedule(Instant when, Order order, std::function<void()> run) {
  queue_.push({when, order, sequence_++, std::move(run)});
}

void Network::at(Instant when, std::function<void()> run) {
  schedule(when, Order::kCommand, std::move(run));
}

void Network::run_until(Instant end) {
  while (!queue_.empty() && queue_.top().at <= end) {
    const Pending next = queue_.top();
    queue_.pop();
    now_ = std::max(now_, next.at);
    next.run();
  }
  now_ = std::max(now_, end);
}

// --- what can be seen ------------------------------------------------------------------------

const core::Vhost* Network::vhost(HostId host, core::VhostId vhost) const {
  return hosts_[host]->core ? hosts_[host]->core->vhost(vhost) : nullptr;
}

core::VhostState Network::state(HostId host, core::VhostId id) const {
  const core::Vhost* v = vhost(host, id);
  return v == nullptr ? core::VhostState::kInit : v->state();
}

bool Network::forwarding(HostId host, core::VhostId vhost) const {
  return hosts_[host]->vhosts[vhost].up;
}

std::vector<std::uint8_t> Network::pcap() const {
  std::vector<std::uint8_t> out(24);
  wire::Writer head(out);
  head.u32(0xa1b2c3d4);  // big-endian, microseconds
  head.u16(2);
  head.u16(4);
  head.zeros(8);
  head.u32(65535);
  head.u32(1);  // Ethernet
  for (const Sent& sent : sent_) {
    std::vector<std::uint8_t> record(16);
    wire::Writer w(record);
    w.u32(static_cast<std::uint32_t>(sent.at.us / 1'000'000));
    w.u32(static_cast<std::uint32_t>(sent.at.us % 1'000'000));
    w.u32(static_cast<std::uint32_t>(sent.frame.size()));
    w.u32(static_cast<std::uint32_t>(sent.frame.size()));
    out.insert(out.end(), record.begin(), record.end());
    out.insert(out.end(), sent.frame.begin(), sent.frame.end());
  }
  return out;
}

}  // namespace carp::sim

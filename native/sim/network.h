// A network on virtual time: hosts (each the real carp::core::Host), segments that switch frames,
// and clients that ping. One thread, no clock, no system call: a seed and a list of calls give the
// same run to the octet, on any machine.
//
// At one instant the order is: frames, links, commands, timers, and within each the order in which
// they were made; this is how the engine serves one wake-up. After every input a host's outputs are
// drained like the engine drains them: interface, transmit, events, released, timeout.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/host.h"
#include "sim/echo.h"
#include "sim/random.h"

namespace carp::sim {

using core::Duration;
using core::Instant;

using SegmentId = std::size_t;
using HostId = std::size_t;
using PortId = std::size_t;  // a plug in a segment, of a host's carpdev or of a client
using ClientId = std::size_t;
using PingId = std::size_t;
using Frame = std::vector<std::uint8_t>;

inline constexpr HostId kNoHost = ~HostId{0};

enum class Pause : std::uint8_t {
  kProcess,  // SIGSTOP: the kernel goes on forwarding, frames wait in the socket
  kMachine,  // a suspended virtual machine: nothing happens, frames are lost
};

struct StateChange {
  Instant at;
  HostId host = kNoHost;
  core::VhostId vhost = 0;
  std::uint8_t vhid = 0;
  core::VhostState from = core::VhostState::kInit;
  core::VhostState to = core::VhostState::kInit;
  core::Cause cause = core::Cause::kNone;
  bool has_peer = false;
  wire::IpAddress peer;
};

// A frame that somebody put on a segment; of a routed packet, as it would leave the host.
struct Sent {
  Instant at;
  SegmentId segment = 0;
  HostId host = kNoHost;  // kNoHost: a client or a crafted frame
  core::CarpdevId carpdev = 0;
  core::VhostId vhost = core::kNoVhost;
  core::TransmitKind kind = core::TransmitKind::kAdvertisement;  // of a host's frame
  Frame frame;

  std::optional<wire::ReceivedAdvertisement> advertisement() const;
};

// One ping, sent and perhaps answered.
struct Probe {
  Instant at;
  int replies = 0;
  Instant first_reply;  // means something with replies > 0
};

struct PingResult {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t twice = 0;  // answered by more than one host
  std::uint64_t lost = 0;   // unanswered 20 ms after it was sent
  std::optional<Instant> first_lost;
  std::optional<Instant> last_lost;
};

class Network {
 public:
  // True lets the frame pass.
  using Filter = std::function<bool(PortId from, PortId to, std::span<const std::uint8_t> frame)>;
  // Sees every frame that somebody puts on a segment.
  using Tap = std::function<void(Instant, SegmentId, std::span<const std::uint8_t> frame)>;

  explicit Network(std::uint64_t seed = 1);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // --- topology ------------------------------------------------------------------------------

  SegmentId add_segment();
  // A host is off until boot(). Its ids count from 0 in the order of the calls.
  HostId add_host(const core::HostOptions& options = {});
  // Without a name it is called eth and its id.
  core::CarpdevId add_carpdev(HostId host, SegmentId segment, const core::CarpdevConfig& config,
                              std::string name = "");
  core::VhostId add_vhost(HostId host, core::CarpdevId carpdev, const core::VhostConfig& config);
  ClientId add_client(SegmentId segment, const wire::MacAddress& mac,
                      const wire::IpAddress& address);
  // What is not in `own` is sent to the gateway; without this call everything is on the segment.
  void set_gateway(ClientId client, const wire::Prefix& own, const wire::IpAddress& gateway);
  PortId port(HostId host, core::CarpdevId carpdev) const;
  PortId client_port(ClientId client) const { return clients_[client].port; }

  // --- hosts ---------------------------------------------------------------------------------

  // Starts carpd. A second boot continues with the next counter epoch, as the daemon does.
  void boot(HostId host);
  void crash(HostId host);  // SIGKILL and the janitor: the VIPs are gone at once
  void pause(HostId host, Pause how);
  void resume(HostId host);
  bool running(HostId host) const { return hosts_[host]->core != nullptr; }
  // An input of the operator; waits while the host is paused.
  void command(HostId host, std::function<void(core::Host&, Instant)> run);
  void admin(HostId host, core::VhostId vhost, core::AdminAction action);
  void configure(HostId host, core::VhostId vhost, const core::VhostConfig& config);

  // --- faults --------------------------------------------------------------------------------

  void set_plugged(PortId port, bool plugged);
  void set_admin_up(HostId host, core::CarpdevId carpdev, bool up);
  // A segment may be several switches in a chain; a port hangs on number 0 at first. A split cuts
  // the cables between them. Each switch learns for itself, also across the cut.
  void set_side(PortId port, int side) { ports_[port].side = side; }
  void set_split(SegmentId segment, bool split) { segments_[segment].split = split; }
  void set_blocked(PortId from, PortId to, bool blocked);
  void set_filter(SegmentId segment, Filter filter) {
    segments_[segment].filter = std::move(filter);
  }
  void set_loss(SegmentId segment, std::uint32_t per_million) {
    segments_[segment].loss = per_million;
  }
  // Each frame takes `base` and up to `jitter` more; 50 us and 0 at first.
  void set_delay(SegmentId segment, Duration base, Duration jitter);
  void set_tap(Tap tap) { tap_ = std::move(tap); }
  void set_send_failure(HostId host, core::CarpdevId carpdev, bool fails);
  void set_interface_failure(HostId host, bool fails) { hosts_[host]->interface_fails = fails; }

  // --- frames and pings ----------------------------------------------------------------------

  // Puts a frame on the wire as if the owner of the port had sent it.
  void inject(PortId from, Frame frame);
  void inject_at(Instant at, PortId from, Frame frame);
  // `destination`: a VIP, or another client that a router with a VIP as its address leads to.
  PingId ping(ClientId client, const wire::IpAddress& destination, Duration every);
  void stop_ping(PingId ping) { pings_[ping].running = false; }
  std::span<const Probe> probes(PingId ping) const { return pings_[ping].probes; }
  PingResult ping_result(PingId ping) const;
  std::optional<wire::MacAddress> neighbour(ClientId client, const wire::IpAddress& address) const;
  void forget_neighbour(ClientId client, const wire::IpAddress& address);
  // Solicited neighbour advertisements that reached the client.
  std::uint64_t neighbour_answers(ClientId client) const { return clients_[client].answers6; }
  // ARP replies that reached the client.
  std::uint64_t arp_replies(ClientId client) const { return clients_[client].arp_replies; }

  // --- time ----------------------------------------------------------------------------------

  Instant now() const { return now_; }
  void at(Instant when, std::function<void()> run);
  void run_until(Instant end);
  void run_for(Duration time) { run_until(now_ + time); }

  // --- what can be seen ----------------------------------------------------------------------

  const core::Host* core(HostId host) const { return hosts_[host]->core.get(); }
  const core::Vhost* vhost(HostId host, core::VhostId vhost) const;
  // INIT when the host is off.
  core::VhostState state(HostId host, core::VhostId vhost) const;
  // The VIP interface is up, so the kernel forwards.
  bool forwarding(HostId host, core::VhostId vhost) const;
  const std::vector<StateChange>& changes() const { return changes_; }
  const std::vector<std::pair<HostId, core::Event>>& events() const { return events_; }
  const std::deque<Sent>& sent() const { return sent_; }
  void forget_sent() { sent_.clear(); }
  // Rules that hold in every run and were broken: a BACKUP that used the virtual MAC, a counter
  // that did not rise, a timer that spins. Empty is right.
  const std::vector<std::string>& violations() const { return violations_; }
  Random& random() { return random_; }
  // All that `sent()` holds, as a capture file for Wireshark.
  std::vector<std::uint8_t> pcap() const;

 private:
  enum class Order : std::uint8_t { kFrame, kLink, kCommand, kTimer };
  struct Pending {
    Instant at;
    Order order;
    std::uint64_t sequence;
    std::function<void()> run;
    bool operator>(const Pending& other) const {
      return std::tie(at.us, order, sequence) > std::tie(other.at.us, other.order, other.sequence);
    }
  };
  struct Port {
    SegmentId segment = 0;
    HostId host = kNoHost;
    core::CarpdevId carpdev = 0;
    ClientId client = 0;
    bool plugged = true;
    int side = 0;
  };
  struct Segment {
    std::vector<PortId> ports;
    std::map<std::pair<int, wire::MacAddress>, PortId> learnt;  // by switch
    bool split = false;
    Filter filter;
    std::uint32_t loss = 0;
    Duration delay{50};
    Duration jitter{0};
  };
  struct VhostSpec {
    core::CarpdevId carpdev = 0;
    core::VhostConfig config;
    bool up = false;
    bool released = false;
    std::uint64_t last_counter = 0;
  };
  struct CarpdevSpec {
    std::string name;
    PortId port = 0;
    core::CarpdevConfig config;
    bool admin_up = true;
    bool send_fails = false;
  };
  struct SimHost {
    core::HostOptions options;
    std::vector<CarpdevSpec> carpdevs;
    std::vector<VhostSpec> vhosts;
    std::unique_ptr<core::Host> core;
    std::uint64_t boots = 0;
    std::uint32_t epoch = 0;
    bool interface_fails = false;
    std::optional<Pause> paused;
    std::deque<std::pair<core::CarpdevId, Frame>> socket;
    std::deque<std::function<void(core::Host&, Instant)>> waiting;
    std::optional<Instant> timer;
    std::uint64_t timer_generation = 0;
    Instant last_timer{-1};
    int timer_repeats = 0;
  };
  struct Client {
    PortId port = 0;
    wire::MacAddress mac;
    wire::IpAddress address;
    std::map<wire::IpAddress, wire::MacAddress> neighbours;
    std::uint64_t arp_replies = 0;
    std::uint64_t answers6 = 0;
    wire::Prefix own;
    std::optional<wire::IpAddress> gateway;
    std::map<wire::IpAddress, Echo> waiting;  // by next hop: the newest answer to a ping
  };
  struct Ping {
    ClientId client = 0;
    wire::IpAddress destination;
    Duration every{};
    bool running = true;
    std::optional<std::uint64_t> unresolved;  // sent as soon as the MAC is known
    std::vector<Probe> probes;
  };

  void schedule(Instant when, Order order, std::function<void()> run);
  void drain(HostId host);
  core::SendResult send(HostId host, const core::Transmit& transmit);
  core::SendResult send_routed(HostId host, const core::Transmit& transmit);
  void record(HostId host, const core::Transmit& transmit, SegmentId segment, const Frame& frame);
  void check_sent(HostId host, const Sent& sent);
  void forward(PortId from, const std::shared_ptr<const Frame>& frame);
  void through_switch(PortId from, int side, bool over_trunk,
                      const std::shared_ptr<const Frame>& frame);
  void transfer(PortId from, PortId to, const std::shared_ptr<const Frame>& frame);
  void arrive(PortId to, const Frame& frame);
  void arrive_at_host(const Port& port, const Frame& frame);
  void arrive_at_client(Client& client, const Frame& frame);
  void answer_echo(const Port& port, const Echo& echo);
  void route_echo(const SimHost& host, core::CarpdevId from, const Echo& echo);
  void answer_for_own_address(const Port& port, const Frame& frame);
  void deliver(HostId host, core::CarpdevId carpdev, const Frame& frame);
  core::LinkState link(HostId host, core::CarpdevId carpdev) const;
  void link_changed(HostId host, core::CarpdevId carpdev);
  void timer_fired(HostId host, std::uint64_t generation);
  void ping_tick(PingId ping);
  void send_probe(Ping& ping, std::uint64_t index);
  void answer_as_client(Client& client, const Echo& echo);
  wire::IpAddress next_hop(const Client& client, const wire::IpAddress& destination) const;
  void resolve(Client& client, const wire::IpAddress& address);
  void learn(Client& client, const wire::IpAddress& address, const wire::MacAddress& mac);

  Random random_;
  Instant now_{0};
  std::uint64_t sequence_ = 0;
  std::priority_queue<Pending, std::vector<Pending>, std::greater<>> queue_;
  std::vector<Segment> segments_;
  std::vector<Port> ports_;
  std::vector<std::unique_ptr<SimHost>> hosts_;
  std::vector<Client> clients_;
  std::vector<Ping> pings_;
  std::set<std::pair<PortId, PortId>> blocked_;
  std::vector<StateChange> changes_;
  std::vector<std::pair<HostId, core::Event>> events_;
  std::deque<Sent> sent_;
  Tap tap_;
  std::vector<std::string> violations_;
};

}  // namespace carp::sim

// The engine thread: joins the core to the system. One epoll loop; in each turn frames first, then
// links, commands, timers, so that what has arrived is known before anything is concluded from
// silence.
//
// After start nothing here takes a lock or waits for another thread. It allocates only while a
// configuration or the set of interfaces changes. Work in one turn is bounded: a batch budget for
// frames, one virtual interface made a turn.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/host.h"
#include "engine/lateness.h"
#include "engine/link_tracks.h"
#include "engine/link_worker.h"
#include "engine/messages.h"
#include "engine/port.h"
#include "engine/ring.h"
#include "sys/janitor_client.h"
#include "sys/netlink_client.h"
#include "sys/netlink_monitor.h"
#include "sys/packet_socket.h"
#include "sys/poller.h"
#include "sys/sysctl.h"
#include "sys/timer.h"
#include "sys/virtual_interface.h"
#include "sys/wakeup.h"

namespace carp::engine {

// What the poller calls its descriptors. A port has four numbers: PortSocket.
enum Tag : std::uint64_t {
  kWakeup,
  kTimer,
  kMonitor,
  kJanitor,
  kUnicastArp,
  kUnicastNeighbour,
  kPorts = 16,
};

struct StartOptions {
  std::string janitor;         // path of carp-janitor
  std::string owner;           // marks our interfaces
  std::string sysctl_journal;  // path
  int realtime_priority = 50;  // 1..99; 0: stay with SCHED_OTHER
  bool lock_memory = true;
};

// What both threads touch, and nothing else.
struct Channel {
  Ring<Command, 256> commands;
  Ring<Message, 512> messages;
  sys::Wakeup wakeup;
  std::function<void()> doorbell;
  std::atomic<bool> waiting_for_room{false};
  std::atomic<bool> abandon{false};  // the JavaScript side is gone: end at once, the janitor cleans
};

class Loop {
 public:
  explicit Loop(Channel* channel) : channel_(channel) {}

  // Everything that may fail for want of privilege.
  sys::Status open(const StartOptions& options);
  // Until the engine is stopped. Same thread as open() and the destructor.
  void run();

 private:
  // A vhid with its virtual interface. Its index in slots_ is its VhostId once it is in the core.
  struct Slot {
    VhostSpec spec;
    IfName name{};
    IfName carpdev{};
    std::size_t port = 0;
    std::unique_ptr<sys::VirtualInterface> interface;
    Wanted wanted = std::make_shared<std::atomic<bool>>(false);
    bool removing = false;
    bool made = false;                               // the virtual interface exists
    bool deleted = false;                            // by somebody else
    std::optional<core::Instant> make_after;         // after a failure
    core::Duration retry = std::chrono::seconds{1};  // doubled by each failure
  };
  struct Waiting {
    std::uint32_t sequence;
    core::VhostId vhost;
  };

  // loop.cc: the turn
  void take_frames(std::span<const sys::Ready> ready);
  void take_port_frames(std::size_t port, PortSocket which);
  void take_unicast(sys::PacketSocket& socket);
  void take_links();
  void take_commands();
  void take_timers();
  void flush();
  void transmit(const core::Transmit& frame);
  std::optional<core::Instant> next_deadline() const;

  // loop_interfaces.cc: ports and virtual interfaces
  void note_link(const sys::LinkInfo& link, bool removed);
  void note_address(const sys::AddressInfo& address, bool removed);
  void resynchronise();
  void refresh_addresses(std::size_t port);
  std::size_t port_of(const std::string& name);
  void open_port(std::size_t index, const sys::LinkInfo& link);
  void close_port(std::size_t index);
  void make_one_interface();
  void make_interface(core::VhostId id);
  void forget_interface(int ifindex);
  void rebuild_filters(core::CarpdevId carpdev);
  void want_unicast_neighbours();
  void switch_interface(const core::InterfaceChange& change);
  void release(core::VhostId id);
  void remove_interface(Slot& slot);
  void take_link_failures();
  bool is_vip(const wire::IpAddress& address) const;
  void watch_janitor();
  void start_janitor_again();

  // loop_commands.cc: commands and messages
  void handle(Command& command);
  void configure(Command& command);
  void apply_configuration();
  void admin(const Command& command);
  core::DemotionResult demote(std::string_view reason, std::int32_t level, std::string_view group);
  void settle();
  void done(std::uint32_t sequence, std::string_view code, std::string_view target);
  void report(std::string_view code, const sys::Status& status);
  bool post(Message&& message);
  void ring_doorbell();
  void post_event(const core::Event& event);
  void continue_snapshot();
  void fill(CarpdevRecord* record, Port& port) const;
  bool fill_balance(std::size_t i, BalanceRecord* record) const;
  void finish();

  Channel* channel_;
  StartOptions options_;
  core::Host host_;
  core::Instant now_;
  core::Instant woke_at_;  // when this turn began

  sys::Poller poller_;
  sys::DeadlineTimer timer_;
  sys::NetlinkMonitor monitor_;
  sys::NetlinkClient netlink_;
  sys::JanitorClient janitor_;
  std::optional<sys::SysctlKeeper> sysctls_;
  LinkWorker links_;
  sys::PacketSocket sender_;
  // Questions sent to a virtual MAC arrive on the macvlan.
  sys::PacketSocket unicast_arp_;
  sys::PacketSocket unicast_neighbour_;  // open as soon as there is an IPv6 VIP

  std::vector<std::unique_ptr<Port>> ports_;
  std::vector<std::unique_ptr<Slot>> slots_;  // by VhostId
  std::vector<sys::AddressInfo> addresses_;   // of all interfaces, as netlink told
  bool drained_ = true;
  LinkTracks tracks_{[this](const LinkTrack& track, std::int32_t level) {
    demote(track.reason, level, track.group);
  }};

  std::unique_ptr<EngineConfig> pending_config_;  // not all of it could be applied yet
  std::uint32_t pending_sequence_ = 0;
  bool config_failed_ = false;
  std::vector<Waiting> waiting_;  // commands that are answered once a hand-over is done
  bool stopping_ = false;
  bool stopped_ = false;

  bool snapshot_running_ = false;
  std::uint32_t snapshot_sequence_ = 0;
  std::size_t snapshot_cursor_ = 0;
  std::uint32_t snapshot_again_ = 0;

  std::uint32_t messages_lost_ = 0;
  bool doorbell_due_ = false;
  Lateness lateness_;
  std::optional<core::Instant> send_fault_at_;
  std::string scheduler_;
  std::string memory_;
  bool realtime_ = false;
  bool memory_locked_ = false;
};

}  // namespace carp::engine

// The turn of the engine thread: wait, frames, links, commands, timers, send. See loop.h.
#include "engine/loop.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <pthread.h>

#include <cerrno>
#include <csignal>

#include "sys/bpf.h"
#include "sys/clock.h"
#include "sys/realtime.h"

namespace carp::engine {

namespace {

// Frames taken from one socket in one turn: 1,024 are a second of the worst flood that a router
// port lets through in 4 ms. More waits for the next turn, so that what is due is sent first.
constexpr int kBatchesPerTurn = 16;

// A turn takes microseconds; one that took longer than this may have missed frames.
constexpr core::Duration kTurnLong = std::chrono::milliseconds{2};

constexpr core::Duration kSendFaultQuiet = std::chrono::seconds{10};

bool is_unreachable(int error) {
  return error == EHOSTUNREACH || error == EHOSTDOWN || error == ENETUNREACH;
}

}  // namespace

sys::Status Loop::open(const StartOptions& options) {
  options_ = options;
  now_ = sys::monotonic_now();
  sys::Status status = janitor_.start(options.janitor, options.owner);
  if (!status.ok()) return status;
  sysctls_.emplace(options.sysctl_journal, &janitor_);
  if (!(status = sysctls_->load_journal()).ok()) return status;
  if (!(status = netlink_.open()).ok()) return status;
  int removed = 0;
  if (!(status = sys::remove_leftovers(netlink_, options.owner, &removed)).ok()) return status;
  if (!(status = monitor_.open()).ok()) return status;
  if (!(status = poller_.open()).ok()) return status;
  if (!(status = timer_.open()).ok()) return status;
  const auto wake = [this] { channel_->wakeup.signal(); };
  if (!(status = links_.start(wake, options.realtime_priority)).ok()) return status;
  if (!(status = sender_.open_sender()).ok()) return status;
  const sys::BpfProgram program = sys::build_any_arp_filter(sys::ArpDelivery::kUnicastOnly);
  if (!(status = unicast_arp_.open(ETH_P_ARP, 0, program)).ok()) return status;
  if (!(status = poller_.add(channel_->wakeup.fd(), kWakeup)).ok()) return status;
  if (!(status = poller_.add(timer_.fd(), kTimer)).ok()) return status;
  if (!(status = poller_.add(monitor_.fd(), kMonitor)).ok()) return status;
  if (!(status = poller_.add(janitor_.fd(), kJanitor)).ok()) return status;
  if (!(status = poller_.add(unicast_arp_.fd(), kUnicastArp)).ok()) return status;
  return netlink_.list_addresses(&addresses_);
}

void Loop::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are the JavaScript thread's
  sys::name_thread("carp-engine");
  if (options_.realtime_priority > 0) {
    const sys::RealtimeResult fifo = sys::try_fifo(options_.realtime_priority);
    realtime_ = fifo.granted;
    scheduler_ = fifo.text;
  } else {
    scheduler_ = "SCHED_OTHER: as configured";
  }
  if (options_.lock_memory) {
    const std::array<sys::MemoryRange, 3> ranges{{
        {channel_->commands.memory(), decltype(channel_->commands)::bytes()},
        {channel_->messages.memory(), decltype(channel_->messages)::bytes()},
        {this, sizeof *this},
    }};
    const sys::RealtimeResult locked = sys::try_lock_memory(ranges);
    memory_locked_ = locked.granted;
    memory_ = locked.text;
  } else {
    memory_ = "not locked: as configured";
  }
  std::array<sys::Ready, sys::Poller::kMaxReady> ready;
  while (!stopped_) {
    if (const auto failed = timer_.arm(next_deadline()); !failed.ok()) {
      report("TIMER_FAILED", failed);
    }
    ring_doorbell();
    const std::size_t n = drained_ ? poller_.wait(ready) : poller_.poll(ready);
    now_ = woke_at_ = sys::monotonic_now();
    if (channel_->abandon.load(std::memory_order_acquire)) {
      finish();
      break;
    }
    take_frames({ready.data(), n});
    if (n == ready.size()) drained_ = false;  // there may be more that are ready
    for (std::size_t i = 0; i < n; ++i) {
      if (ready[i].tag == kMonitor) take_links();
      if (ready[i].tag == kJanitor) watch_janitor();
      if (ready[i].tag == kWakeup) channel_->wakeup.drain();
      if (ready[i].tag == kTimer) timer_.drain();
    }
    take_commands();
    take_timers();
    settle();
  }
}

void Loop::take_frames(std::span<const sys::Ready> ready) {
  drained_ = true;
  for (const sys::Ready& r : ready) {
    if (r.tag == kUnicastArp) take_unicast(unicast_arp_);
    if (r.tag == kUnicastNeighbour) take_unicast(unicast_neighbour_);
    if (r.tag < kPorts) continue;
    take_port_frames((r.tag - kPorts) / 4, static_cast<PortSocket>((r.tag - kPorts) % 4));
  }
}

void Loop::take_port_frames(std::size_t index, PortSocket which) {
  if (index >= ports_.size() || !ports_[index]) return;
  sys::PacketSocket& socket = ports_[index]->socket(which);
  for (int batch = 0; batch < kBatchesPerTurn; ++batch) {
    if (!socket.is_open()) return;
    const sys::ReceiveResult result = socket.recv_batch();
    now_ = sys::monotonic_now();
    for (const sys::Received& received : result.frames) {
      // What a macvlan took shows here a second time, with the macvlan's index.
      if (received.ifindex != ports_[index]->ifindex()) continue;
      host_.handle_frame(now_, ports_[index]->id(), received.frame);
    }
    flush();
    // A frame may have ended the last vhid of this port, and the port with it.
    if (!result.more || !ports_[index]) return;
  }
  drained_ = false;
}

void Loop::take_unicast(sys::PacketSocket& socket) {
  const sys::ReceiveResult result = socket.recv_batch();
  for (const sys::Received& received : result.frames) {
    for (const std::unique_ptr<Slot>& slot : slots_) {
      // The carpdev's own socket has seen what did not come through a macvlan.
      if (!slot || !slot->made || slot->interface->mode() != sys::MacMode::kVirtual) continue;
      if (slot->interface->ifindex() != received.ifindex) continue;
      host_.handle_frame(now_, ports_[slot->port]->id(), received.frame);
      break;
    }
  }
  flush();
}

void Loop::take_links() {
  const sys::Status status = monitor_.read([this](const sys::NetlinkEvent& event) {
    if (const auto* link = std::get_if<sys::LinkChanged>(&event)) {
      note_link(link->link, link->removed);
    } else if (const auto* address = std::get_if<sys::AddressChanged>(&event)) {
      note_address(address->address, address->removed);
    } else {
      resynchronise();
    }
  });
  if (!status.ok()) report("NETLINK_FAILED", status);
  flush();
}

void Loop::take_commands() {
  Command command;
  while (channel_->commands.pop(&command)) {
    handle(command);
    command = Command{};
    flush();
  }
}

void Loop::take_timers() {
  now_ = sys::monotonic_now();
  tracks_.handle_timeout(now_);
  const std::optional<core::Instant> due = host_.poll_timeout();
  if (!due || *due > now_) {
    flush();
    return;
  }
  if (now_ - woke_at_ > kTurnLong) {
    // The thread stood still since it looked (stopped, or waiting for the kernel in a request):
    // what arrived meanwhile comes before what follows from silence.
    std::array<sys::Ready, sys::Poller::kMaxReady> ready;
    const std::size_t n = poller_.poll(ready);
    take_frames({ready.data(), n});
    if (n == ready.size()) drained_ = false;
    now_ = sys::monotonic_now();
  }
  host_.handle_timeout(now_, drained_);
  flush();
}

std::optional<core::Instant> Loop::next_deadline() const {
  std::optional<core::Instant> next = host_.poll_timeout();
  const std::optional<core::Instant> track = tracks_.deadline();
  if (track && (!next || *track < *next)) next = track;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (!slot || slot->made || slot->removing) continue;
    if (ports_[slot->port]->ifindex() == 0) continue;
    const core::Instant at = slot->make_after.value_or(now_);
    if (!next || at < *next) next = at;
  }
  return next;
}

// First the questions of a group take-over: switching a virtual interface may wait for the kernel's
// lock, and the answer is due in milliseconds. Then virtual interfaces before frames: a VIP works
// before it is announced, and is gone before anything else is said (spec trap 21).
void Loop::flush() {
  core::Transmit question;
  while (host_.poll_question(&question)) transmit(question);
  core::InterfaceChange change;
  while (host_.poll_interface(&change)) switch_interface(change);
  core::CarpdevId carpdev = 0;
  while (host_.poll_filter(&carpdev)) rebuild_filters(carpdev);
  core::Transmit frame;
  while (host_.poll_transmit(&frame)) transmit(frame);
  core::Event event;
  while (host_.poll_event(&event)) post_event(event);
  core::VhostId released = 0;
  while (host_.poll_released(&released)) release(released);
}

void Loop::transmit(const core::Transmit& frame) {
  Port& port = *ports_[frame.carpdev];
  int error = 0;
  if (!frame.routed) {
    error = sender_.send(port.ifindex(), frame.bytes());
  } else if (frame.destination.family == wire::Family::kIpv4) {
    error = port.routed().send_v4(frame.bytes());
  } else {
    const wire::Ipv6Address to = frame.destination.v6();
    error = port.routed().send_v6(frame.source.v6(), to, to.is_link_local() ? port.ifindex() : 0,
                                  frame.bytes());
  }
  if (frame.scheduled) lateness_.add((sys::monotonic_now() - frame.due).count());
  core::SendResult result = core::SendResult::kOk;
  if (error != 0) {
    result = frame.routed && is_unreachable(error) ? core::SendResult::kPeerUnreachable
                                                   : core::SendResult::kFailed;
    if (!send_fault_at_ || now_ - *send_fault_at_ >= kSendFaultQuiet) {
      send_fault_at_ = now_;
      report("SEND_FAILED", sys::Status::failure("send", port.name(), error));
    }
  }
  const bool question = frame.kind == core::TransmitKind::kAliveQuestion;
  host_.handle_send_result(question ? sys::monotonic_now() : now_, frame, result);
}

}  // namespace carp::engine

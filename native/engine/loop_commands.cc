// Commands from JavaScript and messages to it. See messages.h.
#include <algorithm>

#include "engine/loop.h"
#include "engine/record.h"
#include "sys/clock.h"
#include "sys/sysctl.h"

namespace carp::engine {

namespace {

// Room kept in the message ring for answers: events are dropped before an answer is.
constexpr std::size_t kReservedForAnswers = 128;

bool same(const core::VhostConfig& a, const core::VhostConfig& b) {
  return a.advbase_s == b.advbase_s && a.advskew == b.advskew && a.enabled == b.enabled &&
         a.profile == b.profile && a.key == b.key && a.vips == b.vips && a.peers == b.peers &&
         a.group == b.group && a.balance_rank == b.balance_rank;
}

}  // namespace

void Loop::handle(Command& command) {
  switch (command.kind) {
    case CommandKind::kConfigure:
      configure(command);
      break;
    case CommandKind::kAdmin:
      admin(command);
      break;
    case CommandKind::kDemotion: {
      const std::string_view reason(command.reason.data());
      const std::string_view group(command.group.data());
      switch (demote(reason, command.level, group)) {
        case core::DemotionResult::kOk:
          done(command.sequence, "", reason);
          break;
        case core::DemotionResult::kTooManyReasons:
          done(command.sequence, "TOO_MANY_REASONS", reason);
          break;
        case core::DemotionResult::kNoSuchGroup:
          done(command.sequence, "NO_SUCH_GROUP", group);
          break;
      }
      break;
    }
    case CommandKind::kSnapshot:
      if (snapshot_running_) {
        done(command.sequence, "BUSY", "snapshot");
        break;
      }
      snapshot_running_ = true;
      snapshot_sequence_ = command.sequence;
      snapshot_cursor_ = 0;
      break;
    case CommandKind::kStop:
      stopping_ = true;
      host_.handle_stop(now_);
      break;
  }
}

// --- configuration ---------------------------------------------------------------------------

void Loop::configure(Command& command) {
  if (pending_config_) done(pending_sequence_, "SUPERSEDED", "configure");
  pending_config_ = std::move(command.config);
  pending_sequence_ = command.sequence;
  std::string forwarding;
  if (sys::read_sysctl("net/ipv6/conf/all/forwarding", &forwarding).ok()) {
    pending_config_->options.router = forwarding == "1";
  } else {
    pending_config_->options.router = false;  // no IPv6 here
  }
  host_.configure_options(now_, pending_config_->options);
  std::vector<LinkTrack> tracks = std::move(pending_config_->tracks);
  const core::Duration up_delay = pending_config_->options.link_up_delay;
  apply_configuration();
  std::vector<sys::LinkInfo> links;
  if (!tracks.empty()) {
    const sys::Status status = netlink_.list_links(&links);
    if (!status.ok()) report("NETLINK_FAILED", status);
  }
  tracks_.configure(now_, std::move(tracks), up_delay, links);
}

core::DemotionResult Loop::demote(std::string_view reason, std::int32_t level,
                                  std::string_view group) {
  return host_.handle_demotion(now_, reason, level, group);
}

// Does what can be done now; run again each turn until nothing is left. A vhid that moves (other
// carpdev, name or MAC mode) is removed first, and a MASTER lets go before its successor is made:
// never two virtual MACs of one vhid at once.
void Loop::apply_configuration() {
  const auto matches = [](const Slot& slot, const VhostSpec& spec) {
    return slot.spec.name == spec.name && slot.spec.carpdev == spec.carpdev &&
           slot.spec.config.vhid == spec.config.vhid && slot.spec.config.mac == spec.config.mac;
  };
  for (std::size_t id = 0; id < slots_.size(); ++id) {
    if (!slots_[id] || slots_[id]->removing) continue;
    const bool wanted = std::any_of(pending_config_->vhosts.begin(), pending_config_->vhosts.end(),
                                    [&](const VhostSpec& s) { return matches(*slots_[id], s); });
    if (wanted) continue;
    slots_[id]->removing = true;
    host_.remove_vhost(now_, static_cast<core::VhostId>(id));
  }
  flush();
  bool complete = true;
  for (const VhostSpec& spec : pending_config_->vhosts) {
    Slot* existing = nullptr;
    core::VhostId id = 0;
    bool conflict = false;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!slots_[i]) continue;
      if (!slots_[i]->removing && matches(*slots_[i], spec)) {
        existing = slots_[i].get();
        id = static_cast<core::VhostId>(i);
      }
      conflict =
          conflict || (slots_[i]->removing && (slots_[i]->spec.name == spec.name ||
                                               (slots_[i]->spec.carpdev == spec.carpdev &&
                                                slots_[i]->spec.config.vhid == spec.config.vhid)));
    }
    if (existing == nullptr && conflict) {
      complete = false;
      continue;
    }
    if (existing == nullptr) {
      const std::size_t port = port_of(spec.carpdev);
      id = host_.add_vhost(now_, ports_[port]->id(), spec.config);
      if (id >= slots_.size()) slots_.resize(id + 1U);
      slots_[id] = std::make_unique<Slot>();
      existing = slots_[id].get();
      existing->spec = spec;
      existing->port = port;
      existing->name = to_array<16>(spec.name);
      existing->carpdev = to_array<16>(spec.carpdev);
      existing->interface = std::make_unique<sys::VirtualInterface>(netlink_, *sysctls_, &janitor_);
      complete = false;  // its interface is made in later turns
    } else if (!same(existing->spec.config, spec.config)) {
      // Addresses first: an announced VIP already works.
      if (existing->made) {
        const sys::Status status = existing->interface->set_addresses(spec.config.vips);
        if (!status.ok()) report("INTERFACE_FAILED", status);
      }
      existing->spec = spec;
      existing->make_after.reset();  // what failed before may work now
      host_.configure_vhost(now_, id, spec.config);
    } else {
      if (!existing->made && !existing->make_after && ports_[existing->port]->ifindex() != 0) {
        complete = false;
      }
      continue;
    }
    if (!spec.config.peers.empty()) {
      const sys::Status status = ports_[existing->port]->want_routed();
      if (!status.ok()) report("CARPDEV_FAILED", status);
    }
    refresh_addresses(existing->port);
  }
  const bool removing = std::any_of(slots_.begin(), slots_.end(),
                                    [](const auto& slot) { return slot && slot->removing; });
  if (!complete || removing) return;
  tracks_.reassert();  // a group may have come with a vhid that had to wait
  done(pending_sequence_, "", "");
  pending_config_.reset();
}

void Loop::admin(const Command& command) {
  const std::string_view name(command.name.data());
  for (std::size_t id = 0; id < slots_.size(); ++id) {
    if (!slots_[id] || slots_[id]->removing || slots_[id]->spec.name != name) continue;
    const auto vhost = static_cast<core::VhostId>(id);
    if (!host_.handle_admin(now_, vhost, command.action)) {
      done(command.sequence, "IN_INIT", name);
    } else if (host_.vhost(vhost)->handing_over()) {
      waiting_.push_back({command.sequence, vhost});
    } else {
      done(command.sequence, "", name);
    }
    return;
  }
  done(command.sequence, "NOT_FOUND", name);
}

// What is left to do at the end of a turn.
void Loop::settle() {
  take_link_failures();
  make_one_interface();
  if (pending_config_) apply_configuration();
  flush();
  std::erase_if(waiting_, [this](const Waiting& w) {
    const core::Vhost* vhost = host_.vhost(w.vhost);
    if (vhost != nullptr && vhost->handing_over()) return false;
    done(w.sequence, "", "");
    return true;
  });
  if (snapshot_running_) continue_snapshot();
  if (stopping_ && host_.idle()) finish();
}

void Loop::finish() {
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot) remove_interface(*slot);
  }
  links_.stop();
  take_link_failures();
  const sys::Status status = sysctls_->restore_all();
  if (!status.ok()) report("SYSCTL_FAILED", status);
  janitor_.finish();
  for (const Waiting& w : waiting_) done(w.sequence, "", "");
  waiting_.clear();
  Message stopped;
  stopped.kind = MessageKind::kStopped;
  post(std::move(stopped));
  ring_doorbell();
  stopped_ = true;
}

// --- messages --------------------------------------------------------------------------------

bool Loop::post(Message&& message) {
  if (!channel_->messages.push(std::move(message))) {
    ++messages_lost_;
    return false;
  }
  doorbell_due_ = true;
  return true;
}

void Loop::ring_doorbell() {
  if (messages_lost_ > 0 && channel_->messages.room() > kReservedForAnswers) {
    Message lost;
    lost.event =
        core::Event{.kind = core::EventKind::kEventsLost, .at = now_, .count = messages_lost_};
    lost.at = now_;
    messages_lost_ = 0;
    post(std::move(lost));
  }
  if (!doorbell_due_) return;
  doorbell_due_ = false;
  channel_->doorbell();
}

void Loop::done(std::uint32_t sequence, std::string_view code, std::string_view target) {
  Message message;
  message.kind = MessageKind::kDone;
  message.sequence = sequence;
  message.at = now_;
  message.fault.code = to_array<32>(code);
  message.fault.target = to_array<48>(target);
  post(std::move(message));
}

void Loop::report(std::string_view code, const sys::Status& status) {
  if (channel_->messages.room() <= kReservedForAnswers) {
    ++messages_lost_;
    return;
  }
  Message message;
  message.kind = MessageKind::kFault;
  message.at = now_;
  message.fault.code = to_array<32>(code);
  message.fault.op = to_array<32>(status.op);
  message.fault.target = to_array<48>(std::string_view(status.target));
  message.fault.error = status.error;
  post(std::move(message));
}

void Loop::post_event(const core::Event& event) {
  if (channel_->messages.room() <= kReservedForAnswers) {
    ++messages_lost_;
    return;
  }
  Message message;
  message.kind = MessageKind::kEvent;
  message.at = event.at;
  message.event = event;
  if (event.vhost < slots_.size() && slots_[event.vhost]) message.name = slots_[event.vhost]->name;
  if (event.carpdev < ports_.size() && ports_[event.carpdev]) {
    message.carpdev = to_array<16>(ports_[event.carpdev]->name());
  }
  post(std::move(message));
}

// --- snapshot --------------------------------------------------------------------------------

// One record a vhid, a carpdev, a reason; then the end. Goes on in a later turn when the ring is
// full.
void Loop::continue_snapshot() {
  const std::size_t vhosts = slots_.size();
  const std::size_t ports = ports_.size();
  const auto reasons = host_.demotion_reasons();
  while (true) {
    if (channel_->messages.room() <= kReservedForAnswers) {
      channel_->waiting_for_room.store(true, std::memory_order_release);
      if (channel_->messages.room() <= kReservedForAnswers) return;
    }
    Message message;
    message.sequence = snapshot_sequence_;
    message.at = now_;
    std::size_t i = snapshot_cursor_++;
    if (i < vhosts) {
      const core::Vhost* vhost = host_.vhost(static_cast<core::VhostId>(i));
      if (!slots_[i] || vhost == nullptr || slots_[i]->removing) continue;
      message.kind = MessageKind::kVhost;
      message.vhost.name = slots_[i]->name;
      message.vhost.carpdev = slots_[i]->carpdev;
      engine::fill(&message.vhost, *vhost);
    } else if ((i -= vhosts) < ports) {
      if (!ports_[i]) continue;
      message.kind = MessageKind::kCarpdev;
      fill(&message.port, *ports_[i]);
    } else if ((i -= ports) < reasons.size()) {
      message.kind = MessageKind::kDemotion;
      engine::fill(&message.demotion, host_, reasons[i]);
    } else if ((i -= reasons.size()) < tracks_.size()) {
      message.kind = MessageKind::kTrack;
      tracks_.fill(&message.track, i);
    } else if ((i -= tracks_.size()), fill_balance(i, &message.balance)) {
      message.kind = MessageKind::kBalance;
    } else {
      message.kind = MessageKind::kSnapshotEnd;
      message.end = {.demotion = host_.demotion_total(),
                     .scheduler = to_array<96>(scheduler_),
                     .memory = to_array<96>(memory_),
                     .realtime = realtime_,
                     .memory_locked = memory_locked_,
                     .late_count = lateness_.count(),
                     .late_sum_us = lateness_.sum_us(),
                     .late_max_us = lateness_.max_us(),
                     .late_p99_us = lateness_.quantile_us(0.99)};
      post(std::move(message));
      snapshot_running_ = false;
      return;
    }
    post(std::move(message));
  }
}

// The i-th member of all groups of vhids that share a VIP.
bool Loop::fill_balance(std::size_t i, BalanceRecord* record) const {
  for (const std::unique_ptr<Port>& port : ports_) {
    if (!port || !engine::fill(record, host_, port->id(), &i)) continue;
    record->carpdev = to_array<16>(port->name());
    if (slots_[record->vhost]) record->name = slots_[record->vhost]->name;
    return true;
  }
  return false;
}

void Loop::fill(CarpdevRecord* record, Port& port) const {
  port.count_drops();
  record->name = to_array<16>(port.name());
  record->ifindex = port.ifindex();
  record->link = port.link();
  const std::optional<core::Instant> up_at = host_.link_up_at(port.id());
  record->has_up_at = up_at.has_value();
  record->up_at = up_at.value_or(core::Instant{});
  record->mac = port.config().mac;
  const std::vector<wire::Prefix>& addresses = port.config().addresses;
  const std::size_t n = std::min(addresses.size(), record->addresses.size());
  std::copy_n(addresses.begin(), n, record->addresses.begin());
  record->address_count = static_cast<std::uint8_t>(n);
  const auto& counters = host_.carpdev_counters(port.id());
  for (std::size_t i = 0; i < record->counters.size(); ++i) {
    record->counters[i] = counters[static_cast<core::DevCounter>(i)];
  }
  record->kernel_drops = port.kernel_drops();
}

}  // namespace carp::engine

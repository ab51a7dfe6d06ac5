// Ports and virtual interfaces of the engine: what follows from netlink and from state changes.
#include <linux/if_ether.h>

#include <algorithm>
#include <utility>

#include "engine/loop.h"
#include "sys/bpf.h"
#include "sys/clock.h"

namespace carp::engine {

namespace {

constexpr core::Duration kMakeAgain = std::chrono::milliseconds{100};
constexpr core::Duration kMakeRetryMax = std::chrono::seconds{32};

}  // namespace

std::size_t Loop::port_of(const std::string& name) {
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i] && ports_[i]->name() == name) return i;
  }
  const core::CarpdevId id = host_.add_carpdev(name);
  if (id >= ports_.size()) ports_.resize(id + 1U);
  ports_[id] = std::make_unique<Port>(name, id);
  sys::LinkInfo link;
  if (netlink_.find_link(name, &link).ok()) {
    open_port(id, link);
  } else {
    host_.handle_link(now_, id, {});
  }
  return id;
}

void Loop::open_port(std::size_t index, const sys::LinkInfo& link) {
  Port& port = *ports_[index];
  const sys::Status status = port.open(link, poller_, kPorts + index * 4);
  if (!status.ok()) report("CARPDEV_FAILED", status);
  refresh_addresses(index);
  host_.handle_link(now_, port.id(), port.link());
}

void Loop::close_port(std::size_t index) {
  Port& port = *ports_[index];
  port.close(poller_);
  host_.handle_link(now_, port.id(), port.link());
  for (std::size_t id = 0; id < slots_.size(); ++id) {
    if (!slots_[id] || slots_[id]->port != index) continue;
    // The kernel has deleted the macvlans with their parent.
    slots_[id]->deleted = false;
    slots_[id]->make_after.reset();
    if (!slots_[id]->made) continue;
    slots_[id]->interface->forget();
    slots_[id]->made = false;
    host_.set_ready(now_, static_cast<core::VhostId>(id), false);
  }
}

void Loop::note_link(const sys::LinkInfo& link, bool removed) {
  if (removed) forget_interface(link.ifindex);
  tracks_.note_link(now_, link, removed);
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (!ports_[i]) continue;
    Port& port = *ports_[i];
    if (port.ifindex() == link.ifindex && (removed || link.name != port.name())) {
      close_port(i);  // gone, or renamed: a carpdev is known by its name
    } else if (removed || link.name != port.name()) {
      continue;
    } else if (port.ifindex() == link.ifindex) {
      const bool was_usable = port.link().usable();
      const sys::Status status = port.note_link(link);
      if (!status.ok()) report("CARPDEV_FAILED", status);
      if (!was_usable && port.link().usable()) links_.forget_unresolved(port.ifindex());
      host_.configure_carpdev(port.id(), port.config());
      host_.handle_link(now_, port.id(), port.link());
    } else {
      if (port.ifindex() != 0) close_port(i);
      open_port(i, link);
    }
  }
}

void Loop::note_address(const sys::AddressInfo& address, bool removed) {
  const auto same = [&](const sys::AddressInfo& a) {
    return a.ifindex == address.ifindex && a.prefix == address.prefix;
  };
  addresses_.erase(std::remove_if(addresses_.begin(), addresses_.end(), same), addresses_.end());
  if (!removed) addresses_.push_back(address);
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i] && ports_[i]->ifindex() == address.ifindex) refresh_addresses(i);
  }
}

// The kernel dropped messages: compare with what there is now.
void Loop::resynchronise() {
  std::vector<sys::LinkInfo> links;
  sys::Status status = netlink_.list_links(&links);
  if (status.ok()) status = netlink_.list_addresses(&addresses_);
  if (!status.ok()) {
    report("NETLINK_FAILED", status);
    return;
  }
  const auto exists = [&links](int ifindex) {
    return std::any_of(links.begin(), links.end(),
                       [ifindex](const sys::LinkInfo& l) { return l.ifindex == ifindex; });
  };
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot && slot->made && !exists(slot->interface->ifindex())) {
      forget_interface(slot->interface->ifindex());
    }
  }
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i] && ports_[i]->ifindex() != 0 && !exists(ports_[i]->ifindex())) close_port(i);
  }
  for (const sys::LinkInfo& link : links) note_link(link, false);
  tracks_.resynchronise(now_, links);
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i]) refresh_addresses(i);
  }
}

bool Loop::is_vip(const wire::IpAddress& address) const {
  return std::any_of(slots_.begin(), slots_.end(), [&](const std::unique_ptr<Slot>& slot) {
    if (!slot) return false;
    return std::any_of(slot->spec.config.vips.begin(), slot->spec.config.vips.end(),
                       [&](const wire::Prefix& vip) { return vip.address == address; });
  });
}

void Loop::refresh_addresses(std::size_t index) {
  Port& port = *ports_[index];
  std::vector<wire::Prefix> own;
  for (const sys::AddressInfo& address : addresses_) {
    if (address.ifindex != port.ifindex() || is_vip(address.prefix.address)) continue;
    own.push_back(address.prefix);
  }
  port.set_addresses(std::move(own));
  host_.configure_carpdev(port.id(), port.config());
}

// --- virtual interfaces ----------------------------------------------------------------------

// One a turn: a configuration with 250 vhids must not hold up the advertisements of the others.
void Loop::make_one_interface() {
  for (std::size_t id = 0; id < slots_.size(); ++id) {
    if (!slots_[id] || slots_[id]->made || slots_[id]->removing) continue;
    if (ports_[slots_[id]->port]->ifindex() == 0) continue;
    if (slots_[id]->make_after && now_ < *slots_[id]->make_after) continue;
    make_interface(static_cast<core::VhostId>(id));
    return;
  }
}

void Loop::make_interface(core::VhostId id) {
  Slot& slot = *slots_[id];
  const Port& port = *ports_[slot.port];
  const bool physical = slot.spec.config.mac == core::MacMode::kPhysical;
  sys::Status status = slot.interface->create({
      .name = slot.spec.name,
      .carpdev = port.name(),
      .carpdev_ifindex = port.ifindex(),
      .vhid = slot.spec.config.vhid,
      .mode = physical ? sys::MacMode::kPhysical : sys::MacMode::kVirtual,
      .owner = options_.owner,
  });
  if (status.ok()) status = slot.interface->set_addresses(slot.spec.config.vips);
  if (!status.ok()) {
    slot.make_after = now_ + slot.retry;
    slot.retry = std::min<core::Duration>(2 * slot.retry, kMakeRetryMax);
    report("INTERFACE_FAILED", status);
    return;
  }
  if (slot.deleted) {
    report("INTERFACE_DELETED", sys::Status::failure("RTM_DELLINK", slot.spec.name, ENODEV));
  }
  slot.deleted = false;
  slot.made = true;
  slot.make_after.reset();
  slot.retry = std::chrono::seconds{1};
  now_ = sys::monotonic_now();
  host_.set_ready(now_, id, true);
}

// Somebody deleted one of our macvlans: make it again.
void Loop::forget_interface(int ifindex) {
  for (std::size_t id = 0; id < slots_.size(); ++id) {
    if (!slots_[id] || !slots_[id]->made) continue;
    Slot& slot = *slots_[id];
    if (slot.interface->mode() != sys::MacMode::kVirtual) continue;
    if (slot.interface->ifindex() != ifindex) continue;
    slot.interface->forget();
    slot.made = false;
    // Not at once: with its carpdev, a macvlan goes first, and then there is nothing to make.
    slot.deleted = true;
    slot.make_after = now_ + kMakeAgain;
    host_.set_ready(now_, static_cast<core::VhostId>(id), false);
  }
}

void Loop::switch_interface(const core::InterfaceChange& change) {
  Slot& slot = *slots_[change.vhost];
  if (!slot.made) return;
  slot.wanted->store(change.up, std::memory_order_seq_cst);
  if (!change.up) {
    const int ifindex = slot.interface->hand_off_down(!change.graceful);
    const core::Instant until = change.graceful ? now_ + kGrace : now_;
    const bool link_dead = !ports_[slot.port]->link().usable();
    if (ifindex != 0 && links_.take_down(ifindex, slot.wanted, until, link_dead)) return;
    if (ifindex != 0) {
      const sys::Status down = netlink_.set_link_down(ifindex);
      if (!down.ok()) report("INTERFACE_FAILED", down);
      return;
    }
  }
  const sys::Status status = change.up ? slot.interface->up() : slot.interface->down();
  if (status.ok()) return;
  report("INTERFACE_FAILED", status);
  if (change.up) host_.handle_interface_failure(now_, change.vhost);
}

// The filters know what the core knows: who of this host answers. Replaced in one step, so there is
// no moment without a filter; the core checks what was queued before.
void Loop::rebuild_filters(core::CarpdevId carpdev) {
  if (carpdev >= ports_.size() || !ports_[carpdev]) return;
  sys::ArpInterest arp;
  sys::NeighbourInterest neighbours;
  for (const core::VipOwners& owners : host_.vips(carpdev)) {
    const bool balanced = host_.is_balanced(owners);
    const auto n = static_cast<std::uint32_t>(owners.members.size());
    if (owners.address.family == wire::Family::kIpv4) {
      const wire::Ipv4Address vip = owners.address.v4();
      arp.vips.push_back(vip);
      // The keyed hash is the core's alone.
      if (balanced && host_.balance_hash() == core::BalanceHash::kSourceIp) {
        arp.shared.push_back({vip, n, host_.mastered(owners)});
      }
      continue;
    }
    const core::Vhost* first = host_.vhost(owners.members.front().vhost);
    if (first->config().mac != core::MacMode::kVirtual) continue;  // the kernel answers
    const wire::Ipv6Address vip = owners.address.v6();
    neighbours.vips.push_back(vip);
    if (balanced) neighbours.shared.push_back({vip, n, host_.mastered(owners)});
  }
  Port& port = *ports_[carpdev];
  for (const wire::Prefix& own : port.config().addresses) {
    if (own.address.family == wire::Family::kIpv4) {
      arp.own.push_back(own.address.v4());
    } else {
      neighbours.own.push_back(own.address.v6());
    }
  }
  if (!neighbours.vips.empty()) want_unicast_neighbours();
  const sys::Status status = port.set_interest(std::move(arp), std::move(neighbours));
  if (!status.ok()) report("CARPDEV_FAILED", status);
}

void Loop::want_unicast_neighbours() {
  if (unicast_neighbour_.is_open()) return;
  const sys::BpfProgram program = sys::build_any_neighbour_filter(sys::ArpDelivery::kUnicastOnly);
  sys::Status status = unicast_neighbour_.open(ETH_P_IPV6, 0, program);
  if (status.ok()) status = poller_.add(unicast_neighbour_.fd(), kUnicastNeighbour);
  if (!status.ok()) report("CARPDEV_FAILED", status);
}

void Loop::release(core::VhostId id) {
  const std::size_t index = slots_[id]->port;
  remove_interface(*slots_[id]);
  slots_[id].reset();
  const auto uses = [index](const std::unique_ptr<Slot>& slot) {
    return slot && slot->port == index;
  };
  if (std::any_of(slots_.begin(), slots_.end(), uses)) return;
  ports_[index]->close(poller_);
  host_.remove_carpdev(now_, ports_[index]->id());
  ports_[index].reset();
}

// Deleting waits for the kernel as well. The name is free a moment later; a new interface of the
// same name and owner replaces it in any case (VirtualInterface::create).
void Loop::remove_interface(Slot& slot) {
  slot.wanted->store(false, std::memory_order_seq_cst);
  const int ifindex = slot.interface->ifindex();
  const bool is_virtual = slot.interface->mode() == sys::MacMode::kVirtual;
  (void)slot.interface->hand_off_down();  // if it is still up: deaf at once
  if (ifindex != 0 && is_virtual && links_.remove(ifindex)) {
    slot.interface->forget();
    return;
  }
  const sys::Status status = slot.interface->remove();
  if (!status.ok()) report("INTERFACE_FAILED", status);
}

void Loop::take_link_failures() {
  sys::Status failed;
  while (links_.take_failure(&failed)) report("INTERFACE_FAILED", failed);
}

// --- janitor ---------------------------------------------------------------------------------

void Loop::watch_janitor() {
  if (janitor_.alive()) return;
  report("JANITOR_DIED", sys::Status::failure("janitor", options_.janitor, ECHILD));
  start_janitor_again();
}

void Loop::start_janitor_again() {
  sys::Status status = janitor_.start(options_.janitor, options_.owner);
  if (status.ok()) status = sysctls_->record_all();
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (status.ok() && slot && slot->made) status = slot->interface->record_all();
  }
  if (status.ok()) {
    status = poller_.add(janitor_.fd(), kJanitor);
  }
  if (!status.ok()) report("JANITOR_FAILED", status);
}

}  // namespace carp::engine

#include "engine/port.h"

#include <linux/if_ether.h>

#include <array>
#include <utility>

#include "sys/bpf.h"

namespace carp::engine {

namespace {

constexpr std::array kSockets{PortSocket::kAdvert4, PortSocket::kAdvert6, PortSocket::kArp,
                              PortSocket::kNeighbour};

// Keeps the first failure of several steps that are all tried.
void keep(sys::Status* first, const sys::Status& next) {
  if (first->ok() && !next.ok()) *first = next;
}

}  // namespace

sys::Status Port::open(const sys::LinkInfo& link, sys::Poller& poller, std::uint64_t tag) {
  ifindex_ = link.ifindex;
  sys::Status result = sys::Status::success();
  keep(&result, advert4_.open(ETH_P_IP, ifindex_, sys::build_advert_filter_v4()));
  keep(&result, advert6_.open(ETH_P_IPV6, ifindex_, sys::build_advert_filter_v6()));
  keep(&result, arp_.open(ETH_P_ARP, ifindex_, sys::build_arp_filter(arp_interest_)));
  keep(&result,
       neighbour_.open(ETH_P_IPV6, ifindex_, sys::build_neighbour_filter(neighbour_interest_)));
  for (const PortSocket which : kSockets) {
    sys::PacketSocket& s = socket(which);
    if (s.is_open()) keep(&result, poller.add(s.fd(), tag + static_cast<std::uint64_t>(which)));
  }
  if (routed_wanted_) keep(&result, routed_.open(name_.c_str()));
  link_ = core::LinkState{};
  keep(&result, note_link(link));
  return result;
}

void Port::close(sys::Poller& poller) {
  count_drops();
  for (const PortSocket which : kSockets) {
    sys::PacketSocket& s = socket(which);
    if (!s.is_open()) continue;
    // Closing takes the descriptor out of the poller as well; removing it first keeps that from
    // depending on nobody having a copy. A failure here would only say that it is out already.
    (void)poller.remove(s.fd());
    s.close();
  }
  routed_.close();
  membership_.leave();
  ifindex_ = 0;
  link_ = core::LinkState{};
}

sys::Status Port::note_link(const sys::LinkInfo& link) {
  const bool was_up = link_.usable();
  config_.mac = link.mac;
  link_ = core::LinkState{.present = true, .admin_up = link.admin_up, .carrier = link.carrier};
  if (was_up || !link_.usable()) return sys::Status::success();
  sys::Status result = membership_.join(ifindex_);
  keep(&result, membership_.set_solicited(ifindex_, neighbour_interest_.vips));
  return result;
}

sys::Status Port::want_routed() {
  if (routed_wanted_) return sys::Status::success();
  routed_wanted_ = true;
  return ifindex_ != 0 ? routed_.open(name_.c_str()) : sys::Status::success();
}

sys::Status Port::set_interest(sys::ArpInterest arp, sys::NeighbourInterest neighbours) {
  arp_interest_ = std::move(arp);
  neighbour_interest_ = std::move(neighbours);
  sys::Status result = sys::Status::success();
  if (arp_.is_open() && !arp_.set_filter(sys::build_arp_filter(arp_interest_)).ok()) {
    // Too long for this kernel's memory limit: the core decides alone.
    keep(&result, arp_.set_filter(sys::build_any_arp_filter()));
  }
  if (neighbour_.is_open() &&
      !neighbour_.set_filter(sys::build_neighbour_filter(neighbour_interest_)).ok()) {
    keep(&result, neighbour_.set_filter(sys::build_any_neighbour_filter()));
  }
  if (link_.usable()) {
    keep(&result, membership_.set_solicited(ifindex_, neighbour_interest_.vips));
  }
  return result;
}

sys::PacketSocket& Port::socket(PortSocket which) {
  switch (which) {
    case PortSocket::kAdvert4:
      return advert4_;
    case PortSocket::kAdvert6:
      return advert6_;
    case PortSocket::kArp:
      return arp_;
    case PortSocket::kNeighbour:
      break;
  }
  return neighbour_;
}

void Port::count_drops() {
  for (const PortSocket which : kSockets) {
    if (socket(which).is_open()) kernel_drops_ += socket(which).drops();
  }
}

}  // namespace carp::engine

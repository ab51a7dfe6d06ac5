#include "engine/port.h"

#include <linux/if_ether.h>

#include "sys/bpf.h"

namespace carp::engine {

namespace {

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
  keep(&result, arp_.open(ETH_P_ARP, ifindex_, sys::build_arp_filter(vips_)));
  for (const PortSocket which : {PortSocket::kAdvert4, PortSocket::kAdvert6, PortSocket::kArp}) {
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
  for (const PortSocket which : {PortSocket::kAdvert4, PortSocket::kAdvert6, PortSocket::kArp}) {
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
  return membership_.join(ifindex_);
}

sys::Status Port::want_routed() {
  if (routed_wanted_) return sys::Status::success();
  routed_wanted_ = true;
  return ifindex_ != 0 ? routed_.open(name_.c_str()) : sys::Status::success();
}

sys::Status Port::set_vips(std::span<const wire::Ipv4Address> vips) {
  vips_.assign(vips.begin(), vips.end());
  if (!arp_.is_open()) return sys::Status::success();
  const sys::Status status = arp_.set_filter(sys::build_arp_filter(vips_));
  if (status.ok()) return status;
  return arp_.set_filter(sys::build_any_arp_filter());
}

sys::PacketSocket& Port::socket(PortSocket which) {
  switch (which) {
    case PortSocket::kAdvert4:
      return advert4_;
    case PortSocket::kAdvert6:
      return advert6_;
    case PortSocket::kArp:
      break;
  }
  return arp_;
}

void Port::count_drops() {
  for (const PortSocket which : {PortSocket::kAdvert4, PortSocket::kAdvert6, PortSocket::kArp}) {
    if (socket(which).is_open()) kernel_drops_ += socket(which).drops();
  }
}

}  // namespace carp::engine

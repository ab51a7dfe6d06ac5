#include "sys/virtual_interface.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <iterator>

namespace carp::sys {
namespace {

constexpr std::string_view kOwnerPrefix = "carpd:";

bool is_v6(const wire::Prefix& prefix) { return prefix.address.family == wire::Family::kIpv6; }

std::string setting(std::string_view family, std::string_view ifname, std::string_view name) {
  std::string path = "net/";
  path.append(family).append("/conf/").append(ifname).append("/").append(name);
  return path;
}

/// No such sysctl: no IPv6 in this kernel or on this interface.
bool is_absent(const Status& status) { return status.error == ENOENT; }

void keep_first(Status& first, const Status& status) {
  if (first.ok() && !status.ok()) first = status;
}

}  // namespace

std::string owner_mark(std::string_view owner) {
  return std::string{kOwnerPrefix} + std::string{owner};
}

Status remove_leftovers(NetlinkClient& netlink, std::string_view owner, int* removed) {
  std::vector<LinkInfo> links;
  if (Status status = netlink.list_links(&links); !status.ok()) return status;
  const std::string mark = owner_mark(owner);
  std::vector<int> ours;
  for (const LinkInfo& link : links) {
    if (link.kind == "macvlan" && link.ifalias == mark) ours.push_back(link.ifindex);
  }
  if (removed != nullptr) *removed = static_cast<int>(ours.size());
  // First what matters on the wire, and quickly.
  Status silenced = netlink.silence_macvlans(ours);
  Status deleted = netlink.delete_links(ours);
  return deleted.ok() ? silenced : deleted;
}

VirtualInterface::VirtualInterface(NetlinkClient& netlink, SysctlKeeper& sysctls,
                                   JanitorClient* janitor)
    : netlink_(netlink), sysctls_(sysctls), janitor_(janitor) {}

Status VirtualInterface::create(const VirtualInterfaceConfig& config) {
  config_ = config;
  vips_.clear();
  up_ = false;
  if (Status status = prepare_carpdev(); !status.ok()) return status;
  if (config.mode == MacMode::kPhysical) {
    ifindex_ = config.carpdev_ifindex;
    return Status::success();
  }
  if (Status status = create_macvlan(); !status.ok()) return status;
  Status status = prepare_macvlan();
  if (!status.ok()) {
    Status removed = remove();  // the first failure is the one to report
    static_cast<void>(removed);
  }
  return status;
}

/// arp_ignore 1 stops the carpdev from answering for addresses of the macvlans (the kernel's hosts
/// own addresses, not interfaces), 3 stops it from answering for addresses of scope host, which is
/// how a VIP is marked in both modes. A VIP of scope host on a macvlan is safe under 1 and 3, so
/// that both modes may share a carpdev: 3 wins. arp_announce 2 keeps the kernel from naming a VIP
/// as the sender of its own requests.
Status VirtualInterface::prepare_carpdev() {
  const std::string ignore = setting("ipv4", config_.carpdev, "arp_ignore");
  std::string current;
  if (Status status = read_sysctl(ignore, &current); !status.ok()) return status;
  const bool physical = config_.mode == MacMode::kPhysical;
  const bool keep = current == "3" || current == "8" || (!physical && current == "1");
  if (!keep) {
    if (Status status = sysctls_.set(ignore, physical ? "3" : "1"); !status.ok()) return status;
  }
  return sysctls_.set(setting("ipv4", config_.carpdev, "arp_announce"), "2");
}

Status VirtualInterface::create_macvlan() {
  const std::string mark = owner_mark(config_.owner);
  const MacvlanRequest request{.name = config_.name,
                               .parent_ifindex = config_.carpdev_ifindex,
                               .mac = wire::virtual_mac(config_.vhid),
                               .ifalias = mark};
  Status status = netlink_.create_macvlan(request, &ifindex_);
  if (status.error == EEXIST) {
    LinkInfo there;
    if (Status found = netlink_.find_link(config_.name, &there); !found.ok()) return found;
    if (there.kind != "macvlan" || there.ifalias != mark) return status;
    if (Status gone = netlink_.delete_link(there.ifindex); !gone.ok()) return gone;
    status = netlink_.create_macvlan(request, &ifindex_);
  }
  if (!status.ok()) {
    ifindex_ = 0;
    return status;
  }
  // A dead janitor is replaced by its owner; it does not keep a vhid from working.
  if (janitor_ != nullptr) static_cast<void>(janitor_->record_macvlan(ifindex_, config_.name));
  return Status::success();
}

/// The macvlan is ours and dies with us: nothing here has to be remembered.
Status VirtualInterface::prepare_macvlan() {
  Status status = loosen_path_filter();
  if (!status.ok()) return status;
  // Without it, deleting the first IPv4 address of a prefix deletes the others of that prefix as
  // well.
  status = write_sysctl(setting("ipv4", config_.name, "promote_secondaries"), "1");
  if (!status.ok()) return status;
  // 8: no answer at all. Clients' requests are broadcast, so the macvlan sees them as well as the
  // carpdev.
  status = write_sysctl(setting("ipv4", config_.name, "arp_ignore"), "8");
  if (!status.ok()) return status;
  constexpr std::pair<std::string_view, std::string_view> kIpv6Settings[] = {
      {"accept_dad", "0"},            // the old MASTER may still hold the address, or share it
      {"dad_transmits", "0"},         //
      {"accept_ra", "0"},             // routes and addresses belong to the carpdev
      {"autoconf", "0"},              //
      {"router_solicitations", "0"},  //
      {"addr_gen_mode", "1"},         // no link-local address out of the virtual MAC
      {"keep_addr_on_down", "1"},     // BACKUP keeps the VIPs in waiting
  };
  for (const auto& [name, value] : kIpv6Settings) {
    Status written = write_sysctl(setting("ipv6", config_.name, name), value);
    if (!written.ok() && !is_absent(written)) return written;
  }
  ipv6_on_ = true;
  return switch_ipv6(false);
}

/// The greater of "all" and the interface's own rp_filter counts. The route back to a client leads
/// through the carpdev, so a strict check (1) on the macvlan drops everything that clients send to
/// the virtual MAC (measured). Loose (2) does not, and outweighs a strict "all" that somebody sets
/// later.
Status VirtualInterface::loosen_path_filter() {
  return write_sysctl(setting("ipv4", config_.name, "rp_filter"), "2");
}

Status VirtualInterface::switch_ipv6(bool wanted) {
  if (ipv6_on_ == wanted) return Status::success();
  Status status = write_sysctl(setting("ipv6", config_.name, "disable_ipv6"), wanted ? "0" : "1");
  if (!status.ok() && !(is_absent(status) && !wanted)) return status;
  ipv6_on_ = wanted;
  return Status::success();
}

Status VirtualInterface::apply(const wire::Prefix& vip, bool wanted) {
  const bool physical = config_.mode == MacMode::kPhysical;
  wire::Prefix prefix = vip;
  // As a host address it brings no route and no broadcast address to the carpdev.
  if (physical) prefix.length = is_v6(vip) ? 128 : 32;
  if (!wanted) {
    Status status = netlink_.delete_address(ifindex_, prefix);
    if (physical && janitor_ != nullptr) {
      static_cast<void>(janitor_->forget_address(ifindex_, prefix));
    }
    const bool gone = status.error == EADDRNOTAVAIL || status.error == ENODEV;
    return gone ? Status::success() : status;
  }
  if (physical && janitor_ != nullptr) {
    static_cast<void>(janitor_->record_address(ifindex_, prefix));
  }
  // Scope host (IPv6 has none: deprecated) also keeps the kernel from choosing a VIP as the source
  // of its own traffic.
  Status status = netlink_.add_address(
      {.ifindex = ifindex_,
       .prefix = prefix,
       .no_prefix_route = true,
       .no_dad = true,
       .deprecated = true,
       .scope = is_v6(vip) ? std::uint8_t{RT_SCOPE_UNIVERSE} : std::uint8_t{RT_SCOPE_HOST}});
  return status.error == EEXIST ? Status::success() : status;
}

Status VirtualInterface::apply_all(bool wanted) {
  Status first = Status::success();
  for (const wire::Prefix& vip : vips_) keep_first(first, apply(vip, wanted));
  return first;
}

Status VirtualInterface::set_addresses(std::span<const wire::Prefix> vips) {
  if (ifindex_ == 0) return Status::failure("set_addresses", config_.name, ENODEV);
  std::vector<wire::Prefix> wanted(vips.begin(), vips.end());
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  if (config_.mode == MacMode::kPhysical && !up_) {
    vips_ = std::move(wanted);
    return Status::success();
  }
  Status first = Status::success();
  const bool needs_v6 = std::any_of(wanted.begin(), wanted.end(), is_v6);
  if (config_.mode == MacMode::kVirtual && needs_v6) keep_first(first, switch_ipv6(true));
  std::vector<wire::Prefix> extra;
  std::vector<wire::Prefix> missing;
  std::set_difference(vips_.begin(), vips_.end(), wanted.begin(), wanted.end(),
                      std::back_inserter(extra));
  std::set_difference(wanted.begin(), wanted.end(), vips_.begin(), vips_.end(),
                      std::back_inserter(missing));
  // Old ones go first: the same address may return with another prefix length.
  for (const wire::Prefix& vip : extra) keep_first(first, apply(vip, false));
  std::vector<wire::Prefix> held;
  std::set_intersection(vips_.begin(), vips_.end(), wanted.begin(), wanted.end(),
                        std::back_inserter(held));
  for (const wire::Prefix& vip : missing) {
    Status status = apply(vip, true);
    // What failed is not remembered, so that the next call tries it again.
    if (status.ok()) held.push_back(vip);
    keep_first(first, status);
  }
  std::sort(held.begin(), held.end());
  vips_ = std::move(held);
  if (config_.mode == MacMode::kVirtual && !needs_v6) keep_first(first, switch_ipv6(false));
  return first;
}

Status VirtualInterface::up() {
  if (up_) return Status::success();
  if (ifindex_ == 0) return Status::failure("link up", config_.name, ENODEV);
  Status status = Status::success();
  if (config_.mode == MacMode::kPhysical) {
    status = apply_all(true);
  } else {
    // Rules of the distribution for new interfaces may have been applied since it was made.
    status = loosen_path_filter();
    if (status.ok()) status = netlink_.open_macvlan(ifindex_);
  }
  // Addresses that were added before one failed have to go when the vhid steps down.
  up_ = status.ok() || config_.mode == MacMode::kPhysical;
  return status;
}

Status VirtualInterface::down() {
  if (!up_) return Status::success();
  if (const int ifindex = hand_off_down(); ifindex != 0) {
    Status status = netlink_.set_link_down(ifindex);
    up_ = !status.ok() && status.error != ENODEV;
    return up_ ? status : Status::success();
  }
  Status status = apply_all(false);
  const bool gone = status.error == ENODEV;
  up_ = !status.ok() && !gone;
  return gone ? Status::success() : status;
}

Status VirtualInterface::remove() {
  if (ifindex_ == 0) return Status::success();
  Status first = down();
  if (config_.mode == MacMode::kVirtual) {
    Status status = netlink_.delete_link(ifindex_);
    if (status.error == ENODEV) status = Status::success();
    if (status.ok() && janitor_ != nullptr) {
      static_cast<void>(janitor_->forget_macvlan(ifindex_));
    }
    keep_first(first, status);
  }
  if (first.ok()) {
    ifindex_ = 0;
    vips_.clear();
  }
  return first;
}

Status VirtualInterface::record_all() {
  if (janitor_ == nullptr || ifindex_ == 0) return Status::success();
  if (config_.mode == MacMode::kVirtual) return janitor_->record_macvlan(ifindex_, config_.name);
  if (!up_) return Status::success();
  Status first = Status::success();
  for (wire::Prefix vip : vips_) {
    vip.length = is_v6(vip) ? 128 : 32;
    keep_first(first, janitor_->record_address(ifindex_, vip));
  }
  return first;
}

int VirtualInterface::hand_off_down(bool silence) {
  if (!up_ || config_.mode != MacMode::kVirtual) return 0;
  // The link may wait its turn behind many others, and all that time clients would be served by two
  // hosts. If this fails, the link still goes down. The addresses stay: taking 50 of them away
  // costs 3 ms (measured), and giving them back delays the next take-over.
  const int only[] = {ifindex_};
  if (silence) static_cast<void>(netlink_.silence_macvlans(only));
  up_ = false;
  return ifindex_;
}

void VirtualInterface::forget() {
  if (config_.mode == MacMode::kVirtual && ifindex_ != 0 && janitor_ != nullptr) {
    static_cast<void>(janitor_->forget_macvlan(ifindex_));
  }
  ifindex_ = 0;
  up_ = false;
  vips_.clear();
}

}  // namespace carp::sys

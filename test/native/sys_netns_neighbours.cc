// Who is asked and who answers, against the real kernel: macvlans without neighbour discovery, VIPs
// shared by two of them, solicited-node groups, the filters on packet sockets. How to run it:
// netns_lab.h.

#include <fstream>
#include <set>

#include "check.h"
#include "netns_lab.h"
#include "wire/neighbour.h"

using namespace carp::test;

namespace {

using carp::wire::Ipv6Address;

VirtualInterfaceConfig config_for(const Lab& lab, std::uint8_t vhid) {
  return {.name = "carp" + std::to_string(vhid),
          .carpdev = "eth1",
          .carpdev_ifindex = lab.ifindex,
          .vhid = vhid,
          .mode = MacMode::kVirtual,
          .owner = "test"};
}

Ipv6Address address6(std::uint8_t last) { return v6(last, 64).address.v6(); }

const MacAddress kAsker{{2, 0, 0, 0, 0, 0x64}};

/// The client's question for fd00::1, to its solicited-node group or to `to`.
Frame question(const MacAddress* to) {
  Frame frame(carp::wire::kNeighbourSolicitationFrame);
  carp::wire::write_solicitation(frame, kAsker, address6(9), address6(1));
  if (to != nullptr) std::copy(to->octets.begin(), to->octets.end(), frame.begin());
  return frame;
}

/// The solicited-node groups that the kernel holds on eth1, as 32 hexadecimal digits.
std::set<std::string> groups_held() {
  std::set<std::string> out;
  std::ifstream file("/proc/net/igmp6");
  std::string index, device, group, rest;
  while (file >> index >> device >> group && std::getline(file, rest)) {
    if (device == "eth1" && group.rfind("ff0200000000000000000001ff", 0) == 0) out.insert(group);
  }
  return out;
}

std::string group_of(std::uint32_t low) {
  char text[40];
  std::snprintf(text, sizeof text, "ff0200000000000000000001ff%06x", low & 0xffffff);
  return text;
}

Ipv6Address numbered(std::uint8_t net, std::uint32_t low) {
  Ipv6Address out = address6(0);
  out.octets[7] = net;
  out.octets[13] = static_cast<std::uint8_t>(low >> 16);
  out.octets[14] = static_cast<std::uint8_t>(low >> 8);
  out.octets[15] = static_cast<std::uint8_t>(low);
  return out;
}

/// A version 2 report of MLD (RFC 3810 5.2) that names `group`; its header follows one hop-by-hop
/// header of 8 octets.
bool reports(const Received& received, const Ipv6Address& group) {
  const auto& frame = received.frame;
  if (frame.size() < 90 || frame[20] != 0 || frame[54] != 58 || frame[62] != 143) return false;
  return std::search(frame.begin() + 70, frame.end(), group.octets.begin(), group.octets.end()) !=
         frame.end();
}

}  // namespace

TEST(netns_solicitations_are_the_engines) {
  LAB(lab);
  SysctlKeeper sysctls{""};
  VirtualInterface vip{lab.netlink, sysctls, nullptr};
  REQUIRE(vip.create(config_for(lab, 1)).ok());
  const Prefix one[] = {v6(1, 64)};
  REQUIRE(vip.set_addresses(one).ok());
  REQUIRE(vip.up().ok());
  CHECK(!groups_held().contains(group_of(1)));
  PacketSocket listener;  // at the client
  const int index = lab.client_ifindex();
  lab.in_client(
      [&] { static_cast<void>(listener.open(ETH_P_IPV6, index, build_any_neighbour_filter())); });
  REQUIRE(listener.is_open());
  PacketSocket carpdev;
  PacketSocket macvlan;
  REQUIRE(carpdev
              .open(ETH_P_IPV6, lab.ifindex,
                    build_neighbour_filter({.vips = {address6(1)}, .shared = {}, .own = {}}))
              .ok());
  REQUIRE(
      macvlan.open(ETH_P_IPV6, vip.ifindex(), build_any_neighbour_filter(ArpDelivery::kUnicastOnly))
          .ok());
  const MacAddress virtual_mac = carp::wire::virtual_mac(1);
  // The carpdev's socket is shown both; which interface it was for tells them apart.
  const auto question_for = [](int ifindex) {
    return [ifindex](const Received& received) {
      const auto got = carp::wire::parse_neighbour(received.frame);
      return got.has_value() && got->solicitation && got->ethernet_source == kAsker &&
             received.ifindex == ifindex;
    };
  };
  // To the group: once, on the carpdev. To the virtual MAC: once, on the macvlan.
  send_from_client(lab, question(nullptr));
  CHECK(!next_frame(carpdev, kDeadlineNs, question_for(lab.ifindex)).empty());
  CHECK(next_frame(carpdev, kQuietNs, question_for(lab.ifindex)).empty());
  CHECK(next_frame(macvlan, kQuietNs, any_frame).empty());
  send_from_client(lab, question(&virtual_mac));
  CHECK(!next_frame(macvlan, kDeadlineNs, question_for(vip.ifindex())).empty());
  CHECK(next_frame(macvlan, kQuietNs, question_for(vip.ifindex())).empty());
  CHECK(next_frame(carpdev, kQuietNs, question_for(lab.ifindex)).empty());
  // Nor is the probe of a host that wants the same address the kernel's.
  lab.in_client([] { CHECK(run("ip addr add fd00::1/64 dev ceth")); });
  const auto is_probe = [](const Received& received) {
    const auto got = carp::wire::parse_neighbour(received.frame);
    return got.has_value() && got->source.is_unspecified() && got->target == address6(1);
  };
  CHECK(!next_frame(carpdev, kDeadlineNs, is_probe).empty());
  // The kernel said nothing to any of them.
  const auto is_answer = [](const Received& received) {
    const auto got = carp::wire::parse_neighbour(received.frame);
    return got.has_value() && !got->solicitation && got->target == address6(1) &&
           got->ethernet_source == carp::wire::virtual_mac(1);
  };
  CHECK(next_frame(listener, kQuietNs, is_answer).empty());
  CHECK(vip.remove().ok());
  CHECK(sysctls.restore_all().ok());
}

TEST(netns_two_macvlans_deliver_for_one_vip) {
  LAB(lab);
  SysctlKeeper sysctls{""};
  VirtualInterface first{lab.netlink, sysctls, nullptr};
  VirtualInterface second{lab.netlink, sysctls, nullptr};
  const Prefix both[] = {v4(kVip, 24), v6(1, 64)};
  std::uint8_t vhid = 1;
  for (VirtualInterface* vip : {&first, &second}) {
    REQUIRE(vip->create(config_for(lab, vhid++)).ok());
    REQUIRE(vip->set_addresses(both).ok());
    REQUIRE(vip->up().ok());
  }
  const auto delivers = [&](std::uint8_t to, bool expect) {
    CHECK(lab.teach(carp::wire::virtual_mac(to)));
    CHECK(lab.teach(carp::wire::virtual_mac(to), "fd00::1"));
    CHECK_EQ(lab.answers(both[0].address, expect), expect);
    CHECK_EQ(lab.answers(both[1].address, expect), expect);
  };
  delivers(1, true);
  delivers(2, true);
  REQUIRE(first.down().ok());
  delivers(1, false);
  delivers(2, true);
  REQUIRE(first.up().ok());
  REQUIRE(second.down().ok());
  delivers(1, true);
  delivers(2, false);
  REQUIRE(second.up().ok());
  delivers(2, true);
  // Another configuration takes the VIP from one of them.
  REQUIRE(first.set_addresses({}).ok());
  delivers(2, true);
  CHECK(first.remove().ok());
  delivers(2, true);
  CHECK(second.remove().ok());
  CHECK(sysctls.restore_all().ok());
}

TEST(netns_solicited_groups_follow_the_vips) {
  LAB(lab);
  Membership membership;
  const std::set<std::string> before = groups_held();
  const auto added = [&before] {
    std::set<std::string> out = groups_held();
    for (const std::string& group : before) out.erase(group);
    return out;
  };
  const auto set = [&](const std::vector<Ipv6Address>& vips) {
    CHECK(membership.set_solicited(lab.ifindex, vips).ok());
  };
  REQUIRE(membership.join(lab.ifindex).ok());
  CHECK(added().empty());
  set({numbered(1, 0xabcdef), numbered(1, 0x10)});
  CHECK(added() == (std::set{group_of(0xabcdef), group_of(0x10)}));
  // Two VIPs of one group: it is left with the second.
  set({numbered(1, 0x10), numbered(2, 0x10), numbered(1, 0x11)});
  CHECK(added() == (std::set{group_of(0x10), group_of(0x11)}));
  set({numbered(2, 0x10)});
  CHECK(added() == (std::set{group_of(0x10)}));
  set({});
  CHECK(added().empty());
  // More than one socket holds.
  std::vector<Ipv6Address> many;
  for (std::uint32_t i = 0; i < 3000; ++i) many.push_back(numbered(1, 0x20000 + i));
  set(many);
  CHECK_EQ(added().size(), std::size_t{3000});
  std::vector<Ipv6Address> other(many.begin() + 1000, many.end());
  for (std::uint32_t i = 0; i < 500; ++i) other.push_back(numbered(1, 0x30000 + i));
  set(other);
  CHECK_EQ(added().size(), std::size_t{2500});
  CHECK(!added().contains(group_of(0x20000)));
  CHECK(added().contains(group_of(0x20000 + 2999)));
  CHECK(added().contains(group_of(0x30000 + 499)));
  // A new join keeps them.
  REQUIRE(membership.join(lab.ifindex).ok());
  CHECK_EQ(added().size(), std::size_t{2500});
  membership.leave();
  CHECK(added().empty());
  CHECK(membership.set_solicited(99999, many).ok());  // no such interface: nothing to hold
}

TEST(netns_solicited_groups_are_reported_again_after_a_new_join) {
  LAB(lab);
  PacketSocket listener;
  const int index = lab.client_ifindex();
  lab.in_client(
      [&] { static_cast<void>(listener.open(ETH_P_IPV6, index, build_capture_filter())); });
  REQUIRE(listener.is_open());
  // Reports have a link-local source, which takes the time of duplicate address detection.
  REQUIRE(run("ip addr add fe80::2/64 dev eth1 nodad"));
  Membership membership;
  REQUIRE(membership.join(lab.ifindex).ok());
  const std::vector<Ipv6Address> vips{numbered(1, 0xabcdef)};
  REQUIRE(membership.set_solicited(lab.ifindex, vips).ok());
  const Ipv6Address group = solicited_node_group(vips[0]);
  const auto is_report = [&group, &lab](const Received& received) {
    return reports(received, group) &&
           std::equal(lab.mac.octets.begin(), lab.mac.octets.end(), received.frame.begin() + 6);
  };
  CHECK(!next_frame(listener, kDeadlineNs, is_report).empty());
  // The report is repeated once or twice; then it is quiet.
  while (!next_frame(listener, 2'500'000'000, is_report).empty()) {
  }
  REQUIRE(membership.set_solicited(lab.ifindex, vips).ok());
  CHECK(next_frame(listener, kQuietNs, is_report).empty());
  REQUIRE(membership.join(lab.ifindex).ok());
  CHECK(!next_frame(listener, kDeadlineNs, is_report).empty());
}

TEST(netns_filters_on_packet_sockets) {
  LAB(lab);
  const Ipv4Address vip{{10, 0, 0, 77}};
  const Ipv6Address vip6 = address6(77);
  // kClient has index 1 of 2, fd00::9 has 0xfd000009 mod 2 = 1.
  for (const std::uint32_t mastered : {1U, 2U}) {
    PacketSocket arp;
    PacketSocket neighbour;
    REQUIRE(arp.open(ETH_P_ARP, lab.ifindex,
                     build_arp_filter(
                         {.vips = {vip}, .shared = {{vip, 2, mastered}}, .own = {kRouter}}))
                .ok());
    REQUIRE(neighbour
                .open(ETH_P_IPV6, lab.ifindex,
                      build_neighbour_filter(
                          {.vips = {vip6}, .shared = {{vip6, 2, mastered}}, .own = {address6(2)}}))
                .ok());
    const auto for_vip = [&vip](const Received& received) {
      const auto got = carp::wire::parse_arp(received.frame);
      return got.has_value() && got->target == vip && got->sender == kClient;
    };
    const auto for_vip6 = [&vip6](const Received& received) {
      const auto got = carp::wire::parse_neighbour(received.frame);
      return got.has_value() && got->solicitation && got->target == vip6;
    };
    const auto for_own = [](const Received& received) {
      const auto got = carp::wire::parse_arp(received.frame);
      return got.has_value() && got->operation == carp::wire::ArpOperation::kReply &&
             got->target == kRouter;
    };
    const auto for_own6 = [](const Received& received) {
      const auto got = carp::wire::parse_neighbour(received.frame);
      return got.has_value() && !got->solicitation && got->source == address6(9);
    };
    lab.answers(v4(vip, 24).address, false);
    lab.answers(carp::wire::IpAddress::from(vip6), false);
    const bool ours = mastered == 2;
    CHECK_EQ(next_frame(arp, ours ? kDeadlineNs : kQuietNs, for_vip).empty(), !ours);
    CHECK_EQ(next_frame(neighbour, ours ? kDeadlineNs : kQuietNs, for_vip6).empty(), !ours);
    // What the client answers to this host.
    REQUIRE(run("ip neigh flush dev eth1"));
    static_cast<void>(!run("ping -c1 -W1 10.0.0.9 >/dev/null && ping -c1 -W1 fd00::9 >/dev/null"));
    CHECK(!next_frame(arp, kDeadlineNs, for_own).empty());
    CHECK(!next_frame(neighbour, kDeadlineNs, for_own6).empty());
  }
}

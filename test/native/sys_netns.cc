// sys against the real kernel: packet sockets, netlink, macvlans, sysctls, janitor. To be run as
// uid 0 of a network namespace of its own, `unshare -Urn` for one, with ip(8) installed. It refuses
// to touch a namespace in use.
//
// The janitor's executable is named by CARP_JANITOR; without it that case is skipped.

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "sys/capture.h"
#include "sys/clock.h"
#include "sys/janitor_client.h"
#include "sys/membership.h"
#include "sys/netlink_client.h"
#include "sys/netlink_monitor.h"
#include "sys/packet_socket.h"
#include "sys/ping.h"
#include "sys/routed_socket.h"
#include "sys/sysctl.h"
#include "sys/virtual_interface.h"

namespace {

using namespace carp::sys;
using carp::wire::Family;
using carp::wire::Ipv4Address;
using carp::wire::MacAddress;
using carp::wire::Prefix;
using Frame = std::vector<std::uint8_t>;

constexpr std::int64_t kDeadlineNs = 3'000'000'000;
constexpr std::int64_t kQuietNs = 150'000'000;  // how long "nothing came" has to hold
constexpr Ipv4Address kVip{{10, 0, 0, 1}};
constexpr Ipv4Address kRouter{{10, 0, 0, 2}};
constexpr Ipv4Address kClient{{10, 0, 0, 9}};

bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

Prefix v4(Ipv4Address address, std::uint8_t length) {
  return Prefix{carp::wire::IpAddress::from(address), length};
}

Prefix v6(std::uint8_t last, std::uint8_t length) {
  carp::wire::Ipv6Address address{};
  address.octets[0] = 0xfd;
  address.octets[15] = last;
  return Prefix{carp::wire::IpAddress::from(address), length};
}

/// The router's end of a cable, eth1, is here; the client's end, ceth, is in a namespace that a
/// thread entered.
class Lab {
 public:
  Lab() {
    const Fd home{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
    std::thread{[this] {
      if (::unshare(CLONE_NEWNET) == 0)
        client_.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }}.join();
    const std::string there =
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(client_.get());
    bool ok = client_.valid() &&
              run("ip link set lo up && ip link add eth1 type veth peer name ceth") &&
              run("ip link set ceth netns " + there + " && ip link set eth1 up") &&
              run("ip addr add 10.0.0.2/24 dev eth1 && ip addr add fd00::2/64 dev eth1 nodad");
    in_client([&ok] {
      ok = ok &&
           run("ip link set lo up && ip link set ceth up && ip addr add 10.0.0.9/24 dev ceth") &&
           run("ip addr add fd00::9/64 dev ceth nodad");
    });
    LinkInfo eth1;
    ready_ = ok && netlink.open().ok() && netlink.find_link("eth1", &eth1).ok();
    ifindex = eth1.ifindex;
    mac = eth1.mac;
  }
  ~Lab() { static_cast<void>(!run("ip link del eth1 2>/dev/null")); }

  bool ready() const { return ready_; }

  /// Runs `body` in a thread inside the client's namespace.
  template <typename Body>
  void in_client(Body body) {
    std::thread{[this, &body] {
      if (::setns(client_.get(), CLONE_NEWNET) == 0) body();
    }}.join();
  }

  int client_ifindex() {
    int index = 0;
    in_client([&index] {
      NetlinkClient there;
      LinkInfo link;
      if (there.open().ok() && there.find_link("ceth", &link).ok()) index = link.ifindex;
    });
    return index;
  }

  /// The client's neighbour entry for the VIP, as the engine's ARP answers would make it.
  bool teach(const MacAddress& to) {
    char text[32];
    std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", to.octets[0], to.octets[1],
                  to.octets[2], to.octets[3], to.octets[4], to.octets[5]);
    bool ok = false;
    in_client([&] {
      ok = run(std::string{"ip neigh replace 10.0.0.1 dev ceth nud permanent lladdr "} + text);
    });
    return ok;
  }

  /// Does the client get an echo reply from `address` before the deadline (or, with expect ==
  /// false, within kQuietNs)?
  bool answers(const carp::wire::IpAddress& address, bool expect) {
    bool answered = false;
    in_client([&] {
      Prober prober;
      if (!prober.start({.destination = address, .ifindex = 0, .per_second = 200, .capacity = 1000})
               .ok())
        return;
      const std::int64_t until = monotonic_ns() + (expect ? kDeadlineNs : kQuietNs);
      while (!answered && monotonic_ns() < until) {
        ::poll(nullptr, 0, 2);
        answered = prober.answered() > 0;
      }
    });
    return answered;
  }

  NetlinkClient netlink;
  int ifindex = 0;
  MacAddress mac{};

 private:
  Fd client_;
  bool ready_ = false;
};

#define LAB(name)                                                          \
  if (::getuid() != 0 || !namespace_is_ours()) {                           \
    CHECK(!"needs uid 0 in a network namespace of its own: unshare -Urn"); \
    return;                                                                \
  }                                                                        \
  Lab name;                                                                \
  REQUIRE(name.ready())

/// Nothing but a loopback: nobody else lives here.
bool namespace_is_ours() {
  NetlinkClient netlink;
  std::vector<LinkInfo> links;
  return netlink.open().ok() && netlink.list_links(&links).ok() && links.size() == 1 &&
         links[0].name == "lo";
}

/// The next frame for which `wanted` holds, or an empty one at the deadline.
template <typename Wanted>
Frame next_frame(PacketSocket& socket, std::int64_t within_ns, Wanted wanted) {
  const std::int64_t until = monotonic_ns() + within_ns;
  while (monotonic_ns() < until) {
    pollfd waiting{socket.fd(), POLLIN, 0};
    ::poll(&waiting, 1, 5);
    const ReceiveResult result = socket.recv_batch();
    for (const Received& received : result.frames) {
      if (wanted(received)) return Frame(received.frame.begin(), received.frame.end());
    }
  }
  return {};
}

bool any_frame(const Received&) { return true; }

Frame advert(const MacAddress& to, std::uint16_t vlan_id, bool tagged) {
  Frame frame(to.octets.begin(), to.octets.end());
  const std::uint8_t from[] = {0x00, 0x00, 0x5e, 0x00, 0x01, 0x05};
  frame.insert(frame.end(), std::begin(from), std::end(from));
  if (tagged) {
    const std::uint8_t tag[] = {0x81, 0x00, static_cast<std::uint8_t>(0xe0 | (vlan_id >> 8)),
                                static_cast<std::uint8_t>(vlan_id)};
    frame.insert(frame.end(), std::begin(tag), std::end(tag));
  }
  const std::uint8_t packet[] = {0x08, 0x00, 0x45, 0,  0, 56, 0, 0,   0, 0, 255,
                                 112,  0,    0,    10, 0, 0,  9, 224, 0, 0, 18};
  frame.insert(frame.end(), std::begin(packet), std::end(packet));
  frame.resize(frame.size() + 36);
  return frame;
}

void send_from_client(Lab& lab, const Frame& frame) {
  const int index = lab.client_ifindex();
  lab.in_client([&] {
    PacketSocket sender;
    if (sender.open_sender().ok()) CHECK_EQ(sender.send(index, frame), 0);
  });
}

VirtualInterfaceConfig config_for(const Lab& lab, MacMode mode) {
  return {.name = "carp0",
          .carpdev = "eth1",
          .carpdev_ifindex = lab.ifindex,
          .vhid = 1,
          .mode = mode,
          .owner = "test"};
}

bool has_link(NetlinkClient& netlink, const char* name) {
  LinkInfo link;
  return netlink.find_link(name, &link).ok();
}

}  // namespace

TEST(netns_packet_socket_receives_adverts_and_drops_foreign_vlans) {
  LAB(lab);
  // Bound to the protocol, and to all protocols: the kernel hides VLAN tags in one way from the
  // first and in another from the second.
  for (const int protocol : {ETH_P_IP, ETH_P_ALL}) {
    PacketSocket socket;
    REQUIRE(socket.open(static_cast<std::uint16_t>(protocol), lab.ifindex, build_advert_filter_v4())
                .ok());
    const MacAddress group = carp::wire::kCarpGroupMac4;
    send_from_client(lab, advert(group, 5, true));
    send_from_client(lab, advert({{2, 2, 2, 2, 2, 2}}, 0, false));
    CHECK(next_frame(socket, kQuietNs, any_frame).empty());
    send_from_client(lab, advert(group, 0, false));
    CHECK_EQ(next_frame(socket, kDeadlineNs, any_frame).size(), std::size_t{70});
    send_from_client(lab, advert(group, 0, true));  // a priority tag
    CHECK_EQ(next_frame(socket, kDeadlineNs, any_frame).size(), std::size_t{70});
    send_from_client(lab, advert(lab.mac, 0, false));
    CHECK_EQ(next_frame(socket, kDeadlineNs, any_frame).size(), std::size_t{70});
    // Our own transmission does not come back.
    CHECK_EQ(socket.send(lab.ifindex, advert(group, 0, false)), 0);
    CHECK(next_frame(socket, kQuietNs, any_frame).empty());
    CHECK_EQ(socket.drops(), 0u);
  }
}

TEST(netns_packet_socket_tells_down_and_gone) {
  LAB(lab);
  PacketSocket socket;
  REQUIRE(socket.open(ETH_P_IP, lab.ifindex, build_advert_filter_v4()).ok());
  const auto wait_for = [&socket](bool ReceiveResult::*flag) {
    const std::int64_t until = monotonic_ns() + kDeadlineNs;
    while (monotonic_ns() < until) {
      if (socket.recv_batch().*flag) return true;
      ::poll(nullptr, 0, 1);
    }
    return false;
  };
  REQUIRE(lab.netlink.set_link_down(lab.ifindex).ok());
  CHECK(wait_for(&ReceiveResult::interface_down));
  CHECK(!socket.recv_batch().interface_down);  // once
  CHECK_EQ(socket.send(lab.ifindex, advert(carp::wire::kCarpGroupMac4, 0, false)), ENETDOWN);
  REQUIRE(lab.netlink.set_link_up(lab.ifindex).ok());
  send_from_client(lab, advert(carp::wire::kCarpGroupMac4, 0, false));
  CHECK(!next_frame(socket, kDeadlineNs, any_frame).empty());
  REQUIRE(lab.netlink.delete_link(lab.ifindex).ok());
  CHECK(wait_for(&ReceiveResult::interface_down));
  CHECK_EQ(socket.send(lab.ifindex, advert(carp::wire::kCarpGroupMac4, 0, false)), ENXIO);
}

TEST(netns_packet_socket_replaces_its_filter_and_counts_drops) {
  LAB(lab);
  PacketSocket socket;
  REQUIRE(socket.open(ETH_P_IP, lab.ifindex, build_drop_all_filter()).ok());
  send_from_client(lab, advert(carp::wire::kCarpGroupMac4, 0, false));
  CHECK(next_frame(socket, kQuietNs, any_frame).empty());
  REQUIRE(socket.set_filter(build_advert_filter_v4()).ok());
  send_from_client(lab, advert(carp::wire::kCarpGroupMac4, 0, false));
  CHECK(!next_frame(socket, kDeadlineNs, any_frame).empty());
  const int index = lab.client_ifindex();
  lab.in_client([&] {
    PacketSocket sender;
    if (!sender.open_sender().ok()) return;
    const Frame frame = advert(carp::wire::kCarpGroupMac4, 0, false);
    for (int i = 0; i < 40'000; ++i) static_cast<void>(sender.send(index, frame));
  });
  CHECK(socket.drops() > 0);
  CHECK_EQ(socket.drops(), 0u);
  const ReceiveResult batch = socket.recv_batch();
  CHECK_EQ(batch.frames.size(), PacketSocket::kBatch);
  CHECK(batch.more);
}

TEST(netns_netlink_creates_changes_and_lists) {
  LAB(lab);
  int index = 0;
  REQUIRE(lab.netlink
              .create_macvlan({.name = "carp0",
                               .parent_ifindex = lab.ifindex,
                               .mac = carp::wire::virtual_mac(1),
                               .ifalias = "carpd:test"},
                              &index)
              .ok());
  LinkInfo link;
  REQUIRE(lab.netlink.find_link("carp0", &link).ok());
  CHECK_EQ(link.ifindex, index);
  CHECK(link.mac == carp::wire::virtual_mac(1));
  CHECK_EQ(link.kind, std::string{"macvlan"});
  CHECK_EQ(link.parent_ifindex, lab.ifindex);
  CHECK_EQ(link.ifalias, std::string{"carpd:test"});
  CHECK(!link.admin_up && !link.carrier);
  int other = 0;
  CHECK_EQ(
      lab.netlink.create_macvlan({"carp0", lab.ifindex, carp::wire::virtual_mac(2), "x"}, &other)
          .error,
      EEXIST);
  CHECK_EQ(
      lab.netlink.create_macvlan({"a-name-too-long-for-linux", lab.ifindex, {}, "x"}, &other).error,
      EINVAL);
  CHECK_EQ(
      lab.netlink.create_macvlan({"carp1", 9999, carp::wire::virtual_mac(2), "x"}, &other).error,
      ENODEV);
  REQUIRE(lab.netlink.find_link("carp0", &link).ok());
  CHECK_EQ(link.ifalias, std::string{"carpd:test"});
  CHECK(lab.netlink.set_link_up(index).ok());
  REQUIRE(lab.netlink.find_link("carp0", &link).ok());
  CHECK(link.admin_up && link.carrier);

  const AddressRequest request{.ifindex = index, .prefix = v4(kVip, 24), .scope = 254};
  CHECK(lab.netlink.add_address(request).ok());
  CHECK_EQ(lab.netlink.add_address(request).error, EEXIST);
  CHECK(lab.netlink.add_address({.ifindex = index, .prefix = v6(1, 64), .deprecated = true}).ok());
  std::vector<AddressInfo> addresses;
  REQUIRE(lab.netlink.list_addresses(&addresses).ok());
  int found = 0;
  for (const AddressInfo& address : addresses) {
    if (address.ifindex != index) continue;
    if (address.prefix == v4(kVip, 24)) {
      ++found;
      CHECK_EQ(address.scope, 254);
      CHECK((address.flags & IFA_F_NOPREFIXROUTE) != 0);
    }
    if (address.prefix == v6(1, 64)) {
      ++found;
      CHECK((address.flags & IFA_F_NODAD) != 0);
      CHECK((address.flags & IFA_F_TENTATIVE) == 0);
    }
  }
  CHECK_EQ(found, 2);
  CHECK(lab.netlink.delete_address(index, v4(kVip, 24)).ok());
  CHECK_EQ(lab.netlink.delete_address(index, v4(kVip, 24)).error, EADDRNOTAVAIL);
  CHECK(lab.netlink.delete_link(index).ok());
  CHECK_EQ(lab.netlink.delete_link(index).error, ENODEV);
  CHECK_EQ(lab.netlink.set_link_up(index).error, ENODEV);
}

TEST(netns_monitor_sees_changes_and_overruns) {
  LAB(lab);
  NetlinkMonitor monitor;
  REQUIRE(monitor.open().ok());
  REQUIRE(run("ip addr add 10.7.0.1/24 dev eth1"));
  lab.in_client([] { static_cast<void>(!run("ip link set ceth down")); });
  bool address_seen = false;
  bool carrier_lost = false;
  const std::int64_t until = monotonic_ns() + kDeadlineNs;
  while (!(address_seen && carrier_lost) && monotonic_ns() < until) {
    pollfd waiting{monitor.fd(), POLLIN, 0};
    ::poll(&waiting, 1, 10);
    REQUIRE(monitor
                .read([&](const NetlinkEvent& event) {
                  if (const auto* a = std::get_if<AddressChanged>(&event)) {
                    address_seen = address_seen ||
                                   (a->address.prefix == v4({{10, 7, 0, 1}}, 24) && !a->removed);
                  } else if (const auto* l = std::get_if<LinkChanged>(&event)) {
                    carrier_lost = carrier_lost ||
                                   (l->link.name == "eth1" && !l->link.carrier && l->link.admin_up);
                  }
                })
                .ok());
  }
  CHECK(address_seen);
  CHECK(carrier_lost);
  // Nobody reads while far more changes happen than the buffer holds.
  for (int i = 0; i < 1500; ++i) {
    static_cast<void>(lab.netlink.set_link_down(lab.ifindex));
    static_cast<void>(lab.netlink.set_link_up(lab.ifindex));
  }
  bool overrun = false;
  for (int i = 0; i < 1000 && !overrun; ++i) {
    REQUIRE(monitor
                .read([&](const NetlinkEvent& event) {
                  overrun = overrun || std::holds_alternative<MonitorOverrun>(event);
                })
                .ok());
  }
  CHECK(overrun);
}

TEST(netns_membership_reports_from_the_physical_mac) {
  LAB(lab);
  Membership membership;
  PacketSocket listener;
  const int index = lab.client_ifindex();
  lab.in_client([&] { static_cast<void>(listener.open(ETH_P_IP, index, build_capture_filter())); });
  REQUIRE(listener.is_open());
  for (int round = 0; round < 2; ++round) {
    REQUIRE(membership.join(lab.ifindex).ok());
    CHECK(membership.has_v6());
    const Frame report = next_frame(listener, kDeadlineNs, [](const Received& r) {
      // IGMPv3 report (RFC 3376 4.2) with a router-alert option before it, one record of
      // 224.0.0.18.
      return r.frame.size() >= 54 && r.frame[23] == 2 && r.frame[38] == 0x22 && r.frame[53] == 18;
    });
    REQUIRE(!report.empty());
    CHECK(std::equal(lab.mac.octets.begin(), lab.mac.octets.end(), report.begin() + 6));
  }
  REQUIRE(
      run("sysctl -qw net.ipv6.conf.eth1.disable_ipv6=1 || echo 1 > "
          "/proc/sys/net/ipv6/conf/eth1/disable_ipv6"));
  CHECK(membership.join(lab.ifindex).ok());
  CHECK(!membership.join(9999).ok());
}

TEST(netns_routed_socket_reaches_a_peer_and_prevents_unreachables) {
  LAB(lab);
  PacketSocket listener;
  const int index = lab.client_ifindex();
  lab.in_client(
      [&] { static_cast<void>(listener.open(ETH_P_ALL, index, build_capture_filter())); });
  REQUIRE(listener.is_open());
  RoutedSocket socket;
  REQUIRE(socket.open("eth1").ok());
  Frame packet{0x45, 0, 0, 56, 0, 0, 0x40, 0, 255, 112, 0, 0, 10, 0, 0, 2, 10, 0, 0, 9};
  packet.resize(56);
  CHECK_EQ(socket.send_v4(packet), 0);
  CHECK(!next_frame(listener, kDeadlineNs, [](const Received& r) {
           return r.frame.size() >= 70 && r.frame[12] == 8 && r.frame[13] == 0 &&
                  r.frame[23] == 112 && r.frame[22] == 255;
         }).empty());
  const Frame payload(36, 0x21);
  CHECK_EQ(socket.send_v6(v6(2, 64).address.v6(), v6(9, 64).address.v6(), 0, payload), 0);
  CHECK(!next_frame(listener, kDeadlineNs, [](const Received& r) {
           return r.frame.size() == 90 && r.frame[20] == 112 && r.frame[21] == 255;
         }).empty());
  // The peer's advert: silence while the socket is open, "protocol unreachable" without it.
  const auto unreachable = [](const Received& r) {
    return r.frame.size() > 36 && r.frame[12] == 8 && r.frame[13] == 0 && r.frame[23] == 1 &&
           r.frame[34] == 3 && r.frame[35] == 2;
  };
  Frame unicast = advert(lab.mac, 0, false);
  const std::uint8_t to[] = {10, 0, 0, 2};
  std::copy(std::begin(to), std::end(to), unicast.begin() + 30);
  std::uint32_t sum = 0;
  for (std::size_t i = 14; i < 34; i += 2) sum += (std::uint32_t{unicast[i]} << 8) | unicast[i + 1];
  sum = ~((sum & 0xffff) + (sum >> 16));
  unicast[24] = static_cast<std::uint8_t>(sum >> 8);
  unicast[25] = static_cast<std::uint8_t>(sum);
  send_from_client(lab, unicast);
  CHECK(next_frame(listener, kQuietNs, unreachable).empty());
  socket.close();
  send_from_client(lab, unicast);
  CHECK(!next_frame(listener, kDeadlineNs, unreachable).empty());
}

TEST(netns_virtual_mode_answers_only_while_up_and_never_by_arp) {
  LAB(lab);
  SysctlKeeper sysctls{""};
  REQUIRE(write_sysctl("net/ipv4/conf/all/rp_filter", "1").ok());
  VirtualInterface vip{lab.netlink, sysctls, nullptr};
  PacketSocket listener;
  const int index = lab.client_ifindex();
  lab.in_client(
      [&] { static_cast<void>(listener.open(ETH_P_ALL, index, build_capture_filter())); });
  REQUIRE(listener.is_open());
  const auto from_virtual_mac = [](const Received& r) {
    const auto mac = carp::wire::virtual_mac(1);
    return std::equal(mac.octets.begin(), mac.octets.end(), r.frame.begin() + 6);
  };
  REQUIRE(vip.create(config_for(lab, MacMode::kVirtual)).ok());
  const Prefix both[] = {v4(kVip, 24), v6(1, 64)};
  REQUIRE(vip.set_addresses(both).ok());
  CHECK(!lab.answers(both[0].address, false));
  CHECK(!lab.answers(both[1].address, false));
  CHECK(next_frame(listener, kQuietNs, from_virtual_mac).empty());

  REQUIRE(vip.up().ok());
  CHECK(
      !lab.answers(both[0].address, false));  // no ARP answer from the kernel, on either interface
  CHECK(lab.answers(both[1].address, true));  // but an answer to the neighbour solicitation
  REQUIRE(lab.teach(carp::wire::virtual_mac(1)));
  CHECK(lab.answers(both[0].address, true));

  // What is queued is from the time as MASTER; from here on not one frame.
  REQUIRE(vip.down().ok());
  while (!listener.recv_batch().frames.empty()) {
  }
  CHECK(!lab.answers(both[0].address, false));
  CHECK(!lab.answers(both[1].address, false));
  CHECK(next_frame(listener, 1'500'000'000, from_virtual_mac).empty());
  REQUIRE(vip.up().ok());
  CHECK(lab.answers(both[0].address, true));
  CHECK(lab.answers(both[1].address, true));
  CHECK(vip.remove().ok());
  CHECK(!has_link(lab.netlink, "carp0"));
  CHECK(sysctls.restore_all().ok());
  std::string value;
  CHECK(read_sysctl("net/ipv4/conf/eth1/arp_ignore", &value).ok());
  CHECK_EQ(value, std::string{"0"});
}

TEST(netns_virtual_mode_changes_only_what_differs) {
  LAB(lab);
  SysctlKeeper sysctls{""};
  VirtualInterface vip{lab.netlink, sysctls, nullptr};
  REQUIRE(vip.create(config_for(lab, MacMode::kVirtual)).ok());
  const auto held = [&lab, &vip] {
    std::vector<AddressInfo> all;
    std::vector<Prefix> ours;
    static_cast<void>(lab.netlink.list_addresses(&all).ok());
    for (const AddressInfo& address : all) {
      if (address.ifindex == vip.ifindex()) ours.push_back(address.prefix);
    }
    std::sort(ours.begin(), ours.end());
    return ours;
  };
  const Prefix a = v4({{10, 0, 0, 101}}, 24);
  const Prefix b = v4({{10, 0, 0, 102}}, 24);
  const Prefix c = v4({{10, 0, 0, 103}}, 24);
  const Prefix six = v6(1, 64);
  REQUIRE(vip.set_addresses(std::vector<Prefix>{a, b}).ok());
  CHECK(held() == (std::vector<Prefix>{a, b}));
  REQUIRE(vip.up().ok());
  // a is the first of its prefix: without promote_secondaries b would go with it.
  REQUIRE(vip.set_addresses(std::vector<Prefix>{six, c, b}).ok());
  CHECK(held() == (std::vector<Prefix>{b, c, six}));
  CHECK(lab.answers(six.address, true));
  REQUIRE(vip.down().ok());
  CHECK(held() == (std::vector<Prefix>{b, c, six}));
  REQUIRE(vip.up().ok());
  CHECK(lab.answers(six.address, true));
  REQUIRE(vip.set_addresses({}).ok());
  CHECK(held().empty());
  CHECK(vip.remove().ok());
  CHECK(sysctls.restore_all().ok());
}

TEST(netns_physical_mode_answers_only_while_up_and_never_by_arp) {
  LAB(lab);
  SysctlKeeper sysctls{""};
  VirtualInterface vip{lab.netlink, sysctls, nullptr};
  REQUIRE(vip.create(config_for(lab, MacMode::kPhysical)).ok());
  const Prefix both[] = {v4(kVip, 24), v6(1, 64)};
  REQUIRE(vip.set_addresses(both).ok());
  CHECK(!lab.answers(both[0].address, false));
  REQUIRE(vip.up().ok());
  CHECK(!lab.answers(both[0].address, false));
  CHECK(lab.answers(v4(kRouter, 24).address, true));  // its own address still is answered
  REQUIRE(lab.teach(lab.mac));
  CHECK(lab.answers(both[0].address, true));
  CHECK(lab.answers(both[1].address, true));
  REQUIRE(vip.down().ok());
  CHECK(!lab.answers(both[0].address, false));
  CHECK(!lab.answers(both[1].address, false));
  CHECK(vip.remove().ok());
  CHECK(sysctls.restore_all().ok());
}

TEST(netns_leftovers_are_removed_by_owner) {
  LAB(lab);
  int index = 0;
  REQUIRE(lab.netlink
              .create_macvlan({"carp0", lab.ifindex, carp::wire::virtual_mac(1), owner_mark("a")},
                              &index)
              .ok());
  REQUIRE(lab.netlink
              .create_macvlan({"carp1", lab.ifindex, carp::wire::virtual_mac(2), owner_mark("ab")},
                              &index)
              .ok());
  REQUIRE(lab.netlink
              .create_macvlan({"mine", lab.ifindex, carp::wire::virtual_mac(3), "somebody"}, &index)
              .ok());
  SysctlKeeper sysctls{""};
  VirtualInterface taken{lab.netlink, sysctls, nullptr};
  VirtualInterfaceConfig config = config_for(lab, MacMode::kVirtual);
  config.name = "mine";
  CHECK_EQ(taken.create(config).error, EEXIST);
  int removed = 0;
  REQUIRE(remove_leftovers(lab.netlink, "a", &removed).ok());
  CHECK_EQ(removed, 1);
  CHECK(!has_link(lab.netlink, "carp0"));
  CHECK(has_link(lab.netlink, "carp1"));
  CHECK(has_link(lab.netlink, "mine"));
  CHECK(sysctls.restore_all().ok());
}

TEST(netns_sysctl_journal_undoes_a_killed_process) {
  LAB(lab);
  char name[] = "/tmp/carp-journal-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  const std::string journal = std::string{name} + "/sysctl";
  const std::string ignore = "net/ipv4/conf/eth1/arp_ignore";
  const std::string announce = "net/ipv4/conf/eth1/arp_announce";
  {
    SysctlKeeper killed{journal};
    REQUIRE(killed.set(ignore, "1").ok());
    REQUIRE(killed.set(ignore, "3").ok());
    REQUIRE(killed.set(announce, "2").ok());
    CHECK_EQ(killed.changes().size(), std::size_t{2});
  }
  REQUIRE(write_sysctl(announce, "1").ok());  // somebody else decides meanwhile
  SysctlKeeper next{journal};
  REQUIRE(next.load_journal().ok());
  std::string value;
  REQUIRE(read_sysctl(ignore, &value).ok());
  CHECK_EQ(value, std::string{"0"});
  REQUIRE(read_sysctl(announce, &value).ok());
  CHECK_EQ(value, std::string{"1"});
  CHECK(::access(journal.c_str(), F_OK) != 0);
  REQUIRE(next.set(ignore, "1").ok());
  CHECK(::access(journal.c_str(), F_OK) == 0);
  REQUIRE(next.restore(ignore).ok());
  CHECK(::access(journal.c_str(), F_OK) != 0);
  ::rmdir(name);
}

TEST(netns_capture_writes_what_tools_read) {
  LAB(lab);
  const std::string path = "/tmp/carp-capture-" + std::to_string(::getpid()) + ".pcap";
  Capture capture;
  REQUIRE(capture.start({.path = path, .ifindex = lab.ifindex, .protocols_only = true}).ok());
  CHECK(lab.answers(v4(kRouter, 24).address, true));
  send_from_client(lab, advert(carp::wire::kCarpGroupMac4, 5, true));
  const std::int64_t until = monotonic_ns() + kDeadlineNs;
  while (capture.frames() < 5 && monotonic_ns() < until) ::poll(nullptr, 0, 1);
  capture.stop();
  CHECK(capture.frames() >= 5);  // two of ARP, two of ICMP, the advert
  CHECK_EQ(capture.write_error(), 0);
  Frame content(1 << 20);
  const Fd file{::open(path.c_str(), O_RDONLY)};
  const ssize_t size = ::read(file.get(), content.data(), content.size());
  ::unlink(path.c_str());
  REQUIRE(size > 24);
  // Walk the records; the VLAN tag must be back in its place.
  std::uint64_t records = 0;
  bool tag_seen = false;
  std::size_t at = 24;
  while (at + 16 <= static_cast<std::size_t>(size)) {
    std::uint32_t captured = 0;
    std::memcpy(&captured, &content[at + 8], sizeof captured);
    at += 16;
    tag_seen =
        tag_seen || (content[at + 12] == 0x81 && content[at + 15] == 5 && content[at + 16] == 8);
    at += captured;
    ++records;
  }
  CHECK_EQ(at, static_cast<std::size_t>(size));
  CHECK_EQ(records, capture.frames());
  CHECK(tag_seen);
}

TEST(netns_prober_measures_a_gap) {
  LAB(lab);
  lab.in_client([&lab] {
    Prober prober;
    REQUIRE(prober
                .start({.destination = v4(kRouter, 24).address,
                        .ifindex = 0,
                        .per_second = 1000,
                        .capacity = 100})
                .ok());
    const std::int64_t until = monotonic_ns() + kDeadlineNs;
    while (prober.answered() < 100 && monotonic_ns() < until) ::poll(nullptr, 0, 2);
    prober.stop();
    const std::vector<Probe> probes = prober.results();
    REQUIRE(probes.size() == 100);
    for (const Probe& probe : probes) {
      CHECK(probe.fate == ProbeFate::kAnswered);
      CHECK(probe.answered_monotonic_ns >= probe.sent_monotonic_ns);
    }
    // Absolute pacing: 99 intervals of 1 ms, not more than one of them late at the end.
    const std::int64_t span = probes.back().sent_monotonic_ns - probes.front().sent_monotonic_ns;
    CHECK(span >= 98'000'000);
    CHECK_EQ(prober.results(90).size(), std::size_t{10});
    CHECK_EQ(
        prober.start({.destination = {}, .ifindex = 0, .per_second = 2001, .capacity = 1}).error,
        EINVAL);
  });
}

TEST(netns_janitor_cleans_up_after_a_kill_and_only_then) {
  const char* const janitor = std::getenv("CARP_JANITOR");
  if (janitor == nullptr) SKIP("CARP_JANITOR is not set");
  LAB(lab);
  for (const bool clean : {false, true}) {
    int ready[2];
    REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
      // The daemon of this test: a virtual and a physical vhid, both MASTER.
      NetlinkClient netlink;
      JanitorClient client;
      bool ok = netlink.open().ok() && client.start(janitor, "test").ok();
      SysctlKeeper sysctls{"", &client};
      VirtualInterface a{netlink, sysctls, &client};
      VirtualInterface b{netlink, sysctls, &client};
      const Prefix one[] = {v4(kVip, 24)};
      const Prefix two[] = {v4({{10, 0, 0, 3}}, 24), v6(3, 64)};
      ok = ok && a.create(config_for(lab, MacMode::kVirtual)).ok() && a.set_addresses(one).ok() &&
           a.up().ok();
      ok = ok && b.create(config_for(lab, MacMode::kPhysical)).ok() && b.set_addresses(two).ok() &&
           b.up().ok();
      ok = ok && client.alive();
      if (clean) client.finish();
      static_cast<void>(!::write(ready[1], ok ? "1" : "0", 1));
      for (;;) ::pause();
    }
    char answer = 0;
    REQUIRE(::read(ready[0], &answer, 1) == 1);
    CHECK_EQ(answer, '1');
    REQUIRE(has_link(lab.netlink, "carp0"));
    const std::int64_t killed = monotonic_ns();
    ::kill(child, SIGKILL);
    const auto physical_vips = [&lab] {
      std::vector<AddressInfo> all;
      static_cast<void>(lab.netlink.list_addresses(&all).ok());
      return std::count_if(all.begin(), all.end(), [&lab](const AddressInfo& a) {
        return a.ifindex == lab.ifindex &&
               a.prefix.address.octets[a.prefix.address.family == Family::kIpv4 ? 3 : 15] == 3;
      });
    };
    std::string ignore = "?";
    const auto all_gone = [&] {
      static_cast<void>(read_sysctl("net/ipv4/conf/eth1/arp_ignore", &ignore).ok());
      return !has_link(lab.netlink, "carp0") && physical_vips() == 0 && ignore == "0";
    };
    bool gone = false;
    while (!(gone = all_gone()) && monotonic_ns() - killed < (clean ? kQuietNs : kDeadlineNs))
      ::poll(nullptr, 0, 1);
    if (gone)
      std::printf("# janitor: all gone %.1f ms after SIGKILL\n",
                  static_cast<double>(monotonic_ns() - killed) / 1e6);
    CHECK_EQ(gone, !clean);
    int status = 0;
    ::waitpid(child, &status, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    if (clean) {
      CHECK_EQ(physical_vips(), 2);
      CHECK(remove_leftovers(lab.netlink, "test", nullptr).ok());
    }
  }
}

TEST(netns_janitor_that_died_is_noticed) {
  const char* const janitor = std::getenv("CARP_JANITOR");
  if (janitor == nullptr) SKIP("CARP_JANITOR is not set");
  LAB(lab);
  JanitorClient client;
  CHECK_EQ(client.record_macvlan(1, "x").error, ENOTCONN);
  CHECK_EQ(client.start("/nonexistent/carp-janitor", "test").error, ENOENT);
  CHECK_EQ(client.start("/bin/true", "test").error, EPIPE);
  CHECK(!client.alive());
  REQUIRE(client.start(janitor, "test").ok());
  CHECK(client.alive());
  // What an operator's kill or a service manager sends does not move it.
  for (const int ignored : {SIGTERM, SIGINT, SIGHUP}) ::kill(client.pid(), ignored);
  CHECK(client.record_macvlan(9999, "x").ok());
  CHECK(client.alive());
  ::kill(client.pid(), SIGKILL);
  pollfd waiting{client.fd(), POLLIN, 0};
  CHECK_EQ(::poll(&waiting, 1, 3000), 1);
  CHECK(!client.alive());
  CHECK_EQ(client.pid(), -1);
  CHECK_EQ(client.record_macvlan(1, "x").error, ENOTCONN);
  REQUIRE(client.start(janitor, "test").ok());
  client.finish();
  CHECK(!client.alive());
}

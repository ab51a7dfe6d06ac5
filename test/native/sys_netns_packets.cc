// Packet sockets, netlink, group membership, capture and prober against the real kernel. How to run
// it: netns_lab.h.

#include "check.h"
#include "netns_lab.h"

using namespace carp::test;

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

// VIP holders, sysctls and the janitor against the real kernel. How to run it: netns_lab.h.
//
// The janitor's executable is named by CARP_JANITOR; without it those cases are skipped.

#include "check.h"
#include "netns_lab.h"

using namespace carp::test;

namespace {

VirtualInterfaceConfig config_for(const Lab& lab, MacMode mode) {
  return {.name = "carp0",
          .carpdev = "eth1",
          .carpdev_ifindex = lab.ifindex,
          .vhid = 1,
          .mode = mode,
          .owner = "test"};
}

}  // namespace

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
  // No answer to ARP or neighbour solicitation from the kernel, on either interface.
  CHECK(!lab.answers(both[0].address, false));
  CHECK(!lab.answers(both[1].address, false));
  CHECK(next_frame(listener, kQuietNs, from_virtual_mac).empty());
  REQUIRE(lab.teach(carp::wire::virtual_mac(1)));
  REQUIRE(lab.teach(carp::wire::virtual_mac(1), "fd00::1"));
  CHECK(lab.answers(both[0].address, true));
  CHECK(lab.answers(both[1].address, true));

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
  // Handed off, the link is still up, but deaf already.
  CHECK_EQ(vip.hand_off_down(), vip.ifindex());
  LinkInfo link;
  REQUIRE(lab.netlink.find_link("carp0", &link).ok());
  CHECK(link.admin_up);
  CHECK(!lab.answers(both[0].address, false));
  CHECK(!lab.answers(both[1].address, false));
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
  REQUIRE(lab.teach(carp::wire::virtual_mac(1), "fd00::1"));
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

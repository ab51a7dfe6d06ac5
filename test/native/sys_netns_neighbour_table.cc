// The neighbour tables of the real kernel: what a cable that was out leaves in them, and that only
// this is cleared away. How to run it: netns_lab.h.

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstdio>
#include <map>
#include <sstream>

#include "check.h"
#include "netns_lab.h"

using namespace carp::test;

namespace {

/// What ip(8) says of the neighbours of `device`: address and state ("INCOMPLETE").
std::map<std::string, std::string> neighbours_of(const char* device) {
  std::map<std::string, std::string> out;
  const std::string command = std::string{"ip neigh show nud all dev "} + device;
  FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  char line[256];
  while (std::fgets(line, sizeof line, pipe) != nullptr) {
    std::istringstream words{line};
    std::string address, word, last;
    words >> address;
    while (words >> word) last = word;
    // Groups and such: the kernel's own.
    if (last != "NOARP") out[address] = last;
  }
  ::pclose(pipe);
  return out;
}

/// A datagram to `address`; whoever is there, nobody needs to take it.
bool send_to(const std::string& address) {
  sockaddr_in to4{};
  sockaddr_in6 to6{};
  to4.sin_family = AF_INET;
  to6.sin6_family = AF_INET6;
  to4.sin_port = to6.sin6_port = htons(9);
  const bool v4 = ::inet_pton(AF_INET, address.c_str(), &to4.sin_addr) == 1;
  if (!v4 && ::inet_pton(AF_INET6, address.c_str(), &to6.sin6_addr) != 1) return false;
  const Fd fd{::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const auto* to = v4 ? reinterpret_cast<const sockaddr*>(&to4) : reinterpret_cast<sockaddr*>(&to6);
  return ::sendto(fd.get(), "x", 1, MSG_DONTWAIT, to, v4 ? sizeof to4 : sizeof to6) == 1;
}

template <typename Condition>
bool until(Condition condition) {
  const std::int64_t deadline = monotonic_ns() + kDeadlineNs;
  while (!condition()) {
    if (monotonic_ns() > deadline) return false;
    ::poll(nullptr, 0, 2);
  }
  return true;
}

/// The kernel asks once and not again within a test: what comes second, something else made it ask.
bool ask_once(const char* device) {
  const std::string name{device};
  return write_sysctl("net/ipv4/neigh/" + name + "/retrans_time_ms", "60000").ok() &&
         write_sysctl("net/ipv6/neigh/" + name + "/retrans_time_ms", "60000").ok();
}

}  // namespace

TEST(netns_only_unresolved_neighbours_are_forgotten) {
  LAB(lab);
  REQUIRE(ask_once("eth1"));
  REQUIRE(run("ip link add eth2 type veth peer name other && ip link set eth2 up"));
  REQUIRE(run("ip link set other up && ip addr add 10.9.0.2/24 dev eth2"));
  REQUIRE(ask_once("eth2"));
  const std::map<std::string, std::string> known = {
      {"10.0.0.20", "PERMANENT"}, {"10.0.0.21", "REACHABLE"}, {"10.0.0.22", "STALE"},
      {"fd00::20", "PERMANENT"},  {"fd00::21", "REACHABLE"},  {"fd00::22", "STALE"},
  };
  for (const auto& [address, state] : known) {
    std::string nud = state;
    std::transform(nud.begin(), nud.end(), nud.begin(),
                   [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    REQUIRE(run("ip neigh add " + address + " lladdr 02:00:00:00:00:20 dev eth1 nud " + nud));
  }
  REQUIRE(run("ip neigh add 10.0.0.23 dev eth1 nud failed"));
  REQUIRE(run("ip neigh add fd00::23 dev eth1 nud failed"));
  for (const char* address : {"10.0.0.30", "fd00::30", "10.9.0.30"}) REQUIRE(send_to(address));
  // Entries that somebody has the kernel manage: Linux 5.16 and an ip(8) that knows them.
  const bool managed = run("ip neigh add 10.0.0.24 dev eth1 managed 2>/dev/null");
  REQUIRE(until([] {
    auto now = neighbours_of("eth1");
    return now["10.0.0.30"] == "INCOMPLETE" && now["fd00::30"] == "INCOMPLETE" &&
           now["10.0.0.23"] == "FAILED" && now["fd00::23"] == "FAILED";
  }));
  std::size_t removed = 99;
  CHECK(lab.netlink.forget_unresolved_neighbours(lab.ifindex, &removed).ok());
  CHECK_EQ(removed, std::size_t{4});
  auto left = neighbours_of("eth1");
  if (managed) CHECK_EQ(left.erase("10.0.0.24"), std::size_t{1});
  CHECK(left == known);
  CHECK_EQ(neighbours_of("eth2")["10.9.0.30"], std::string{"INCOMPLETE"});
  CHECK(lab.netlink.forget_unresolved_neighbours(lab.ifindex, &removed).ok());
  CHECK_EQ(removed, std::size_t{0});
  CHECK(lab.netlink.forget_unresolved_neighbours(99999, &removed).ok());
  CHECK_EQ(removed, std::size_t{0});
  CHECK(run("ip link del eth2"));
}

TEST(netns_many_unresolved_neighbours_are_forgotten) {
  LAB(lab);
  REQUIRE(ask_once("eth1"));
  REQUIRE(run("ip addr add 10.1.0.2/16 dev eth1"));
  constexpr std::size_t kMany = 350;  // more than one request takes
  for (std::size_t i = 0; i < kMany; ++i) {
    REQUIRE(send_to("10.1." + std::to_string(1 + i / 250) + "." + std::to_string(1 + i % 250)));
  }
  REQUIRE(until([] { return neighbours_of("eth1").size() == kMany; }));
  std::size_t removed = 0;
  CHECK(lab.netlink.forget_unresolved_neighbours(lab.ifindex, &removed).ok());
  CHECK_EQ(removed, kMany);
  CHECK(neighbours_of("eth1").empty());
}

TEST(netns_a_cable_that_is_back_is_asked_at_once) {
  LAB(lab);
  REQUIRE(ask_once("eth1"));
  const auto carrier = [&lab] {
    LinkInfo link;
    return lab.netlink.find_link("eth1", &link).ok() && link.carrier;
  };
  lab.in_client([] { CHECK(run("ip link set ceth down")); });
  REQUIRE(until([&] { return !carrier(); }));
  // Forwarded onto the dead cable, more than once: the kernel empties the table a moment after the
  // carrier is seen to be gone.
  REQUIRE(until(
      [] { return send_to("10.0.0.9") && neighbours_of("eth1")["10.0.0.9"] == "INCOMPLETE"; }));
  PacketSocket listener;  // at the client
  const int index = lab.client_ifindex();
  lab.in_client([&] {
    CHECK(run("ip link set ceth up"));
    static_cast<void>(listener.open(ETH_P_ARP, index, build_any_arp_filter()));
  });
  REQUIRE(listener.is_open());
  REQUIRE(until(carrier));
  const auto for_client = [](const Received& received) {
    return received.frame.size() >= 42 &&
           std::equal(kClient.octets.begin(), kClient.octets.end(), received.frame.begin() + 38);
  };
  // The next packet joins the one that waits for the kernel's next question.
  REQUIRE(send_to("10.0.0.9"));
  CHECK(next_frame(listener, kQuietNs, for_client).empty());
  std::size_t removed = 0;
  CHECK(lab.netlink.forget_unresolved_neighbours(lab.ifindex, &removed).ok());
  CHECK_EQ(removed, std::size_t{1});
  REQUIRE(send_to("10.0.0.9"));
  CHECK(!next_frame(listener, kDeadlineNs, for_client).empty());
  CHECK(until([] { return neighbours_of("eth1")["10.0.0.9"] == "REACHABLE"; }));
}

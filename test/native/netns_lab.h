// What the tests of sys against the real kernel share: a cable between this network namespace and a
// client's.
//
// These tests are run as uid 0 of a network namespace of its own, `unshare -Urn` for one, with
// ip(8) installed. They refuse to touch a namespace in use.
#pragma once

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

namespace carp::test {

using namespace carp::sys;
using carp::wire::Family;
using carp::wire::Ipv4Address;
using carp::wire::MacAddress;
using carp::wire::Prefix;
using Frame = std::vector<std::uint8_t>;

inline constexpr std::int64_t kDeadlineNs = 3'000'000'000;
inline constexpr std::int64_t kQuietNs = 150'000'000;  // how long "nothing came" has to hold
inline constexpr Ipv4Address kVip{{10, 0, 0, 1}};
inline constexpr Ipv4Address kRouter{{10, 0, 0, 2}};
inline constexpr Ipv4Address kClient{{10, 0, 0, 9}};

inline bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

inline Prefix v4(Ipv4Address address, std::uint8_t length) {
  return Prefix{carp::wire::IpAddress::from(address), length};
}

inline Prefix v6(std::uint8_t last, std::uint8_t length) {
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

  /// The client's neighbour entry for a VIP, as the engine's answers would make it.
  bool teach(const MacAddress& to, const char* vip = "10.0.0.1") {
    char text[32];
    std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", to.octets[0], to.octets[1],
                  to.octets[2], to.octets[3], to.octets[4], to.octets[5]);
    bool ok = false;
    in_client([&] {
      ok = run(std::string{"ip neigh replace "} + vip + " dev ceth nud permanent lladdr " + text);
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
inline bool namespace_is_ours() {
  NetlinkClient netlink;
  std::vector<LinkInfo> links;
  return netlink.open().ok() && netlink.list_links(&links).ok() && links.size() == 1 &&
         links[0].name == "lo";
}

/// The next frame for which `wanted` holds, or an empty one at the deadline.
template <typename Wanted>
inline Frame next_frame(PacketSocket& socket, std::int64_t within_ns, Wanted wanted) {
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

inline bool any_frame(const Received&) { return true; }

inline Frame advert(const MacAddress& to, std::uint16_t vlan_id, bool tagged) {
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

inline void send_from_client(Lab& lab, const Frame& frame) {
  const int index = lab.client_ifindex();
  lab.in_client([&] {
    PacketSocket sender;
    if (sender.open_sender().ok()) CHECK_EQ(sender.send(index, frame), 0);
  });
}

inline bool has_link(NetlinkClient& netlink, const char* name) {
  LinkInfo link;
  return netlink.find_link(name, &link).ok();
}

}  // namespace carp::test

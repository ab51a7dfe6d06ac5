// ARP balancing and every form of question: refreshes, probes, announcements, neighbour
// solicitations; the keyed rule; the order of the vhids; and a shared address without balancing.
#include "balance_lab.h"

using namespace carp;
using namespace carp::test;

namespace {

struct Two : Balanced {
  sim::HostId a;
  sim::HostId b;

  explicit Two(const core::HostOptions& options = kBalanceOptions,
               std::initializer_list<wire::IpAddress> vips = {kShared, kShared6},
               std::uint16_t rank_1 = 0, std::uint16_t rank_2 = 0) {
    const auto config = [&](std::uint8_t number, std::uint8_t skew) {
      core::VhostConfig out = vhid(number, skew, vips);
      out.balance_rank = number == 1 ? rank_1 : rank_2;
      return out;
    };
    a = booted(2, {config(1, 0), config(2, 100)}, options);
    b = booted(3, {config(1, 100), config(2, 0)}, options);
    net.run_for(milliseconds{8'300});
  }

  // The vhid of the one answer; 0 for none, 255 for several.
  std::uint8_t one(const std::vector<Answer>& given) const {
    if (given.empty()) return 0;
    if (given.size() > 1) return 255;
    const std::uint8_t number = given[0].mac == wire::virtual_mac(1)   ? 1
                                : given[0].mac == wire::virtual_mac(2) ? 2
                                                                       : 254;
    if (given[0].host != (number == 1 ? a : b)) return 253;
    return number;
  }
};

const wire::IpAddress kEven = ip4(192, 168, 1, 200);
const wire::IpAddress kOdd = ip4(192, 168, 1, 201);

}  // namespace

TEST(a_refresh_to_a_virtual_mac_is_answered_by_its_owner_whatever_the_address_selects) {
  Two two;
  for (const wire::IpAddress& sender : {kEven, kOdd}) {
    for (const std::uint8_t number : {std::uint8_t{1}, std::uint8_t{2}}) {
      const auto given = ask(two, {.sender = sender, .to = wire::virtual_mac(number)});
      CHECK_EQ(two.one(given), number);
      if (!given.empty()) CHECK(given[0].to == mac(200));
      // The same by broadcast with the MAC as target: who has let go asks like this.
      CHECK_EQ(two.one(ask(two, {.sender = sender, .target_mac = wire::virtual_mac(number)})),
               number);
    }
    // A MAC that is none of ours there selects nothing.
    CHECK_EQ(two.one(ask(two, {.sender = sender, .target_mac = mac(77)})), sender == kEven ? 1 : 2);
  }
  CHECK_NO_VIOLATION(two.net);
}

TEST(announcements_are_not_answered_and_a_probe_is_answered_once) {
  Two two;
  CHECK_EQ(two.one(ask(two, {.sender = kShared})), 0);  // gratuitous: somebody else's claim
  CHECK_EQ(two.one(ask(two, {.mac = wire::virtual_mac(2), .sender = kShared})), 0);
  CHECK_EQ(two.one(ask(two, {.mac = wire::MacAddress{{3, 0, 0, 0, 0, 1}}})), 0);  // a group MAC
  CHECK_EQ(two.one(ask(two, {.sender = ip4(0, 0, 0, 0)})), 1);  // RFC 5227: index 0
  CHECK_EQ(two.one(ask(two, {.target = ip4(192, 168, 1, 99)})), 0);
  // A unicast to a host's own MAC gets that host's share, as a broadcast would.
  CHECK_EQ(two.one(ask(two, {.sender = kEven, .to = mac(2)})), 1);
  CHECK_EQ(two.one(ask(two, {.sender = kOdd, .to = mac(2)})), 0);
}

TEST(several_shared_addresses_are_balanced_each) {
  const wire::IpAddress second = ip4(192, 168, 1, 11);
  const wire::IpAddress third = ip4(192, 168, 1, 12);
  Two two(kBalanceOptions, {kShared, second, third});
  for (const wire::IpAddress& vip : {kShared, second, third}) {
    for (int n = 100; n < 124; ++n) {
      const wire::IpAddress sender = ip4(192, 168, 1, static_cast<std::uint8_t>(n));
      CHECK_EQ(two.one(ask(two, {.sender = sender, .target = vip})), n % 2 == 0 ? 1 : 2);
    }
    CHECK_EQ(announcements_of(two.net, vip), 0U);
  }
}

// A vhid may have an address of its own beside the shared one: that is announced and answered as
// ever.
TEST(an_address_of_one_vhid_alone_is_not_balanced) {
  Lan lan;
  const wire::IpAddress own = ip4(192, 168, 1, 50);
  const auto a =
      lan.booted(2, {vhid(1, 0, {kShared, own}), vhid(2, 100, {kShared})}, kBalanceOptions);
  const auto b =
      lan.booted(3, {vhid(1, 100, {kShared, own}), vhid(2, 0, {kShared})}, kBalanceOptions);
  lan.net.run_for(milliseconds{8'300});
  for (const wire::IpAddress& sender : {kEven, kOdd}) {
    const auto given = ask(lan, {.sender = sender, .target = own});
    REQUIRE(given.size() == 1);
    CHECK_EQ(given[0].host, a);
    CHECK(given[0].mac == wire::virtual_mac(1));
  }
  CHECK(announcements_of(lan.net, own) > 0);
  CHECK_EQ(announcements_of(lan.net, kShared), 0U);
  CHECK_EQ(lan.net.state(b, 1), VhostState::kMaster);
}

// --- IPv6 ------------------------------------------------------------------------------------

TEST(neighbour_solicitations_are_balanced_by_the_xor_of_the_four_words) {
  Two two;
  for (std::uint16_t n = 0x100; n < 0x120; ++n) {
    // fd00::N, as words fd000000, 0, 0, N.
    const std::uint32_t index = (0xfd000000U ^ n) % 2;
    CHECK_EQ(two.one(ask6(two, ip6(0xfd00, n))), index + 1);
  }
  // Every word counts.
  wire::Ipv6Address source = ip6(0xfd00, 0x100).v6();
  for (const std::size_t word : {0U, 1U, 2U, 3U}) {
    wire::Ipv6Address changed = source;
    changed.octets[4 * word + 3] ^= 1;
    CHECK_EQ(two.one(ask6(two, wire::IpAddress::from(changed))), 2);
  }
  CHECK_EQ(two.one(ask6(two, ip6(0xfe80, 0x100))), 1);
  CHECK_EQ(announcements_of(two.net, kShared6), 0U);
}

TEST(a_check_for_a_duplicate_ipv6_address_is_answered_once_to_all) {
  Two two;
  const auto given = ask6(two, wire::IpAddress::from(wire::Ipv6Address{}));
  CHECK_EQ(two.one(given), 1);  // index 0
  REQUIRE(given.size() == 1);
  CHECK(given[0].to == (wire::MacAddress{{0x33, 0x33, 0, 0, 0, 1}}));
}

TEST(ipv6_clients_keep_their_mac_when_a_host_dies) {
  Two two;
  std::vector<sim::ClientId> clients;
  std::vector<sim::PingId> pings;
  for (std::uint8_t n = 100; n < 124; ++n) {
    clients.push_back(two.net.add_client(two.segment, mac(n), ip6(0xfd00, n)));
    pings.push_back(two.net.ping(clients.back(), kShared6, milliseconds{50}));
  }
  two.net.run_for(seconds{1});
  for (const sim::ClientId c : clients) CHECK_EQ(two.net.neighbour_answers(c), 1U);
  two.net.crash(two.a);
  two.net.run_for(seconds{4});
  const Instant settled = two.net.now();
  two.net.run_for(seconds{2});
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const sim::PingResult result = two.net.ping_result(pings[i]);
    CHECK(!result.last_lost || *result.last_lost < settled);
    CHECK_EQ(result.twice, 0U);
    CHECK(two.net.neighbour(clients[i], kShared6) == wire::virtual_mac(i % 2 == 0 ? 1 : 2));
    CHECK_EQ(two.net.neighbour_answers(clients[i]), 1U);
  }
}

// --- the keyed rule and the order ------------------------------------------------------------

TEST(sender_mac_chooses_by_the_keyed_hash_and_not_by_the_address) {
  core::HostOptions options = kBalanceOptions;
  options.balance_hash = core::BalanceHash::kSenderMac;
  Two two(options);
  const wire::KeyedHash hash(key("testpass"));
  std::size_t of[2] = {0, 0};
  for (std::uint8_t n = 1; n < 33; ++n) {
    const std::uint32_t index = hash.index(mac(n), 2);
    ++of[index];
    for (const wire::IpAddress& sender : {kEven, kOdd}) {
      CHECK_EQ(two.one(ask(two, {.mac = mac(n), .sender = sender})), index + 1);
    }
  }
  CHECK(of[0] > 4 && of[1] > 4);
}

TEST(the_rank_orders_the_indexes_before_the_vhid) {
  Two reversed(kBalanceOptions, {kShared}, 1, 0);
  CHECK_EQ(reversed.one(ask(reversed, {.sender = kEven})), 2);
  CHECK_EQ(reversed.one(ask(reversed, {.sender = kOdd})), 1);
  Two equal(kBalanceOptions, {kShared}, 5, 5);
  CHECK_EQ(equal.one(ask(equal, {.sender = kEven})), 1);
  // All six orders of three vhids, on one host that has all of them.
  const std::array<std::array<std::uint16_t, 3>, 6> orders{
      {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}};
  for (const auto& ranks : orders) {
    Lan lan;
    const auto config = [&](std::uint8_t number) {
      core::VhostConfig out = vhid(number, 0, {kShared});
      out.balance_rank = ranks[number - 1U];
      return out;
    };
    lan.booted(2, {config(1), config(2), config(3)}, kBalanceOptions);
    lan.net.run_for(seconds{4});
    for (std::uint8_t n = 100; n < 106; ++n) {
      const std::uint32_t index = (0xc0a80100U + n) % 3;
      const auto given = ask(lan, {.sender = ip4(192, 168, 1, n)});
      REQUIRE(given.size() == 1);
      CHECK_EQ(ranks[given[0].vhost], index);
    }
  }
}

// --- off, and on the way -----------------------------------------------------------------------

TEST(without_arpbalance_one_host_gives_one_answer_for_a_shared_address) {
  Lan lan;
  lan.booted(2, {vhid(1, 0, {kShared}), vhid(2, 0, {kShared})}, {});
  lan.net.run_for(seconds{4});
  for (const wire::IpAddress& sender : {kEven, kOdd}) {
    const auto given = ask(lan, {.sender = sender});
    REQUIRE(given.size() == 1);
    CHECK(given[0].mac == wire::virtual_mac(1));
  }
}

TEST(balancing_is_switched_on_and_off_in_place) {
  Two two;
  const auto set = [&](bool on) {
    for (const sim::HostId host : {two.a, two.b}) {
      two.net.command(host, [on](core::Host& core, Instant now) {
        core::HostOptions options = kBalanceOptions;
        options.arpbalance = on;
        core.configure_options(now, options);
      });
    }
  };
  CHECK_EQ(two.one(ask(two, {.sender = kOdd})), 2);
  set(false);
  CHECK_EQ(two.one(ask(two, {.sender = kOdd})), 255);  // each MASTER for its own vhid
  set(true);
  CHECK_EQ(two.one(ask(two, {.sender = kOdd})), 2);
  CHECK_EQ(two.one(ask(two, {.sender = kEven})), 1);
}

// Unicast advertisements come from the physical MAC and teach the switch nothing. A probe for the
// shared address does, changes no client's cache, and nobody answers it.
TEST(with_unicast_peers_a_probe_shows_the_switch_the_virtual_mac) {
  Balanced lan;
  const auto config = [](std::uint8_t number, std::uint8_t skew, std::uint8_t peer) {
    core::VhostConfig out = vhid(number, skew, {kShared});
    out.peers = {ip4(192, 168, 1, peer)};
    return out;
  };
  const auto a = lan.booted(2, {config(1, 0, 3), config(2, 100, 3)}, kBalanceOptions);
  const auto b = lan.booted(3, {config(1, 100, 2), config(2, 0, 2)}, kBalanceOptions);
  lan.add_clients(100, 8);
  lan.net.run_for(seconds{8});
  CHECK_EQ(lan.net.state(a, 0), VhostState::kMaster);
  CHECK_EQ(lan.net.state(b, 1), VhostState::kMaster);
  lan.ping_all(kShared);
  lan.net.run_for(milliseconds{950});
  CHECK_EQ(announcements_of(lan.net, kShared), 0U);
  std::size_t probes = 0;
  for (const sim::Sent& sent : lan.net.sent()) {
    if (sent.kind != core::TransmitKind::kAnnouncement) continue;
    const auto arp = wire::parse_arp(sent.frame);
    REQUIRE(arp.has_value());
    CHECK(wire::IpAddress::from(arp->sender).is_unspecified());
    CHECK(arp->ethernet_source == wire::virtual_mac(sent.host == a ? 1 : 2));
    ++probes;
  }
  CHECK(probes >= 2);
  CHECK_EQ(answers(lan.net, {}).size(), 8U);  // to the clients, and to no probe
  for (const sim::PingId ping : lan.pings) CHECK_EQ(lan.net.ping_result(ping).answered, 10U);
  CHECK_NO_VIOLATION(lan.net);
}

// The filters of the sockets hold the mask of mastered indexes: asked to be made anew at each
// change of who answers, and at no other time.
TEST(a_change_of_state_renews_the_filter_of_its_carpdev) {
  core::Host host;
  Instant now{0};
  host.configure_options(now, kBalanceOptions);
  const core::CarpdevId dev = host.add_carpdev("eth0");
  host.configure_carpdev(dev, carpdev(2));
  host.handle_link(now, dev, {.present = true, .admin_up = true, .carrier = true});
  for (const std::uint8_t number : {std::uint8_t{1}, std::uint8_t{2}}) {
    const core::VhostId id = host.add_vhost(now, dev, vhid(number, 0, {kShared}));
    host.set_ready(now, id, true);
  }
  const auto drain = [&host] {
    core::InterfaceChange change;
    while (host.poll_interface(&change)) {
    }
    std::size_t renewed = 0;
    core::CarpdevId which = 0;
    while (host.poll_filter(&which)) ++renewed;
    core::Transmit transmit;
    while (host.poll_transmit(&transmit)) {
    }
    return renewed;
  };
  CHECK_EQ(drain(), 1U);
  CHECK_EQ(drain(), 0U);
  now = now + seconds{3};
  host.handle_timeout(now);
  CHECK_EQ(host.mastered(host.vips(dev).front()), 3U);
  CHECK_EQ(drain(), 1U);
  now = now + seconds{1};
  host.handle_timeout(now);
  CHECK_EQ(drain(), 0U);  // an advertisement changes nothing
  host.handle_admin(now, 1, AdminAction::kDown);
  now = now + seconds{2};
  host.handle_timeout(now);
  CHECK_EQ(host.mastered(host.vips(dev).front()), 1U);
  CHECK_EQ(drain(), 1U);
}

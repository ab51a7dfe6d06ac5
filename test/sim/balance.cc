// ARP balancing as in the manual: two hosts, two vhids, one address; who answers whom, before and
// after one of them dies (spec 6.1).
#include "balance_lab.h"

using namespace carp;
using namespace carp::test;

namespace {

// The manual's pair: A has vhid 1 advskew 0 and vhid 2 advskew 100, B the reverse.
struct Manual : Balanced {
  sim::HostId a;
  sim::HostId b;

  explicit Manual(std::initializer_list<wire::IpAddress> vips = {kShared},
                  const core::HostOptions& options = kBalanceOptions)
      : a(booted(2, {vhid(1, 0, vips), vhid(2, 100, vips)}, options)),
        b(booted(3, {vhid(1, 100, vips), vhid(2, 0, vips)}, options)) {
    net.run_for(milliseconds{8'300});
  }

  sim::HostId master_of(std::uint8_t vhid) const { return vhid == 1 ? a : b; }
};

// FreeBSD's rule for two vhids: an even address selects index 0, which is vhid 1.
std::uint8_t selected(std::uint8_t last_octet) { return last_octet % 2 == 0 ? 1 : 2; }

}  // namespace

TEST(each_client_gets_one_answer_from_the_host_that_its_address_selects) {
  Manual m;
  CHECK_EQ(m.net.state(m.a, 0), VhostState::kMaster);
  CHECK_EQ(m.net.state(m.a, 1), VhostState::kBackup);
  CHECK_EQ(m.net.state(m.b, 0), VhostState::kBackup);
  CHECK_EQ(m.net.state(m.b, 1), VhostState::kMaster);
  m.add_clients(100, 40);
  m.ping_all(kShared);
  m.net.run_for(milliseconds{950});
  for (std::size_t i = 0; i < m.clients.size(); ++i) {
    const auto n = static_cast<std::uint8_t>(100 + i);
    CHECK_EQ(m.net.arp_replies(m.clients[i]), 1U);
    CHECK(m.net.neighbour(m.clients[i], kShared) == wire::virtual_mac(selected(n)));
    const sim::PingResult result = m.net.ping_result(m.pings[i]);
    CHECK_EQ(result.answered, 10U);
    CHECK_EQ(result.twice + result.lost, 0U);
  }
  std::size_t of[2] = {0, 0};
  for (const Answer& answer : answers(m.net, {})) {
    CHECK_EQ(answer.host, m.master_of(static_cast<std::uint8_t>(answer.vhost + 1)));
    CHECK(answer.source == answer.mac);
    ++of[answer.host == m.a ? 0 : 1];
  }
  CHECK_EQ(of[0], 20U);
  CHECK_EQ(of[1], 20U);
  // What `show balance` is made of.
  const core::VipOwners& owners = m.net.core(m.a)->vips(0).front();
  REQUIRE(owners.members.size() == 2);
  CHECK(m.net.core(m.a)->is_balanced(owners));
  CHECK_EQ(m.net.core(m.a)->mastered(owners), 1U);
  CHECK_EQ(m.net.core(m.b)->mastered(m.net.core(m.b)->vips(0).front()), 2U);
  CHECK_EQ(owners.members[0].answers, 20U);
  CHECK_EQ(owners.members[1].answers, 0U);
  CHECK_EQ(owners.members[0].requests + owners.members[1].requests, 40U);
  CHECK_NO_VIOLATION(m.net);
}

TEST(the_survivor_answers_all_and_every_cached_mac_goes_on_working) {
  Manual m;
  m.add_clients(100, 24);
  m.ping_all(kShared, milliseconds{20});
  m.net.run_for(seconds{1});
  const Instant killed = m.net.now();
  m.net.crash(m.b);
  m.net.run_for(seconds{6});
  CHECK_EQ(m.net.state(m.a, 0), VhostState::kMaster);
  CHECK_EQ(m.net.state(m.a, 1), VhostState::kMaster);
  const Duration taken = last_change(m.net, m.a, VhostState::kMaster, 1)->at - killed;
  CHECK(taken <= Duration{3'390'625});
  for (std::size_t i = 0; i < m.clients.size(); ++i) {
    const auto n = static_cast<std::uint8_t>(100 + i);
    const sim::PingResult result = m.net.ping_result(m.pings[i]);
    CHECK(m.net.neighbour(m.clients[i], kShared) == wire::virtual_mac(selected(n)));
    CHECK_EQ(m.net.arp_replies(m.clients[i]), 1U);  // nobody had to ask again
    CHECK_EQ(result.twice, 0U);
    if (selected(n) == 1) {
      CHECK_EQ(result.lost, 0U);
    } else {
      REQUIRE(result.last_lost.has_value());
      CHECK(*result.last_lost - killed <= taken);
    }
  }
  // Who asks anew gets the same MAC, now from A.
  const Instant again = m.net.now();
  m.forget_all(kShared);
  m.net.run_for(milliseconds{50});
  const auto given = answers(m.net, again);
  CHECK_EQ(given.size(), 24U);
  for (const Answer& answer : given) CHECK_EQ(answer.host, m.a);
  for (std::size_t i = 0; i < m.clients.size(); ++i) {
    CHECK(m.net.neighbour(m.clients[i], kShared) ==
          wire::virtual_mac(selected(static_cast<std::uint8_t>(100 + i))));
  }
  // B comes back and takes its half again; nothing is lost and nobody notices.
  const Instant back = m.net.now();
  m.net.boot(m.b);
  m.net.run_for(seconds{6});
  CHECK_EQ(m.net.state(m.b, 1), VhostState::kMaster);
  for (const sim::PingId ping : m.pings) {
    const sim::PingResult result = m.net.ping_result(ping);
    if (result.last_lost) CHECK(*result.last_lost < back);
    CHECK_EQ(result.twice, 0U);
  }
  CHECK_NO_VIOLATION(m.net);
}

// Through a crash, a planned hand-over, a demotion and a healed split.
TEST(a_shared_address_is_never_announced) {
  Manual m({kShared, kShared6});
  m.add_clients(100, 4);
  m.ping_all(kShared);
  m.net.crash(m.b);
  m.net.run_for(seconds{5});
  m.net.boot(m.b);
  m.net.run_for(seconds{6});
  m.net.admin(m.a, 0, AdminAction::kBackup);
  m.net.run_for(seconds{6});
  m.net.command(m.a, [](core::Host& h, Instant now) { h.handle_demotion(now, "operator", 240); });
  m.net.run_for(seconds{3});
  m.net.command(m.a, [](core::Host& h, Instant now) { h.handle_demotion(now, "operator", 0); });
  m.net.run_for(seconds{3});
  m.net.set_side(m.port(m.b), 1);
  m.net.set_split(m.segment, true);
  m.net.run_for(seconds{6});
  m.net.set_split(m.segment, false);
  m.net.run_for(seconds{6});
  CHECK_EQ(m.net.state(m.a, 0), VhostState::kMaster);
  CHECK_EQ(m.net.state(m.b, 1), VhostState::kMaster);
  CHECK_EQ(announcements_of(m.net, kShared), 0U);
  CHECK_EQ(announcements_of(m.net, kShared6), 0U);
  CHECK_EQ(count_kind(m.net, m.a, core::TransmitKind::kAnnouncement), 0U);
  CHECK_EQ(count_kind(m.net, m.b, core::TransmitKind::kAnnouncement), 0U);
  CHECK_NO_VIOLATION(m.net);
}

// The switches learn each virtual MAC from the advertisements: a frame to it goes to one port.
TEST(the_advertisements_show_the_switch_where_each_virtual_mac_is) {
  Manual m;
  m.add_clients(100, 8);
  m.ping_all(kShared);
  m.net.run_for(seconds{1});
  const auto stray = [&m] {
    std::size_t n = 0;
    m.net.set_filter(m.segment, [&](sim::PortId, sim::PortId to, auto frame) {
      if (const auto echo = sim::parse_echo(frame); echo && !echo->reply) {
        const bool first = echo->destination_mac == wire::virtual_mac(1);
        const bool second_at_a = m.net.state(m.a, 1) == VhostState::kMaster;
        n += to == m.port(first || second_at_a ? m.a : m.b) ? 0 : 1;
      }
      return true;
    });
    m.net.run_for(seconds{1});
    m.net.set_filter(m.segment, nullptr);
    return n;
  };
  CHECK_EQ(stray(), 0U);
  m.net.crash(m.b);
  m.net.run_for(seconds{4});
  CHECK_EQ(m.net.state(m.a, 1), VhostState::kMaster);
  CHECK_EQ(stray(), 0U);
}

TEST(three_members_share_by_the_rest_of_three_and_survive_two_deaths) {
  Balanced lan;
  sim::HostId hosts[3];
  for (std::uint8_t h = 0; h < 3; ++h) {
    const auto skew = [h](int vhid) {
      return static_cast<std::uint8_t>(((vhid - h + 3) % 3) * 100);
    };
    hosts[h] = lan.booted(
        static_cast<std::uint8_t>(2 + h),
        {vhid(1, skew(0), {kShared}), vhid(2, skew(1), {kShared}), vhid(3, skew(2), {kShared})},
        kBalanceOptions);
  }
  lan.net.run_for(milliseconds{8'300});
  lan.add_clients(100, 30);
  lan.ping_all(kShared, milliseconds{50});
  for (std::size_t dead = 0; dead < 3; ++dead) {
    const Instant start = lan.net.now();
    lan.forget_all(kShared);
    lan.net.run_for(milliseconds{200});
    const auto given = answers(lan.net, start);
    CHECK_EQ(given.size(), 30U);
    for (std::size_t i = 0; i < lan.clients.size(); ++i) {
      const auto index = (0xc0a80100U + 100 + i) % 3;  // 192.168.1.N as a number
      CHECK(lan.net.neighbour(lan.clients[i], kShared) ==
            wire::virtual_mac(static_cast<std::uint8_t>(index + 1)));
    }
    std::set<sim::HostId> answering;
    for (const Answer& answer : given) answering.insert(answer.host);
    CHECK_EQ(answering.size(), 3 - dead);
    if (dead < 2) {
      lan.net.crash(hosts[dead]);
      lan.net.run_for(seconds{5});
    }
  }
  for (const sim::PingId ping : lan.pings) CHECK_EQ(lan.net.ping_result(ping).twice, 0U);
  CHECK_NO_VIOLATION(lan.net);
}

// A roll-out: B has vhid 3 already and A has not, so they count differently. A client gets two
// answers where A selects vhid 1 and B selects 2 or 3, and none where A selects vhid 2 and B
// selects 1; for the others one. Both answers of the first name a MAC that works; the second wait
// until n is equal again, or for their cached entry's refresh, which names a MAC.
TEST(during_a_roll_out_with_unequal_n_some_clients_get_two_answers_or_none) {
  Manual m;
  m.net.add_vhost(m.b, 0, vhid(3, 0, {kShared}));
  m.net.run_for(seconds{5});
  CHECK_EQ(m.net.state(m.b, 2), VhostState::kMaster);
  std::size_t seen[3] = {0, 0, 0};
  const auto expected = [](std::uint8_t n) {
    const std::uint32_t number = 0xc0a80100U + n;
    return (number % 2 == 0 ? 1U : 0U) + (number % 3 != 0 ? 1U : 0U);
  };
  for (int n = 20; n < 50; ++n) {
    const auto octet = static_cast<std::uint8_t>(n);
    const auto given = ask(m, {.sender = ip4(192, 168, 1, octet)});
    CHECK_EQ(given.size(), expected(octet));
    ++seen[given.size()];
    if (given.size() == 2) CHECK(given[0].host != given[1].host && given[0].mac != given[1].mac);
  }
  CHECK_EQ(seen[0], 5U);
  CHECK_EQ(seen[1], 15U);
  CHECK_EQ(seen[2], 10U);
  // A refresh still works, because it names the MAC.
  CHECK_EQ(ask(m, {.sender = ip4(192, 168, 1, 21), .to = wire::virtual_mac(2)}).size(), 1U);
  // The roll-out reaches A: one answer for all.
  m.net.add_vhost(m.a, 0, vhid(3, 100, {kShared}));
  m.net.run_for(seconds{1});
  for (int n = 20; n < 50; ++n) {
    CHECK_EQ(ask(m, {.sender = ip4(192, 168, 1, static_cast<std::uint8_t>(n))}).size(), 1U);
  }
}

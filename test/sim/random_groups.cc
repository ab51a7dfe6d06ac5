// Random networks of groups and balanced addresses under random failures. Whenever nothing has
// changed for the bound, a small model of its own says who must be MASTER of each vhid in each part
// of the network and who must answer each client; at the end, with everything mended, that is the
// host that is configured to be first, for each group as a whole. A failure prints its seed;
// CARPD_SIM_SEED=N runs that one alone and prints every change of state.
#include <cstdlib>

#include "balance_lab.h"

using namespace carp;
using namespace carp::test;

namespace {

constexpr std::uint64_t kSeeds = 1500;
constexpr std::size_t kGroups = 3;  // the last is that of the balanced vhids
constexpr Duration kMaxDelay = milliseconds{1};

core::GroupName group_name(std::size_t group) {
  return core::GroupName{'g', static_cast<char>('0' + group)};
}

// One vhid of the network; every host that has it has it alike, but for advskew.
struct Member {
  std::uint8_t number = 0;
  std::size_t segment = 0;
  std::size_t group = 0;
  bool balanced = false;
  std::vector<int> skew;  // by host; -1: it does not have it
};

struct HostModel {
  sim::HostId id = 0;
  bool on = false;
  std::vector<int> vhost;      // by member: its id there, or -1
  std::vector<bool> enabled;   // by member
  std::vector<bool> plugged;   // by segment
  std::vector<bool> admin_up;  // by segment
  std::vector<int> side;       // by segment
  std::int32_t operator_level = 0;
  int operator_group = -1;  // -1: all

  bool link(std::size_t segment) const { return plugged[segment] && admin_up[segment]; }
};

struct World {
  Network net;
  std::vector<sim::SegmentId> segments;
  std::vector<bool> split;
  std::vector<Member> members;
  std::vector<HostModel> hosts;
  std::vector<sim::ClientId> clients;  // two a segment: side 0 and side 1
  core::HostOptions options;
  bool openbsd = false;
  bool dual = false;
  Duration bound{};
  std::string wrong;

  explicit World(std::uint64_t seed) : net(seed) {
    sim::Random& random = net.random();
    const std::size_t n_segments = 1 + random.below(3);
    const std::size_t n_hosts = 2 + random.below(3);
    options = {.preempt = true, .arpbalance = true, .fast_takeover = !random.chance(200'000)};
    options.link_up_delay = Duration{random.chance(300'000) ? random.between(1, 400'000) : 0};
    openbsd = random.chance(300'000);
    dual = random.chance(300'000);
    for (std::size_t s = 0; s < n_segments; ++s) {
      segments.push_back(net.add_segment());
      split.push_back(false);
      net.set_delay(segments[s], Duration{20}, Duration{random.between(0, 900)});
      for (int side = 0; side < 2; ++side) {
        const auto n = static_cast<std::uint8_t>(100 + 50 * side);
        clients.push_back(net.add_client(segments[s], client_mac(s, side), ip4(192, 168, 9, n)));
        net.set_side(net.client_port(clients.back()), side);
      }
    }
    make_members(n_hosts);
    for (std::size_t h = 0; h < n_hosts; ++h) add_host(h);
    bound = core::master_down_interval(1, 239) + core::interval_of(1, 240) + options.link_up_delay +
            options.handover_limit + milliseconds{50};
  }

  static wire::MacAddress client_mac(std::size_t segment, int side) {
    return mac(static_cast<std::uint8_t>(200 + 2 * segment + static_cast<std::size_t>(side)));
  }

  // Different for each host, all below the clamp of 240.
  std::vector<int> ranking(std::size_t n_hosts) {
    sim::Random& random = net.random();
    std::vector<int> out;
    while (out.size() < n_hosts) {
      const int skew = static_cast<int>(random.below(240));
      if (std::find(out.begin(), out.end(), skew) == out.end()) out.push_back(skew);
    }
    return out;
  }

  void make_members(std::size_t n_hosts) {
    sim::Random& random = net.random();
    std::vector<std::vector<int>> order;
    for (std::size_t g = 0; g < kGroups; ++g) order.push_back(ranking(n_hosts));
    const std::size_t single = 1 + random.below(4);
    for (std::size_t i = 0; i < single; ++i) {
      Member member{.number = static_cast<std::uint8_t>(members.size() + 1),
                    .segment = random.below(segments.size()),
                    .group = random.below(kGroups - 1),
                    .skew = {}};
      member.skew = order[member.group];
      // A host that has nothing to do with it; the first host has everything.
      if (random.chance(200'000)) member.skew[1 + random.below(n_hosts - 1)] = -1;
      members.push_back(member);
    }
    if (random.chance(400'000)) return;
    const std::size_t shared = 2 + random.below(2);
    const std::size_t segment = random.below(segments.size());
    for (std::size_t i = 0; i < shared && members.size() < 6; ++i) {
      members.push_back({.number = static_cast<std::uint8_t>(members.size() + 1),
                         .segment = segment,
                         .group = kGroups - 1,
                         .balanced = true,
                         .skew = ranking(n_hosts)});
    }
  }

  wire::IpAddress vip(const Member& member) const {
    const int last = member.balanced ? 250 : 200 + member.number;
    return ip4(192, 168, static_cast<std::uint8_t>(member.segment),
               static_cast<std::uint8_t>(last));
  }
  wire::IpAddress vip6(const Member& member) const {
    return ip6(static_cast<std::uint16_t>(0xfd00 + member.segment),
               static_cast<std::uint16_t>(member.balanced ? 250 : 200 + member.number));
  }

  void add_host(std::size_t h) {
    HostModel host{.id = net.add_host(options), .vhost = {}};
    host.plugged.assign(segments.size(), true);
    host.admin_up.assign(segments.size(), true);
    host.side.assign(segments.size(), 0);
    host.enabled.assign(members.size(), true);
    const auto n = static_cast<std::uint8_t>(2 + h);
    for (std::size_t s = 0; s < segments.size(); ++s) {
      net.add_carpdev(host.id, segments[s],
                      {.mac = mac(static_cast<std::uint8_t>(16 * s + n)),
                       .addresses = {{ip4(192, 168, static_cast<std::uint8_t>(s), n), 24},
                                     {ip6(0xfe80, static_cast<std::uint16_t>(16 * s + n)), 64}}});
    }
    for (const Member& member : members) {
      host.vhost.push_back(-1);
      if (member.skew[h] < 0) continue;
      core::VhostConfig config =
          vhid(member.number, static_cast<std::uint8_t>(member.skew[h]), {vip(member)});
      if (dual) config.vips.push_back({vip6(member), 64});
      if (openbsd) config.profile = core::Profile::kOpenbsd;
      config.group = group_name(member.group);
      host.vhost.back() =
          net.add_vhost(host.id, static_cast<core::CarpdevId>(member.segment), config);
    }
    hosts.push_back(host);
  }

  // --- faults --------------------------------------------------------------------------------

  void boot(HostModel& host) {
    if (host.on) return;
    net.boot(host.id);
    host.on = true;
  }

  void crash(HostModel& host) {
    net.crash(host.id);
    host.on = false;
    host.enabled.assign(members.size(), true);
    host.operator_level = 0;
  }

  void demote(HostModel& host, std::int32_t level, int group) {
    if (!host.on) return;
    bool known = group < 0;
    for (std::size_t m = 0; m < members.size(); ++m) {
      known = known || (host.vhost[m] >= 0 && members[m].group == static_cast<std::size_t>(group));
    }
    net.command(host.id, [&, level, group](core::Host& core, Instant now) {
      const core::GroupName name =
          group < 0 ? core::GroupName{} : group_name(static_cast<std::size_t>(group));
      const core::DemotionResult result =
          core.handle_demotion(now, "operator", level, std::string_view(name.data()));
      const bool refused = !known && level != 0;
      CHECK_EQ(result, refused ? core::DemotionResult::kNoSuchGroup : core::DemotionResult::kOk);
    });
    if (!known && level != 0) return;
    host.operator_level = level;
    host.operator_group = group;
  }

  void enable(HostModel& host, std::size_t m, bool on) {
    if (!host.on || host.vhost[m] < 0) return;
    net.admin(host.id, static_cast<core::VhostId>(host.vhost[m]),
              on ? AdminAction::kUp : AdminAction::kDown);
    host.enabled[m] = on;
  }

  void set_link(HostModel& host, std::size_t s, bool plugged, bool admin_up) {
    host.plugged[s] = plugged;
    host.admin_up[s] = admin_up;
    net.set_plugged(net.port(host.id, static_cast<core::CarpdevId>(s)), plugged);
    net.set_admin_up(host.id, static_cast<core::CarpdevId>(s), admin_up);
  }

  void set_side(HostModel& host, std::size_t s, int side) {
    host.side[s] = side;
    net.set_side(net.port(host.id, static_cast<core::CarpdevId>(s)), side);
  }

  void one_fault() {
    sim::Random& random = net.random();
    HostModel& host = hosts[random.below(hosts.size())];
    const std::size_t s = random.below(segments.size());
    const bool on = random.chance(500'000);
    switch (random.below(8)) {
      case 0:
      case 1:
        set_link(host, s, on, host.admin_up[s]);
        break;
      case 2:
        set_link(host, s, host.plugged[s], on);
        break;
      case 3:
        if (host.on) {
          crash(host);
        } else {
          boot(host);
        }
        break;
      case 4:
        demote(host, static_cast<std::int32_t>(random.between(1, 300)),
               static_cast<int>(random.between(-1, kGroups - 1)));
        break;
      case 5:
        demote(host, 0, -1);
        break;
      case 6:
        set_side(host, s, on ? 1 : 0);
        split[s] = random.chance(500'000);
        net.set_split(segments[s], split[s]);
        break;
      case 7:
        enable(host, random.below(members.size()), on);
        break;
    }
  }

  void heal() {
    for (std::size_t s = 0; s < segments.size(); ++s) {
      split[s] = false;
      net.set_split(segments[s], false);
    }
    for (HostModel& host : hosts) {
      for (std::size_t s = 0; s < segments.size(); ++s) set_link(host, s, true, true);
      boot(host);
      demote(host, 0, -1);
      for (std::size_t m = 0; m < members.size(); ++m) enable(host, m, true);
    }
  }

  // --- the model -----------------------------------------------------------------------------

  // What the rules of spec 5 make of a host's failures, for the vhids of one group: in the FreeBSD
  // profile an addition to advskew, in OpenBSD's a count that is compared first.
  std::int32_t demotion(const HostModel& host, std::size_t group) const {
    std::int32_t sum = 0;
    for (std::size_t s = 0; s < segments.size(); ++s) {
      bool wanted = false;
      bool of_group = false;
      for (std::size_t m = 0; m < members.size(); ++m) {
        if (host.vhost[m] < 0 || members[m].segment != s) continue;
        wanted = wanted || host.enabled[m];
        of_group = of_group || members[m].group == group;
      }
      if (!host.link(s) && wanted && of_group) sum += openbsd ? 1 : 240;
    }
    const bool holds =
        host.operator_group < 0 || static_cast<std::size_t>(host.operator_group) == group;
    return sum + (holds ? host.operator_level : 0);
  }

  // Smaller is better.
  std::int32_t claim(const HostModel& host, std::size_t h, std::size_t m) const {
    const std::int32_t level = demotion(host, members[m].group);
    if (openbsd) return 1000 * std::min(level, 255) + members[m].skew[h];
    return std::min(members[m].skew[h] + level, 240);
  }

  bool takes_part(const HostModel& host, std::size_t m, int side) const {
    const std::size_t s = members[m].segment;
    return host.on && host.vhost[m] >= 0 && host.enabled[m] && host.link(s) &&
           (!split[s] || host.side[s] == side);
  }

  void fail(const std::string& text) {
    if (wrong.empty()) wrong = text + " at " + std::to_string(net.now().us) + " us";
  }

  // After the bound without a change: the MASTER in the part of its segment that `side` is in, and
  // that is the best there, if there is a best. Two at the clamp may be either.
  int check_master(std::size_t m, int side) {
    int master = -1;
    std::size_t masters = 0;
    std::int32_t best = INT32_MAX;
    std::size_t equal = 0;
    std::size_t first = 0;
    bool anybody = false;
    for (std::size_t h = 0; h < hosts.size(); ++h) {
      if (!takes_part(hosts[h], m, side)) continue;
      anybody = true;
      const std::int32_t own = claim(hosts[h], h, m);
      equal = own == best ? equal + 1 : own < best ? 1 : equal;
      if (own < best) first = h;
      best = std::min(best, own);
      if (!net.forwarding(hosts[h].id, static_cast<core::VhostId>(hosts[h].vhost[m]))) continue;
      ++masters;
      master = static_cast<int>(h);
    }
    const std::string what = "vhid " + std::to_string(members[m].number);
    if (masters != (anybody ? 1U : 0U)) fail(what + ": " + std::to_string(masters) + " masters");
    if (masters == 1 && equal == 1 && static_cast<std::size_t>(master) != first) {
      fail(what + ": host " + std::to_string(master) + " is master, not " + std::to_string(first));
    }
    return master;
  }

  // One (VIP, source): exactly one answer, from the MASTER of the vhid that is selected, with its
  // virtual MAC; none where nobody can.
  void check_answer(std::size_t m, int side, bool v6, std::uint8_t source) {
    const Member& asked = members[m];
    std::vector<std::size_t> sharing{m};
    if (asked.balanced) {
      sharing.clear();
      for (std::size_t i = 0; i < members.size(); ++i) {
        if (members[i].balanced) sharing.push_back(i);
      }
    }
    const std::size_t s = asked.segment;
    const auto n = static_cast<std::uint32_t>(sharing.size());
    const auto third = static_cast<std::uint32_t>(s);
    const std::uint32_t number =
        v6 ? (0xfd000000U | (third << 16)) ^ source : 0xc0a80000U | (third << 8) | source;
    const std::size_t selected = sharing[number % n];
    const int master = check_master(selected, side);
    const wire::MacAddress from = client_mac(s, side);
    sim::Frame frame(v6 ? wire::kNeighbourSolicitationFrame : wire::kArpFrame);
    if (v6) {
      wire::write_solicitation(
          frame, from, ip6(static_cast<std::uint16_t>(0xfd00 + s), source).v6(), vip6(asked).v6());
    } else {
      wire::write_arp(frame,
                      wire::Arp{.operation = wire::ArpOperation::kRequest,
                                .ethernet_source = from,
                                .ethernet_destination = wire::kBroadcastMac,
                                .sender_mac = from,
                                .sender = ip4(192, 168, static_cast<std::uint8_t>(s), source).v4(),
                                .target_mac = {},
                                .target = vip(asked).v4()});
    }
    net.forget_sent();
    net.inject(net.client_port(clients[2 * s + static_cast<std::size_t>(side)]), std::move(frame));
    net.run_for(kMaxDelay);
    const auto given = answers(net, {});
    const std::string what = (v6 ? "IPv6 vhid " : "vhid ") + std::to_string(members[m].number) +
                             " asked from " + std::to_string(source);
    if (given.size() != (master >= 0 ? 1U : 0U)) {
      fail(what + ": " + std::to_string(given.size()) + " answers");
      return;
    }
    if (given.empty()) return;
    if (given[0].host != hosts[static_cast<std::size_t>(master)].id ||
        given[0].mac != wire::virtual_mac(members[selected].number)) {
      fail(what + ": the wrong answer");
    }
  }

  void check_all(bool at_the_end) {
    for (std::size_t m = 0; m < members.size(); ++m) {
      const int sides = split[members[m].segment] ? 2 : 1;
      for (int side = 0; side < sides; ++side) {
        check_master(m, side);
        for (int i = 0; i < (at_the_end ? 6 : 2); ++i) {
          const auto source = static_cast<std::uint8_t>(100 + net.random().below(24));
          check_answer(m, side, false, source);
          if (dual) check_answer(m, side, true, source);
        }
      }
    }
  }
};

void print(const Network& net) {
  for (const sim::StateChange& change : net.changes()) {
    std::printf("%12lld host %zu vhid %u %s -> %s: %s\n", static_cast<long long>(change.at.us),
                change.host, change.vhid,
                core::kVhostStateNames[static_cast<std::size_t>(change.from)].data(),
                core::kVhostStateNames[static_cast<std::size_t>(change.to)].data(),
                core::kCauseNames[static_cast<std::size_t>(change.cause)].data());
  }
}

// Empty when all is well.
std::string run(std::uint64_t seed, bool show) {
  World world(seed);
  Network& net = world.net;
  sim::Random& random = net.random();
  for (HostModel& host : world.hosts) {
    net.run_for(Duration{random.between(0, 2'000'000)});
    world.boot(host);
  }
  for (std::int64_t round = random.between(1, 4); round > 0 && world.wrong.empty(); --round) {
    for (std::int64_t i = random.between(1, 8); i > 0; --i) {
      world.one_fault();
      net.run_for(Duration{random.chance(300'000) ? 0 : random.between(0, 2'500'000)});
    }
    net.run_for(world.bound);
    world.check_all(false);
  }
  world.heal();
  net.run_for(world.bound);
  world.check_all(true);
  for (const HostModel& host : world.hosts) {
    if (net.core(host.id)->demotion_total() != 0) world.fail("still demoted");
  }
  for (const std::string& violation : net.violations()) world.fail(violation);
  if (show) print(net);
  return world.wrong;
}

}  // namespace

TEST(groups_and_balanced_addresses_settle_where_a_model_says_after_random_failures) {
  if (const char* only = std::getenv("CARPD_SIM_SEED")) {
    const std::string wrong = run(std::strtoull(only, nullptr, 0), true);
    if (!wrong.empty()) carp::test::fail(__FILE__, __LINE__, wrong);
    return;
  }
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string wrong = run(seed, false);
    if (wrong.empty()) continue;
    carp::test::fail(__FILE__, __LINE__, "seed " + std::to_string(seed) + ": " + wrong);
  }
}

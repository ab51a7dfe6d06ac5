// Random networks under random faults, then healed: within the bound there is exactly one MASTER of
// each vhid, and it stays that way. A failure prints its seed; CARPD_SIM_SEED=N runs that one alone
// and prints every change of state, CARPD_SIM_PCAP=FILE writes its frames for Wireshark.
#include <cstdlib>

#include "scenario.h"

using namespace carp;
using namespace carp::test;

namespace {

constexpr std::uint64_t kSeeds = 1000;
constexpr Duration kAllowance = milliseconds{20};

struct World {
  Network net;
  std::vector<sim::SegmentId> segments;
  std::vector<sim::HostId> hosts;
  std::uint8_t advbase = 1;
  Duration bound{};

  explicit World(std::uint64_t seed) : net(seed) {
    sim::Random& random = net.random();
    const std::size_t n_segments = 1 + random.below(2);
    const std::size_t n_hosts = 2 + random.below(3);
    for (std::size_t s = 0; s < n_segments; ++s) {
      segments.push_back(net.add_segment());
      net.set_delay(segments.back(), Duration{20}, Duration{random.between(0, 2'000)});
    }
    advbase = static_cast<std::uint8_t>(random.chance(200'000) ? 2 : 1);
    const core::HostOptions options{.preempt = random.chance(500'000)};
    const bool dual = random.chance(300'000);
    const bool openbsd = random.chance(200'000);
    const bool tied = random.chance(300'000);  // on purpose
    const auto common = static_cast<std::uint8_t>(random.below(255));
    std::uint8_t slowest = 0;
    for (std::size_t h = 0; h < n_hosts; ++h) {
      hosts.push_back(net.add_host(options));
      const auto number = static_cast<std::uint8_t>(2 + h);
      for (std::size_t s = 0; s < n_segments; ++s) {
        const auto which = static_cast<std::uint8_t>(s);
        // The IPv6 addresses rank the other way round.
        net.add_carpdev(
            hosts[h], segments[s],
            {.mac = mac(static_cast<std::uint8_t>(16 * s + number)),
             .addresses = {{ip4(192, 168, which, number), 24},
                           {ip6(0xfe80, static_cast<std::uint16_t>(99 - number)), 64}}});
        core::VhostConfig config =
            vhid(static_cast<std::uint8_t>(s + 1),
                 tied ? common : static_cast<std::uint8_t>(random.below(255)),
                 {ip4(192, 168, which, 1)});
        if (dual) config.vips.push_back({ip6(0xfd00, static_cast<std::uint16_t>(s + 1)), 64});
        if (openbsd) config.profile = core::Profile::kOpenbsd;
        config.advbase_s = advbase;
        slowest = std::max(slowest, config.advskew);
        net.add_vhost(hosts[h], which, config);
      }
    }
    bound =
        core::master_down_interval(advbase, slowest) + core::interval_of(advbase, 254) + kAllowance;
  }

  sim::HostId any_host() { return hosts[net.random().below(hosts.size())]; }
  sim::SegmentId any_segment() { return segments[net.random().below(segments.size())]; }
  core::CarpdevId any_carpdev() {
    return static_cast<core::CarpdevId>(net.random().below(segments.size()));
  }

  void command(sim::HostId host, std::function<void(core::Host&, Instant)> run) {
    if (net.running(host)) net.command(host, std::move(run));
  }

  void one_fault() {
    sim::Random& random = net.random();
    const sim::HostId host = any_host();
    const core::CarpdevId dev = any_carpdev();
    const bool on = random.chance(500'000);
    switch (random.below(11)) {
      case 0:
        if (net.running(host)) {
          net.crash(host);
        } else {
          net.boot(host);
        }
        break;
      case 1:
        if (net.running(host)) {
          net.pause(host, on ? sim::Pause::kProcess : sim::Pause::kMachine);
        }
        break;
      case 2:
        net.resume(host);
        break;
      case 3:
        net.set_plugged(net.port(host, dev), on);
        break;
      case 4:
        net.set_side(net.port(host, dev), static_cast<int>(random.below(2)));
        net.set_split(any_segment(), on);
        break;
      case 5:
        net.set_blocked(net.port(host, dev), net.port(any_host(), dev), on);
        break;
      case 6:
        net.set_loss(any_segment(), static_cast<std::uint32_t>(random.below(600'000)));
        break;
      case 7:
        net.set_send_failure(host, dev, on);
        break;
      case 8:
        command(host, [level = static_cast<std::int32_t>(random.between(-100, 300))](
                          core::Host& h, Instant now) { h.handle_demotion(now, "random", level); });
        break;
      case 9:
        command(host, [dev, action = static_cast<AdminAction>(random.below(4))](
                          core::Host& h, Instant now) { h.handle_admin(now, dev, action); });
        break;
      case 10:
        net.set_interface_failure(host, random.chance(200'000));
        break;
    }
  }

  void heal() {
    for (const sim::SegmentId s : segments) {
      net.set_loss(s, 0);
      net.set_split(s, false);
    }
    for (const sim::HostId h : hosts) {
      net.set_interface_failure(h, false);
      for (std::size_t s = 0; s < segments.size(); ++s) {
        const auto dev = static_cast<core::CarpdevId>(s);
        net.set_send_failure(h, dev, false);
        net.set_plugged(net.port(h, dev), true);
        for (const sim::HostId other : hosts) {
          net.set_blocked(net.port(h, dev), net.port(other, dev), false);
        }
      }
      if (!net.running(h)) net.boot(h);
      net.resume(h);
      for (std::size_t s = 0; s < segments.size(); ++s) {
        command(h, [dev = static_cast<core::VhostId>(s)](core::Host& host, Instant now) {
          host.handle_demotion(now, "random", 0);
          host.handle_admin(now, dev, AdminAction::kUp);
        });
      }
    }
  }

  std::size_t masters(core::VhostId vhost) const {
    std::size_t n = 0;
    for (const sim::HostId h : hosts) n += net.forwarding(h, vhost) ? 1 : 0;
    return n;
  }

  // One MASTER of each vhid. Two are allowed for as long as a frame of the new one travels.
  bool settled() {
    for (std::size_t s = 0; s < segments.size(); ++s) {
      const auto vhost = static_cast<core::VhostId>(s);
      if (masters(vhost) == 2) net.run_for(milliseconds{5});
      if (masters(vhost) != 1) return false;
    }
    return true;
  }
};

// Empty when all is well.
std::string run(std::uint64_t seed, bool show) {
  World world(seed);
  Network& net = world.net;
  sim::Random& random = net.random();
  for (const sim::HostId host : world.hosts) {
    net.run_for(Duration{random.chance(300'000) ? 0 : random.between(0, 2'000'000)});
    net.boot(host);
  }
  net.run_for(Duration{random.between(0, 6'000'000)});
  const std::int64_t faults = random.between(3, 40);
  for (std::int64_t i = 0; i < faults; ++i) {
    world.one_fault();
    net.run_for(Duration{random.between(0, 2'500'000)});
  }
  world.heal();
  const Instant healed = net.now();
  net.run_for(world.bound);
  std::string wrong;
  for (int i = 0; i < 20 && wrong.empty(); ++i) {
    if (!world.settled()) {
      wrong = "not one master " + std::to_string((net.now() - healed).count()) +
              " us after the heal, bound " + std::to_string(world.bound.count());
    }
    net.run_for(Duration{random.between(1, 500'000)});
  }
  for (const std::string& violation : net.violations()) wrong += "; " + violation;
  if (!show) return wrong;
  for (const sim::StateChange& change : net.changes()) {
    std::printf("%12lld host %zu vhid %u %s -> %s: %s\n", static_cast<long long>(change.at.us),
                change.host, change.vhid,
                core::kVhostStateNames[static_cast<std::size_t>(change.from)].data(),
                core::kVhostStateNames[static_cast<std::size_t>(change.to)].data(),
                core::kCauseNames[static_cast<std::size_t>(change.cause)].data());
  }
  std::printf("healed at %lld\n", static_cast<long long>(healed.us));
  if (const char* path = std::getenv("CARPD_SIM_PCAP")) {
    if (std::FILE* file = std::fopen(path, "wb")) {
      const std::vector<std::uint8_t> pcap = net.pcap();
      std::fwrite(pcap.data(), 1, pcap.size(), file);
      std::fclose(file);
    }
  }
  return wrong;
}

}  // namespace

TEST(after_random_faults_are_healed_there_is_one_master_within_the_bound) {
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

TEST(a_seed_is_a_run) {
  const auto trace = [] {
    World world(7);
    for (const sim::HostId host : world.hosts) world.net.boot(host);
    for (int i = 0; i < 20; ++i) {
      world.one_fault();
      world.net.run_for(seconds{1});
    }
    return world.net.pcap();
  };
  CHECK(trace() == trace());
}

// The receive checks of three BSDs, seen on their wires, against ours: a crafted advertisement from
// 192.168.1.77 to a host at 192.168.1.2 with vhid 1, VIP 192.168.1.1, advbase 1, advskew 200. Every
// row has the BSDs' outcome; where ours is another on purpose, the row says why.
#include <string>

#include "../sim/crafted.h"

using namespace carp;
using namespace carp::test;

namespace {

enum Bsd : unsigned { kNetbsd = 1, kFreebsd = 2, kOpenbsd = 4, kAll = 7 };

struct Row {
  const char* name;
  unsigned seen_on;  // which of the three showed this outcome
  Crafted frame;
  bool accepted;                    // MASTER -> BACKUP there
  const char* deviation = nullptr;  // ours is the opposite, because
  std::int32_t own_demotion = 0;
  std::uint64_t heard_before = 0;  // a valid advertisement with this counter came before
};

const wire::MacAddress kOrdinary = mac(77);
constexpr const char* kTypeIsOne = "type must be 1: stricter, no sender uses another";
constexpr const char* kOwnSource = "our own address as source is our own frame come back";
constexpr const char* kGroupOnly = "a multicast vhid takes only what is sent to the group";
constexpr const char* kTie = "at equal interval only the lower address is yielded to";
constexpr const char* kNoCookie = "our own frames are known by their source, not by a counter";

const Row kAsMaster[] = {
    {"valid, skew 0, counter 1000", kAll, {.counter = 1000}, true},
    {"same counter 1000 again", kAll, {.counter = 1000}, true, nullptr, 0, 1000},
    {"older counter 5", kAll, {.counter = 5}, true, nullptr, 0, 1000},
    {"own counter", kOpenbsd, {.counter = 1}, false, kNoCookie},
    {"own counter plus 1", kOpenbsd, {.counter = 2}, true},
    {"ttl 254", kAll, {.ttl = 254}, false},
    {"bad hmac", kAll, {.spoil_digest = true}, false},
    {"bad checksum", kAll, {.spoil_checksum = true}, false},
    {"wrong password", kAll, {.password = "otherpass"}, false},
    {"version 3 (hmac over 2)", kAll, {.version = 3}, false},
    {"version 3 (hmac over 3)", kNetbsd, {.version = 3, .hashed_version = 3}, false},
    {"type 2 (hmac over type 1)", kAll, {.type = 2}, true, kTypeIsOne},
    {"type 2 (hmac over type 2)", kNetbsd | kFreebsd, {.type = 2, .hashed_type = 2}, false},
    {"authlen 0", kAll, {.authlen = 0}, true},
    {"authlen 9", kNetbsd, {.authlen = 9}, true},
    {"demote/pad byte 5", kNetbsd | kFreebsd, {.pad = 5}, true},
    {"trailing 8 bytes", kAll, {.trailing = 8}, true},
    {"unknown vhid 77", kAll, {.vhid = 77}, false},
    {"source outside the subnet", kAll, {.source = ip4(10, 9, 8, 7)}, true},
    {"source 0.0.0.0", kAll, {.source = ip4(0, 0, 0, 0)}, true},
    {"source = its own address", kAll, {.source = ip4(192, 168, 1, 2)}, true, kOwnSource},
    {"source = VIP", kNetbsd | kFreebsd, {.source = kVip}, true},
    {"eth src ordinary mac", kAll, {.ethernet_source = kOrdinary}, true},
    {"eth dst broadcast", kAll, {.ethernet_destination = wire::kBroadcastMac}, true},
    {"ip dst 255.255.255.255 eth broadcast",
     kNetbsd | kFreebsd,
     {.ethernet_destination = wire::kBroadcastMac, .destination = ip4(255, 255, 255, 255)},
     true,
     kGroupOnly},
    {"ip dst 224.0.0.1", kNetbsd | kFreebsd, {.destination = ip4(224, 0, 0, 1)}, true, kGroupOnly},
    {"ip dst own address, eth dst multicast",
     kNetbsd | kFreebsd,
     {.destination = ip4(192, 168, 1, 2)},
     true,
     kGroupOnly},
    {"ip dst own address, eth dst multicast (no carppeer)",
     kOpenbsd,
     {.destination = ip4(192, 168, 1, 2)},
     false},
    {"ip dst VIP, eth dst virtual mac",
     kNetbsd | kFreebsd,
     {.ethernet_source = kOrdinary,
      .ethernet_destination = wire::virtual_mac(1),
      .destination = kVip},
     false},
    {"no address in hmac", kAll, {.vips = {}}, false},
    {"hmac with extra address", kNetbsd | kFreebsd, {.vips = {kVip, ip4(192, 168, 1, 5)}}, false},
    {"slower: base 1 skew 201", kAll, {.skew = 201}, false},
    {"equal: base 1 skew 200", kAll, {.skew = 200}, true, kTie},
    {"equal from a lower address", kAll, {.source = ip4(192, 168, 0, 1), .skew = 200}, true},
    {"faster: base 1 skew 199", kAll, {.skew = 199}, true},
    {"base 0 skew 255", kNetbsd | kFreebsd, {.skew = 255, .base = 0}, true},
    {"base 2 skew 0", kAll, {.base = 2}, false},
    {"bow-out base 255 skew 255", kAll, {.skew = 255, .base = 255}, false},
    // FreeBSD with net.inet.carp.demotion=100: own effective skew 240.
    {"demotion 100: skew 239", kFreebsd, {.skew = 239}, true, nullptr, 100},
    {"demotion 100: skew 240", kFreebsd, {.skew = 240}, true, kTie, 100},
    {"demotion 100: skew 241", kFreebsd, {.skew = 241}, false, nullptr, 100},
    // OpenBSD's demote byte.
    {"own demote 0: faster, demote 1", kOpenbsd, {.pad = 1}, false},
    {"own demote 0: faster, demote 255", kOpenbsd, {.pad = 255}, false},
    {"own demote 5: slower 254, demote 0", kOpenbsd, {.skew = 254, .pad = 0}, true, nullptr, 5},
    {"own demote 5: slower 254, demote 4", kOpenbsd, {.skew = 254, .pad = 4}, true, nullptr, 5},
    {"own demote 5: slower 254, demote 5", kOpenbsd, {.skew = 254, .pad = 5}, false, nullptr, 5},
    {"own demote 5: faster 0, demote 5", kOpenbsd, {.skew = 0, .pad = 5}, true, nullptr, 5},
    {"own demote 5: faster 0, demote 6", kOpenbsd, {.skew = 0, .pad = 6}, false, nullptr, 5},
};

struct BackupRow {
  const char* name;
  unsigned seen_on;
  bool preempt;
  Crafted frame;
  bool promotes;
  std::int32_t own_demotion = 0;
};

const BackupRow kAsBackup[] = {
    {"slower base 1 skew 201", kAll, false, {.skew = 201}, false},
    {"base 3 skew 0", kNetbsd, false, {.base = 3}, false},
    {"base 3 skew 199", kNetbsd | kFreebsd, false, {.skew = 199, .base = 3}, false},
    {"base 3 skew 200", kAll, false, {.skew = 200, .base = 3}, false},
    {"base 3 skew 201", kAll, false, {.skew = 201, .base = 3}, true},
    {"base 4 skew 0", kNetbsd | kFreebsd, false, {.base = 4}, true},
    {"bow-out", kAll, false, {.skew = 255, .base = 255}, true},
    {"bow-out with a bad hmac",
     kNetbsd,
     false,
     {.skew = 255, .base = 255, .spoil_digest = true},
     false},
    {"preempt: slower base 1 skew 201", kAll, true, {.skew = 201}, true},
    {"preempt: equal base 1 skew 200", kAll, true, {.skew = 200}, false},
    {"preempt: faster base 1 skew 199", kAll, true, {.skew = 199}, false},
    {"faster, demote 1", kOpenbsd, false, {.pad = 1}, true},
    {"preempt: slower 201, demote 1", kOpenbsd, true, {.skew = 201, .pad = 1}, true},
    {"preempt, own 5: slower 254, demote 0", kOpenbsd, true, {.skew = 254}, false, 5},
    {"preempt, own 5: slower 254, demote 5", kOpenbsd, true, {.skew = 254, .pad = 5}, true, 5},
    {"preempt, own 5: slower 254, demote 6", kOpenbsd, true, {.skew = 254, .pad = 6}, true, 5},
    {"preempt, own 5: bow-out, demote 0", kOpenbsd, true, {.skew = 255, .base = 255}, true, 5},
};

// The profiles to try a row with: ours for FreeBSD also speaks for NetBSD.
std::vector<core::Profile> profiles(unsigned seen_on) {
  std::vector<core::Profile> out;
  if ((seen_on & (kNetbsd | kFreebsd)) != 0) out.push_back(core::Profile::kFreebsd);
  if ((seen_on & kOpenbsd) != 0) out.push_back(core::Profile::kOpenbsd);
  return out;
}

sim::HostId host_under_test(Lan& lan, core::Profile profile, bool preempt,
                            std::int32_t own_demotion) {
  core::VhostConfig config = vhid(1, 200);
  config.profile = profile;
  const auto host = lan.booted(2, {config}, {.preempt = preempt});
  lan.net.command(
      host, [=](core::Host& h, Instant now) { h.handle_demotion(now, "test", own_demotion); });
  return host;
}

void expect(bool right, const char* name, core::Profile profile) {
  if (right) return;
  carp::test::fail(__FILE__, __LINE__,
                   std::string(name) + (profile == core::Profile::kOpenbsd ? " (openbsd)" : ""));
}

}  // namespace

TEST(every_advertisement_to_a_master_ends_as_on_the_bsds_or_as_decided) {
  for (const Row& row : kAsMaster) {
    for (const core::Profile profile : profiles(row.seen_on)) {
      Lan lan;
      const auto host = host_under_test(lan, profile, false, row.own_demotion);
      const auto from = lan.net.client_port(lan.client);
      lan.net.run_for(seconds{4});
      if (row.heard_before > 0) {
        lan.net.inject(from, craft({.counter = row.heard_before}));
        lan.net.run_for(seconds{4});
      }
      expect(lan.net.state(host, 0) == VhostState::kMaster, row.name, profile);
      lan.net.inject(from, craft(row.frame));
      lan.net.run_for(Duration{50});
      const bool accepted = lan.net.state(host, 0) == VhostState::kBackup;
      const bool wanted = row.deviation == nullptr ? row.accepted : !row.accepted;
      expect(accepted == wanted, row.name, profile);
    }
  }
}

TEST(every_advertisement_to_a_backup_ends_as_on_the_bsds) {
  for (const BackupRow& row : kAsBackup) {
    for (const core::Profile profile : profiles(row.seen_on)) {
      Lan lan;
      const auto host = host_under_test(lan, profile, row.preempt, row.own_demotion);
      lan.net.run_for(seconds{1});
      lan.net.inject(lan.net.client_port(lan.client), craft(row.frame));
      lan.net.run_for(Duration{50});
      expect((lan.net.state(host, 0) == VhostState::kMaster) == row.promotes, row.name, profile);
    }
  }
}

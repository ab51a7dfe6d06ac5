// Each receive check has its own counter, and nothing else happens (spec 3.5, P12).
#include <string>

#include "../sim/crafted.h"

using namespace carp;
using namespace carp::test;
using core::DevCounter;
using core::VhostCounter;

namespace {

struct Row {
  const char* name;
  Crafted frame;
  DevCounter dev = DevCounter::kCount;  // the one that must rise
  VhostCounter vhost = VhostCounter::kCount;
  bool unicast = false;  // the vhid has the unicast peer 192.168.1.3
};

Crafted v6(Crafted c) {
  c.source = ip6(0xfe80, 77);
  c.vips = {kVip, kVip6};
  return c;
}

Crafted to_us(Crafted c) {
  c.source = ip4(192, 168, 1, 3);
  c.destination = ip4(192, 168, 1, 2);
  c.ethernet_destination = mac(2);
  c.ethernet_source = mac(3);
  return c;
}

std::vector<Row> rows() {
  const std::vector<wire::IpAddress> both{kVip, kVip6};
  std::vector<Row> out{
      {"35 octets", {.cut = 1}, DevCounter::kBadlen},
      {"no payload", {.cut = 36}, DevCounter::kBadlen},
      {"fragment", {.fragment = true}, DevCounter::kBadlen},
      {"ip checksum", {.spoil_ip_checksum = true}, DevCounter::kBadsum},
      {"carp checksum", {.spoil_checksum = true}, DevCounter::kBadsum},
      {"own source", {.source = ip4(192, 168, 1, 2)}, DevCounter::kSelf},
      {"vhid unknown", {.vhid = 77}, DevCounter::kBadvhid},
      {"vhid 0", {.vhid = 0}, DevCounter::kBadvhid},
      {"vhid without IPv6", v6({.vhid = 2}), DevCounter::kBadvhid},
      {"another group", {.destination = ip4(224, 0, 0, 1)}, DevCounter::kBadif},
      {"version 3", {.version = 3}, DevCounter::kCount, VhostCounter::kBadver},
      {"type 2", {.type = 2}, DevCounter::kCount, VhostCounter::kBadver},
      {"ttl 254", {.ttl = 254}, DevCounter::kCount, VhostCounter::kBadttl},
      {"wrong password", {.password = "x"}, DevCounter::kCount, VhostCounter::kBadauth},
      {"bad digest", {.spoil_digest = true}, DevCounter::kCount, VhostCounter::kBadauth},
      {"one address less", {.vips = {kVip}}, DevCounter::kCount, VhostCounter::kBadauth},
      {"valid", {.skew = 250, .vips = both}, DevCounter::kCount, VhostCounter::kAccepted},
      {"hop limit 254", v6({.ttl = 254}), DevCounter::kCount, VhostCounter::kBadttl},
      {"IPv6 checksum", v6({.spoil_checksum = true}), DevCounter::kBadsum},
      {"IPv6 35 octets", v6({.cut = 1}), DevCounter::kBadlen},
      {"IPv6 valid", v6({.skew = 250}), DevCounter::kCount, VhostCounter::kAccepted},
      {"multicast to a unicast vhid", {}, DevCounter::kBadif, VhostCounter::kCount, true},
      {"unicast ttl 100", to_us({.ttl = 100, .skew = 250, .vips = both}), DevCounter::kCount,
       VhostCounter::kAccepted, true},
      {"unicast wrong password", to_us({.password = "x"}), DevCounter::kCount,
       VhostCounter::kBadauth, true},
  };
  Crafted stranger = to_us({.vips = both});
  stranger.source = ip4(192, 168, 1, 4);
  out.push_back(
      {"unicast from a stranger", stranger, DevCounter::kCount, VhostCounter::kBadaddrs, true});
  // Each frame is otherwise valid: only the one check may see it.
  for (Row& row : out) {
    const bool about_digest = row.vhost == VhostCounter::kBadauth;
    if (!about_digest) row.frame.vips = both;
  }
  return out;
}

}  // namespace

TEST(each_receive_check_counts_only_itself_and_changes_no_state) {
  for (const Row& row : rows()) {
    Lan lan;
    core::VhostConfig config = vhid(1, 100, {kVip, kVip6});
    if (row.unicast) config.peers = {ip4(192, 168, 1, 3)};
    const auto host = lan.booted(2, {config, vhid(2, 0, {ip4(192, 168, 1, 5)})});
    lan.net.run_for(seconds{4});
    const auto dev_before = lan.net.core(host)->carpdev_counters(0);
    const auto before = lan.net.vhost(host, 0)->counters();
    const auto other_before = lan.net.vhost(host, 1)->counters();
    const std::size_t sent = lan.net.sent().size();
    // Straight into the host, at a moment when nothing else happens.
    lan.net.command(host,
                    [&](core::Host& h, Instant now) { h.handle_frame(now, 0, craft(row.frame)); });
    CHECK_EQ(lan.net.state(host, 0), VhostState::kMaster);
    const bool v4 = row.frame.source.family == wire::Family::kIpv4;
    const auto& dev = lan.net.core(host)->carpdev_counters(0);
    for (std::size_t i = 0; i < dev.size(); ++i) {
      const auto which = static_cast<DevCounter>(i);
      const bool counts_packet = which == (v4 ? DevCounter::kIpackets : DevCounter::kIpackets6);
      const std::uint64_t wanted = which == row.dev || counts_packet ? 1 : 0;
      if (dev[which] - dev_before[which] == wanted) continue;
      carp::test::fail(__FILE__, __LINE__,
                       std::string(row.name) + ": " + std::string(core::kDevCounterNames[i]));
    }
    const bool accepted = row.vhost == VhostCounter::kAccepted;
    for (std::size_t i = 0; i < before.size(); ++i) {
      const auto which = static_cast<VhostCounter>(i);
      const std::uint64_t rise = lan.net.vhost(host, 0)->counters()[which] - before[which];
      // A valid slower advertisement is also a second master, which is answered.
      if (accepted && which != VhostCounter::kAccepted) continue;
      if (rise == (which == row.vhost ? 1U : 0U)) continue;
      carp::test::fail(__FILE__, __LINE__,
                       std::string(row.name) + ": " + std::string(core::kVhostCounterNames[i]));
    }
    for (std::size_t i = 0; i < other_before.size(); ++i) {
      const auto which = static_cast<VhostCounter>(i);
      CHECK_EQ(lan.net.vhost(host, 1)->counters()[which], other_before[which]);
    }
    if (!accepted) CHECK_EQ(lan.net.sent().size(), sent);
  }
}

TEST(a_vrrp_router_is_counted_as_such) {
  Lan lan;
  const auto host = lan.booted(2, {vhid(1, 100)});
  lan.net.run_for(seconds{4});
  sim::Frame frame = craft({});
  frame.resize(14 + 20 + 20);  // VRRPv2 with one address
  frame[16] = 0;
  frame[17] = 40;
  frame[14 + 20] = 0x21;
  frame[14 + 20 + 3] = 1;
  frame[24] = frame[25] = 0;
  const std::uint16_t sum = crafted_sum(std::span(frame).subspan(14, 20));
  frame[24] = static_cast<std::uint8_t>(sum >> 8);
  frame[25] = static_cast<std::uint8_t>(sum & 0xff);
  lan.net.inject(lan.net.client_port(lan.client), frame);
  lan.net.run_for(milliseconds{1});
  const auto& dev = lan.net.core(host)->carpdev_counters(0);
  CHECK_EQ(dev[DevCounter::kForeignVrrp], 1U);
  CHECK_EQ(dev[DevCounter::kBadlen], 0U);
  CHECK_EQ(lan.net.events().back().second.alarm, core::Alarm::kForeignVrrp);
  CHECK_STATE(lan.net, host, kMaster);
}

TEST(frames_cut_anywhere_are_harmless) {
  Lan lan;
  const auto host = lan.booted(2, {vhid(1, 100, {kVip, kVip6})});
  lan.net.run_for(seconds{4});
  for (Crafted c : {Crafted{.options = 12, .trailing = 5}, Crafted{.source = ip6(0xfe80, 77)}}) {
    c.vips = {kVip, kVip6};
    const sim::Frame whole = craft(c);
    for (std::size_t n = 0; n < whole.size(); ++n) {
      const sim::Frame part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
      lan.net.command(host, [&](core::Host& h, Instant now) { h.handle_frame(now, 0, part); });
    }
  }
  CHECK_STATE(lan.net, host, kMaster);
  CHECK_EQ(counter(lan.net, host, VhostCounter::kAccepted), 0U);
}

TEST(one_valid_frame_in_ten_thousand_spoilt_ones_decides) {
  Lan lan;
  const auto host = lan.booted(2, {vhid(1, 100)});
  lan.net.run_for(seconds{4});
  const sim::Frame good = craft({.skew = 0});
  for (int i = 0; i < 10'000; ++i) {
    sim::Frame bad = good;
    // Any bit from the version on, the ones nobody checks left out: skew, authlen, pad, base.
    std::size_t at = 14 + 20 + lan.net.random().below(36);
    const std::size_t in_carp = at - 34;
    if (in_carp >= 2 && in_carp <= 5) continue;
    bad[at] ^= static_cast<std::uint8_t>(1U << lan.net.random().below(8));
    if (i % 2 == 0) {  // with a checksum that is right again
      bad[40] = bad[41] = 0;
      const std::uint16_t sum = crafted_sum(std::span(bad).subspan(34, 36));
      bad[40] = static_cast<std::uint8_t>(sum >> 8);
      bad[41] = static_cast<std::uint8_t>(sum & 0xff);
      if (bad == good) continue;
    }
    lan.net.command(host, [&](core::Host& h, Instant now) { h.handle_frame(now, 0, bad); });
  }
  CHECK_STATE(lan.net, host, kMaster);
  lan.net.inject(lan.net.client_port(lan.client), good);
  lan.net.run_for(milliseconds{1});
  CHECK_STATE(lan.net, host, kBackup);
}

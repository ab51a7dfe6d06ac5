// Who answers ARP for a VIP, when, and how (design section 3, RFC 5227, spec 4.4).
#include "../sim/crafted.h"

using namespace carp;
using namespace carp::test;
using core::DevCounter;

namespace {

struct Asker : Lan {
  sim::HostId a = booted(2, {vhid(1, 0)});

  Asker() { net.run_for(milliseconds{10'300}); }

  // The answer to one request, if there is one.
  std::optional<wire::Arp> ask(const wire::Arp& request) {
    sim::Frame frame(wire::kArpFrame);
    wire::write_arp(frame, request);
    const std::size_t before = net.sent().size();
    net.command(a, [&](core::Host& host, Instant now) { host.handle_frame(now, 0, frame); });
    if (net.sent().size() == before) return std::nullopt;
    CHECK_EQ(net.sent().size(), before + 1);
    CHECK_EQ(net.sent().back().kind, core::TransmitKind::kAnswer);
    return wire::parse_arp(net.sent().back().frame);
  }

  std::uint64_t dev(DevCounter which) const { return net.core(a)->carpdev_counters(0)[which]; }

  static wire::Arp request() {
    return {.ethernet_source = mac(9),
            .ethernet_destination = wire::kBroadcastMac,
            .sender_mac = mac(9),
            .sender = ip4(192, 168, 1, 9).v4(),
            .target_mac = {},
            .target = kVip.v4()};
  }
};

}  // namespace

TEST(a_master_answers_with_the_virtual_mac_in_frame_and_body) {
  Asker asker;
  const auto reply = asker.ask(Asker::request());
  REQUIRE(reply.has_value());
  CHECK(reply->operation == wire::ArpOperation::kReply);
  CHECK(reply->ethernet_source == wire::virtual_mac(1));
  CHECK(reply->ethernet_destination == mac(9));
  CHECK(reply->sender_mac == wire::virtual_mac(1));
  CHECK(wire::IpAddress::from(reply->sender) == kVip);
  CHECK(reply->target_mac == mac(9));
  CHECK(wire::IpAddress::from(reply->target) == ip4(192, 168, 1, 9));
  CHECK_EQ(asker.dev(DevCounter::kArpReplies), 1U);
  // An answer is no advertisement.
  CHECK_EQ(counter(asker.net, asker.a, core::VhostCounter::kOpackets), 8U);
}

TEST(unicast_probes_to_the_virtual_mac_and_probes_from_nowhere_are_answered) {
  Asker asker;
  wire::Arp request = Asker::request();
  request.ethernet_destination = wire::virtual_mac(1);
  CHECK(asker.ask(request).has_value());
  request.ethernet_destination = mac(2);
  CHECK(asker.ask(request).has_value());
  request.ethernet_destination = mac(55);  // another host's, seen in passing
  CHECK(!asker.ask(request).has_value());
  request = Asker::request();
  request.sender = {};  // RFC 5227 probe
  const auto reply = asker.ask(request);
  REQUIRE(reply.has_value());
  CHECK(wire::IpAddress::from(reply->target) == ip4(0, 0, 0, 0));
  CHECK(reply->ethernet_destination == mac(9));
}

TEST(gratuitous_requests_replies_and_other_addresses_are_not_answered) {
  Asker asker;
  wire::Arp request = Asker::request();
  request.sender = request.target;
  CHECK(!asker.ask(request).has_value());
  request = Asker::request();
  request.operation = wire::ArpOperation::kReply;
  CHECK(!asker.ask(request).has_value());
  request = Asker::request();
  request.target = ip4(192, 168, 1, 2).v4();  // its own address is the kernel's to answer
  CHECK(!asker.ask(request).has_value());
  request = Asker::request();
  request.sender_mac = wire::kBroadcastMac;
  CHECK(!asker.ask(request).has_value());
  CHECK_EQ(asker.dev(DevCounter::kArpReplies), 0U);
}

TEST(a_host_that_is_not_master_never_answers) {
  Asker asker;
  asker.net.inject(asker.net.client_port(asker.client),
                   craft({.source = ip4(192, 168, 1, 1), .skew = 0}));
  asker.net.run_for(milliseconds{1});
  CHECK_STATE(asker.net, asker.a, kBackup);
  for (const wire::MacAddress& to : {wire::kBroadcastMac, wire::virtual_mac(1), mac(2)}) {
    wire::Arp request = Asker::request();
    request.ethernet_destination = to;
    CHECK(!asker.ask(request).has_value());
  }
  asker.net.admin(asker.a, 0, AdminAction::kDown);
  CHECK_STATE(asker.net, asker.a, kInit);
  CHECK(!asker.ask(Asker::request()).has_value());
}

TEST(a_host_that_hands_over_goes_on_answering) {
  Asker asker;
  asker.net.admin(asker.a, 0, AdminAction::kDown);
  asker.net.run_for(seconds{1});
  CHECK(asker.ask(Asker::request()).has_value());
}

TEST(an_answer_is_dropped_when_the_reign_ends_in_the_same_batch) {
  Asker asker;
  sim::Frame request(wire::kArpFrame);
  wire::write_arp(request, Asker::request());
  const Instant now = asker.net.now();
  asker.net.command(asker.a, [&](core::Host& host, Instant at_once) {
    host.handle_frame(at_once, 0, request);
    host.handle_frame(at_once, 0, craft({.source = ip4(192, 168, 1, 1), .skew = 0}));
  });
  CHECK_STATE(asker.net, asker.a, kBackup);
  CHECK_EQ(count_kind(asker.net, asker.a, core::TransmitKind::kAnswer, now), 0U);
  CHECK_NO_VIOLATION(asker.net);
}

TEST(a_backup_that_answers_our_announcement_by_unicast_is_no_conflict) {
  Asker asker;
  wire::Arp reply = Asker::request();  // as FreeBSD 13: from its physical MAC, to us alone
  reply.operation = wire::ArpOperation::kReply;
  reply.ethernet_destination = mac(2);
  reply.sender = kVip.v4();
  asker.ask(reply);
  for (const auto& [host, event] : asker.net.events()) {
    CHECK(event.kind != core::EventKind::kAlarm);
  }
  reply.ethernet_destination = wire::kBroadcastMac;
  asker.ask(reply);
  CHECK(asker.net.events().back().second.kind == core::EventKind::kAlarm);
  CHECK_EQ(asker.net.events().back().second.alarm, core::Alarm::kAddressInUse);
  CHECK_STATE(asker.net, asker.a, kMaster);
}

TEST(malformed_arp_is_ignored) {
  Asker asker;
  sim::Frame whole(wire::kArpFrame);
  wire::write_arp(whole, Asker::request());
  const std::size_t before = asker.net.sent().size();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const sim::Frame part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    asker.net.command(asker.a,
                      [&](core::Host& host, Instant now) { host.handle_frame(now, 0, part); });
  }
  CHECK_EQ(asker.net.sent().size(), before);
}

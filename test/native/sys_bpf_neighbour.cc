// The BPF programs of ARP and neighbour discovery against the rule that they stand for, written
// plainly, over random frames. The kernel runs them: see bpf_filtered.h.
#include <algorithm>
#include <random>
#include <vector>

#include "bpf_filtered.h"
#include "check.h"
#include "sys/bpf.h"
#include "wire/balance.h"
#include "wire/neighbour.h"

namespace carp::test {
namespace {

using sys::ArpDelivery;
using sys::ArpInterest;
using sys::NeighbourInterest;
using wire::Arp;
using wire::ArpOperation;
using wire::Ipv4Address;
using wire::Ipv6Address;
using wire::MacAddress;
/// std::mt19937 gives a word of 64 bits.
class Random {
 public:
  using result_type = std::uint32_t;
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xffffffff; }
  result_type operator()() { return static_cast<result_type>(engine_()); }

 private:
  std::mt19937 engine_;
};

std::uint32_t below(Random& random, std::uint32_t n) { return random() % n; }

template <typename T>
bool contains(const std::vector<T>& list, const T& what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

Ipv4Address v4(std::uint32_t number) {
  return {{static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
           static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

Ipv6Address v6(std::uint32_t high, std::uint32_t last) {
  Ipv6Address out;
  for (std::size_t i = 0; i < 4; ++i) {
    out.octets[i] = v4(high).octets[i];
    out.octets[12 + i] = v4(last).octets[i];
  }
  return out;
}

bool has_bit(std::uint32_t mastered, std::uint32_t index) { return ((mastered >> index) & 1) != 0; }

bool is_virtual(const MacAddress& mac) {
  return mac.octets[0] == 0 && mac.octets[1] == 0 && mac.octets[2] == 0x5e && mac.octets[3] == 0;
}

Frame arp_frame(const Arp& arp) {
  Frame frame(wire::kArpFrame);
  wire::write_arp(frame, arp);
  return frame;
}

// The rule for a filter whose shared VIPs are few, distinct and of groups up to 32.
bool takes(const ArpInterest& interest, const Arp& arp) {
  if (contains(interest.vips, arp.sender)) return true;
  if (arp.operation == ArpOperation::kReply) {
    return contains(interest.vips, arp.target) || contains(interest.own, arp.target);
  }
  for (const sys::SharedVip4& shared : interest.shared) {
    if (shared.address != arp.target) continue;
    const auto index = wire::balance_index(arp.sender, shared.members);
    return is_virtual(arp.target_mac) || has_bit(shared.mastered, index);
  }
  return contains(interest.vips, arp.target);
}

TEST(bpf_arp_agrees_with_the_rule_on_random_frames) {
  Random random(1);
  int taken = 0;
  int dropped = 0;
  for (std::uint32_t n = 2; n <= 32; ++n) {
    for (int round = 0; round < 4; ++round) {
      ArpInterest interest;
      const std::uint32_t base = random();
      const std::uint32_t all_bits = n == 32 ? 0xffffffff : (1U << n) - 1;
      const std::uint32_t plain = below(random, 40);
      const std::uint32_t shared = 1 + below(random, sys::kMaxSharedVips);
      for (std::uint32_t i = 0; i < plain; ++i) interest.vips.push_back(v4(base + i));
      for (std::uint32_t i = 0; i < shared; ++i) {
        const std::uint32_t groups[] = {0, all_bits, random()};
        const std::uint32_t members = i % 3 == 0 ? 2 + below(random, 31) : n;
        interest.shared.push_back({v4(base + 100 + i), members, groups[below(random, 3)]});
        interest.vips.push_back(v4(base + 100 + i));
      }
      for (std::uint32_t i = 0; i < below(random, 4); ++i)
        interest.own.push_back(v4(base + 200 + i));
      std::shuffle(interest.vips.begin(), interest.vips.end(), random);
      std::shuffle(interest.shared.begin(), interest.shared.end(), random);
      Filtered filter{sys::build_arp_filter(interest)};
      REQUIRE(filter.attached());
      const MacAddress targets[] = {{}, wire::virtual_mac(3), MacAddress{{0, 0, 0x5e, 1, 0, 1}}};
      for (int i = 0; i < 200; ++i) {
        // Around the addresses of interest, and senders from everywhere.
        const auto near = [&] { return v4(base + below(random, 210)); };
        const Arp arp{
            .operation = below(random, 4) == 0 ? ArpOperation::kReply : ArpOperation::kRequest,
            .ethernet_source = {},
            .ethernet_destination = wire::kBroadcastMac,
            .sender_mac = {{2, 0, 0, 0, 0, 1}},
            .sender = below(random, 8) == 0 ? near() : v4(random()),
            .target_mac = targets[below(random, 8) == 0 ? 1 : below(random, 3) / 2 * 2],
            .target = near()};
        const bool wanted = takes(interest, arp);
        ++(wanted ? taken : dropped);
        if ((filter.pass(arp_frame(arp)) > 0) != wanted) {
          fail(__FILE__, __LINE__,
               "n " + std::to_string(n) + ", target base + " +
                   std::to_string(arp.target.number() - base));
        }
      }
    }
  }
  // The frames were no one-sided choice.
  CHECK(taken > 3000);
  CHECK(dropped > 3000);
}

Arp request(const Ipv4Address& sender, const Ipv4Address& target) {
  return {.operation = ArpOperation::kRequest,
          .ethernet_source = {},
          .ethernet_destination = wire::kBroadcastMac,
          .sender_mac = {},
          .sender = sender,
          .target_mac = {},
          .target = target};
}

TEST(bpf_arp_leaves_to_the_core_what_it_cannot_decide) {
  const Ipv4Address vip{{10, 0, 0, 1}};
  const Arp asks = request({{10, 0, 0, 9}}, vip);
  const auto takes_it = [&asks](const ArpInterest& interest, ArpDelivery delivery) {
    Filtered filter{sys::build_arp_filter(interest, delivery)};
    CHECK(filter.attached());
    return filter.pass(arp_frame(asks)) > 0;
  };
  ArpInterest interest{.vips = {vip}, .shared = {{vip, 2, 0}}, .own = {}};
  CHECK(!takes_it(interest, ArpDelivery::kAny));
  CHECK(takes_it(interest, ArpDelivery::kUnicastOnly));
  interest.vips.clear();  // a shared VIP is a VIP
  CHECK(!takes_it(interest, ArpDelivery::kAny));
  interest.shared = {{vip, 1, 0}};
  CHECK(!takes_it(interest, ArpDelivery::kAny));
  for (const std::uint32_t members : {0U, 33U, 0xffffffffU}) {
    interest.shared = {{vip, members, 0}};
    CHECK(takes_it(interest, ArpDelivery::kAny));
  }
  interest.shared = {{vip, 2, 0}, {vip, 3, 0}};  // contradiction
  CHECK(takes_it(interest, ArpDelivery::kAny));
  // One too many: the highest address.
  interest.shared.clear();
  for (std::uint32_t i = 0; i < sys::kMaxSharedVips; ++i) {
    interest.shared.push_back({v4(vip.number() - 1 - i), 2, 0});
  }
  interest.shared.push_back({vip, 2, 0});
  CHECK(takes_it(interest, ArpDelivery::kAny));
  interest.shared.erase(interest.shared.begin());
  CHECK(!takes_it(interest, ArpDelivery::kAny));
}

TEST(bpf_arp_own_addresses_only_by_reply) {
  const ArpInterest interest{.vips = {}, .shared = {}, .own = {{{10, 0, 0, 2}}}};
  Filtered filter{sys::build_arp_filter(interest)};
  REQUIRE(filter.attached());
  Arp arp = request({{10, 0, 0, 9}}, {{10, 0, 0, 2}});
  CHECK_EQ(filter.pass(arp_frame(arp)), -1L);
  arp.operation = ArpOperation::kReply;
  CHECK_EQ(filter.pass(arp_frame(arp)), 42L);
  arp.target = {{10, 0, 0, 3}};
  CHECK_EQ(filter.pass(arp_frame(arp)), -1L);
}

TEST(bpf_arp_with_everything_at_its_limit_fits) {
  ArpInterest interest;
  for (std::uint32_t i = 0; i < sys::kMaxArpVips; ++i) interest.vips.push_back(v4(i * 7919));
  for (std::uint32_t i = 0; i < sys::kMaxSharedVips; ++i) {
    interest.shared.push_back({v4(i * 7919), 2 + i % 31, i});
  }
  for (std::uint32_t i = 0; i < 500; ++i) interest.own.push_back(v4(0xc0000000 + i));
  const auto any = sys::build_any_arp_filter();
  CHECK_EQ(sys::build_arp_filter(interest).size(), any.size());  // does not fit: the core decides
  while (interest.vips.size() > 1300) interest.vips.pop_back();
  const auto program = sys::build_arp_filter(interest);
  CHECK(program.size() > any.size());
  CHECK(program.size() <= sys::kMaxBpfInstructions);
}

struct Question {
  bool solicitation = true;
  MacAddress ethernet_destination;
  Ipv6Address source;
  Ipv6Address destination;
  Ipv6Address target;
};

Frame neighbour_frame(const Question& q) {
  Frame frame(wire::kNeighbourSolicitationFrame);
  wire::write_solicitation(frame, {{2, 0, 0, 0, 0, 1}}, q.source, q.target);
  const auto put = [&frame](std::size_t at, const auto& octets) {
    std::copy(octets.begin(), octets.end(), frame.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, q.ethernet_destination.octets);
  put(38, q.destination.octets);
  if (!q.solicitation) frame[54] = 136;
  return frame;
}

std::uint32_t key(const Ipv6Address& a) {
  return Ipv4Address{{a.octets[12], a.octets[13], a.octets[14], a.octets[15]}}.number();
}

bool has_key(const std::vector<Ipv6Address>& list, const Ipv6Address& address) {
  return std::any_of(list.begin(), list.end(),
                     [&address](const Ipv6Address& other) { return key(other) == key(address); });
}

bool takes(const NeighbourInterest& interest, const Question& q) {
  const bool is_vip = has_key(interest.vips, q.target);
  if (!q.solicitation) return is_vip || has_key(interest.own, q.destination);
  if (!is_vip || is_virtual(q.ethernet_destination)) return is_vip;
  std::vector<Ipv6Address> same;
  for (const Ipv6Address& vip : interest.vips) {
    if (key(vip) == key(q.target) && !contains(same, vip)) same.push_back(vip);
  }
  if (same.size() > 1) return true;
  for (const sys::SharedVip6& shared : interest.shared) {
    if (shared.address == same.front()) {
      return has_bit(shared.mastered, wire::balance_index(q.source, shared.members));
    }
  }
  return true;
}

TEST(bpf_neighbour_agrees_with_the_rule_on_random_frames) {
  Random random(2);
  int taken = 0;
  int dropped = 0;
  for (std::uint32_t n = 2; n <= 32; ++n) {
    for (int round = 0; round < 4; ++round) {
      NeighbourInterest interest;
      const std::uint32_t base = random();
      for (std::uint32_t i = 0; i < below(random, 40); ++i) {
        interest.vips.push_back(v6(0xfd000000, base + i));
        if (i % 4 == 0) interest.vips.push_back(v6(0xfd000001, base + i));  // the same key
      }
      const std::uint32_t shared = 1 + below(random, sys::kMaxSharedVips);
      for (std::uint32_t i = 0; i < shared; ++i) {
        const Ipv6Address vip = v6(0xfd000000, base + 100 + i);
        interest.shared.push_back(
            {vip, i % 3 == 0 ? 2 + below(random, 31) : n, i % 5 == 0 ? 0 : random()});
        interest.vips.push_back(vip);
        if (i % 7 == 6) interest.vips.push_back(v6(0xfd000001, base + 100 + i));
      }
      for (std::uint32_t i = 0; i < below(random, 4); ++i) {
        interest.own.push_back(v6(0xfe800000, base + 200 + i));
      }
      std::shuffle(interest.vips.begin(), interest.vips.end(), random);
      std::shuffle(interest.shared.begin(), interest.shared.end(), random);
      Filtered filter{sys::build_neighbour_filter(interest)};
      REQUIRE(filter.attached());
      for (int i = 0; i < 200; ++i) {
        const auto near = [&] {
          return v6(0xfd000000 + below(random, 2), base + below(random, 210));
        };
        Question q{.solicitation = below(random, 4) != 0,
                   .ethernet_destination = {{0x33, 0x33, 0xff, 0, 0, 1}},
                   .source = {},
                   .destination = near(),
                   .target = near()};
        if (below(random, 8) == 0) q.ethernet_destination = wire::virtual_mac(7);
        if (below(random, 8) != 0) {
          for (std::uint8_t& octet : q.source.octets) octet = static_cast<std::uint8_t>(random());
        }
        const bool wanted = takes(interest, q);
        ++(wanted ? taken : dropped);
        if ((filter.pass(neighbour_frame(q)) > 0) != wanted) {
          fail(
              __FILE__, __LINE__,
              "n " + std::to_string(n) + ", target base + " + std::to_string(key(q.target) - base));
        }
      }
    }
  }
  CHECK(taken > 3000);
  CHECK(dropped > 3000);
}

TEST(bpf_neighbour_checks_the_header) {
  const Ipv6Address vip = v6(0xfd000000, 1);
  const Question asks{.solicitation = true,
                      .ethernet_destination = {},
                      .source = v6(0xfd000000, 9),
                      .destination = v6(0xff020000, 1),
                      .target = vip};
  const NeighbourInterest interest{.vips = {vip}, .shared = {}, .own = {}};
  for (const auto& program :
       {sys::build_neighbour_filter(interest), sys::build_any_neighbour_filter()}) {
    Filtered filter{program};
    REQUIRE(filter.attached());
    const Frame whole = neighbour_frame(asks);
    CHECK_EQ(filter.pass(whole), 86L);
    // EtherType, next header, hop limit, type, code.
    for (const std::size_t at : {12U, 13U, 20U, 21U, 54U, 55U}) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        Frame wrong = whole;
        wrong[at] = static_cast<std::uint8_t>(wrong[at] ^ (1U << bit));
        CHECK_EQ(filter.pass(wrong), -1L);
      }
    }
    for (const int type : {133, 134, 137}) {
      Frame other = whole;
      other[54] = static_cast<std::uint8_t>(type);
      CHECK_EQ(filter.pass(other), -1L);
    }
    Frame lengthy = whole;
    lengthy.resize(1500);
    CHECK_EQ(filter.pass(lengthy), 256L);
  }
  Filtered filter{sys::build_neighbour_filter(interest)};
  REQUIRE(filter.attached());
  Frame cut = neighbour_frame(asks);
  cut.resize(77);
  CHECK_EQ(filter.pass(cut), -1L);
  Filtered nothing{sys::build_neighbour_filter({})};
  REQUIRE(nothing.attached());
  CHECK_EQ(nothing.pass(neighbour_frame(asks)), -1L);
}

TEST(bpf_neighbour_leaves_to_the_core_what_it_cannot_decide) {
  const Ipv6Address vip = v6(0xfd000000, 1);
  const Question asks{.solicitation = true,
                      .ethernet_destination = {{0x33, 0x33, 0xff, 0, 0, 1}},
                      .source = v6(0xfd000000, 9),
                      .destination = v6(0xff020000, 1),
                      .target = vip};
  const auto takes_it = [&asks](const NeighbourInterest& interest, ArpDelivery delivery) {
    Filtered filter{sys::build_neighbour_filter(interest, delivery)};
    CHECK(filter.attached());
    return filter.pass(neighbour_frame(asks)) > 0;
  };
  NeighbourInterest interest{.vips = {vip}, .shared = {{vip, 2, 0}}, .own = {}};
  CHECK(!takes_it(interest, ArpDelivery::kAny));
  CHECK(takes_it(interest, ArpDelivery::kUnicastOnly));
  for (const std::uint32_t members : {0U, 33U}) {
    interest.shared = {{vip, members, 0}};
    CHECK(takes_it(interest, ArpDelivery::kAny));
  }
  // Two shared VIPs with one key.
  interest.shared = {{vip, 2, 0}, {v6(0xfd000001, 1), 2, 0}};
  CHECK(takes_it(interest, ArpDelivery::kAny));
  // More than a program holds.
  for (std::uint32_t i = 0; i < 5000; ++i) interest.vips.push_back(v6(0xfd000000, 2 + i));
  const auto program = sys::build_neighbour_filter(interest);
  CHECK_EQ(program.size(), sys::build_any_neighbour_filter().size());
  while (interest.vips.size() > sys::kMaxArpVips) interest.vips.pop_back();
  CHECK(sys::build_neighbour_filter(interest).size() > sys::kMaxArpVips);
}

}  // namespace
}  // namespace carp::test

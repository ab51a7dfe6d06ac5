// The BPF programs of ARP and neighbour discovery: who asks for a VIP, who claims one, who answers
// this host. Pure functions, any thread.
#include <linux/if_ether.h>

#include <algorithm>
#include <tuple>

#include "sys/bpf.h"
#include "sys/bpf_build.h"

namespace carp::sys {
namespace {

using Keys = std::vector<std::uint32_t>;

constexpr std::uint32_t kEthernetDestination = 0;
constexpr std::uint32_t kArpHardwareAndProtocol = 14;
constexpr std::uint32_t kArpLengthsAndOperation = 18;
constexpr std::uint32_t kArpSenderIp = 28;
constexpr std::uint32_t kArpTargetMac = 32;
constexpr std::uint32_t kArpTargetIp = 38;
constexpr std::uint32_t kIpv6NextHeaderAndHopLimit = 20;
constexpr std::uint32_t kIpv6Source = 22;
constexpr std::uint32_t kIpv6DestinationEnd = 50;  // the last 32 bits
constexpr std::uint32_t kIcmpv6TypeAndCode = 54;
constexpr std::uint32_t kNeighbourTargetEnd = 74;

constexpr std::uint32_t kArpRequest = 0x0604'0001;  // lengths 6 and 4, operation
constexpr std::uint32_t kArpReply = 0x0604'0002;
constexpr std::uint32_t kSolicitation = 0x8700;  // type 135, code 0
constexpr std::uint32_t kAdvertisement = 0x8800;
/// The first four octets of every virtual MAC.
constexpr std::uint32_t kVirtualMacStart = 0x0000'5e00;

/// Leaves of the look-ups, from quick to short. 250 is the most that an 8-bit jump spans.
constexpr std::size_t kLeaves[] = {8, 32, 128, 250};

void require_delivery(BpfProgram& program, ArpDelivery delivery) {
  switch (delivery) {
    case ArpDelivery::kAny:
      require_for_us(program);
      break;
    case ArpDelivery::kUnicastOnly:
      program.push_back(load_word(ancillary(SKF_AD_PKTTYPE)));
      require_equal(program, PACKET_HOST);
      break;
  }
  require_untagged(program);
}

/// Drops if A is neither.
void require_either(BpfProgram& program, std::uint32_t one, std::uint32_t other) {
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 2, 0, one});
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, other});
  program.push_back(give(0));
}

void begin_arp(BpfProgram& program, ArpDelivery delivery) {
  // The cheapest test that drops the most comes first: the socket may be open for every EtherType.
  program.push_back(load_half(kEtherType));
  require_equal(program, ETH_P_ARP);
  require_delivery(program, delivery);
  program.push_back(load_word(kArpHardwareAndProtocol));
  require_equal(program, 0x0001'0800);  // Ethernet, IPv4
  program.push_back(load_word(kArpLengthsAndOperation));
  require_either(program, kArpRequest, kArpReply);
}

void begin_neighbour(BpfProgram& program, ArpDelivery delivery) {
  program.push_back(load_half(kEtherType));
  require_equal(program, ETH_P_IPV6);
  program.push_back(load_half(kIpv6NextHeaderAndHopLimit));
  require_equal(program, 0x3aff);  // 58, 255
  program.push_back(load_half(kIcmpv6TypeAndCode));
  require_either(program, kSolicitation, kAdvertisement);
  require_delivery(program, delivery);
}

/// A jump whose end is not known yet.
class Jump {
 public:
  explicit Jump(BpfProgram& program) : program_(program), at_(program.size()) {
    program.push_back(jump_ahead(0));
  }
  void lands_here() { program_[at_].k = static_cast<std::uint32_t>(program_.size() - at_ - 1); }

 private:
  BpfProgram& program_;
  std::size_t at_;
};

/// Appends a look-up of A in the sorted `keys`: a hit accepts the frame, a miss goes on behind the
/// look-up. A binary tree down to leaves of at most `leaf` keys, which are compared one after the
/// other: the leaf size trades speed for length, because a hop over a subtree and the end of a leaf
/// each cost two instructions.
void append_tree(BpfProgram& program, std::span<const std::uint32_t> keys, std::size_t leaf,
                 std::uint32_t octets, std::vector<Jump>& misses) {
  if (keys.size() > leaf) {
    const std::size_t middle = keys.size() / 2;
    program.push_back(sock_filter{BPF_JMP | BPF_JGE | BPF_K, 0, 1, keys[middle]});
    Jump hop(program);
    append_tree(program, keys.first(middle), leaf, octets, misses);
    hop.lands_here();
    append_tree(program, keys.subspan(middle), leaf, octets, misses);
    return;
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    // Over the remaining comparisons and the jump of the miss, to the accept.
    const auto to_accept = static_cast<std::uint8_t>(keys.size() - i);
    program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, to_accept, 0, keys[i]});
  }
  misses.emplace_back(program);
  program.push_back(give(octets));
}

void append_lookup(BpfProgram& program, std::uint32_t offset, const Keys& keys, std::size_t leaf,
                   std::uint32_t octets) {
  if (keys.empty()) return;
  std::vector<Jump> misses;
  program.push_back(load_word(offset));
  append_tree(program, keys, leaf, octets, misses);
  for (Jump& miss : misses) miss.lands_here();
}

/// A shared VIP by its key: the IPv4 address or the last 32 bits of the IPv6 one.
struct SharedKey {
  std::uint32_t key;
  std::uint32_t members;
  std::uint32_t mastered;
};

/// Takes away what a filter must not decide: keys that stand for several VIPs (`is_ambiguous`)
/// or were given twice, and group sizes that a word of bits does not hold. Of the rest the first
/// kMaxSharedVips in the order of their keys.
template <typename Ambiguous>
std::vector<SharedKey> decidable(std::vector<SharedKey> all, Ambiguous is_ambiguous) {
  const auto by_key = [](const SharedKey& a, const SharedKey& b) { return a.key < b.key; };
  std::sort(all.begin(), all.end(), by_key);
  std::vector<SharedKey> out;
  for (auto at = all.begin(); at != all.end();) {
    const auto end = std::upper_bound(at, all.end(), *at, by_key);
    const bool fits = at->members >= 1 && at->members <= 32;
    if (end - at == 1 && fits && !is_ambiguous(at->key)) out.push_back(*at);
    at = end;
  }
  if (out.size() > kMaxSharedVips) out.resize(kMaxSharedVips);
  return out;
}

/// With the target's key in A: for a key of `shared` the frame is taken or dropped here, for any
/// other the program goes on. `load_source` appends what leaves the number of the asking host in A.
template <typename LoadSource>
void append_shares(BpfProgram& program, std::vector<SharedKey> shared, std::uint32_t octets,
                   LoadSource load_source) {
  // VIPs of one group of vhids have the same answer, worked out once behind their comparisons.
  const auto answer = [](const SharedKey& s) { return std::tuple{s.members, s.mastered}; };
  std::sort(shared.begin(), shared.end(),
            [&answer](const SharedKey& a, const SharedKey& b) { return answer(a) < answer(b); });
  for (auto at = shared.begin(); at != shared.end();) {
    const auto end = std::find_if(at, shared.end(), [&answer, at](const SharedKey& other) {
      return answer(other) != answer(*at);
    });
    for (auto key = at; key != end; ++key) {
      // Over the remaining comparisons and the jump that follows them; kMaxSharedVips at most.
      const auto to_answer = static_cast<std::uint8_t>(end - key);
      program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, to_answer, 0, key->key});
    }
    Jump others(program);
    load_source(program);
    program.push_back(statement(BPF_ALU | BPF_MOD | BPF_K, at->members));
    program.push_back(statement(BPF_MISC | BPF_TAX, 0));
    program.push_back(statement(BPF_LD | BPF_IMM, 1));
    program.push_back(statement(BPF_ALU | BPF_LSH | BPF_X, 0));
    program.push_back(sock_filter{BPF_JMP | BPF_JSET | BPF_K, 1, 0, at->mastered});
    program.push_back(give(0));
    program.push_back(give(octets));
    others.lands_here();
    at = end;
  }
}

/// Goes on if A == k, else jumps; the caller says where to.
Jump jump_unless(BpfProgram& program, std::uint32_t k) {
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, k});
  return Jump(program);
}

Jump jump_if(BpfProgram& program, std::uint32_t k) {
  program.push_back(sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, k});
  return Jump(program);
}

Keys sorted(Keys keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::uint32_t last_word(const wire::Ipv6Address& address) {
  return wire::Ipv4Address{
      {address.octets[12], address.octets[13], address.octets[14], address.octets[15]}}
      .number();
}

/// What a program is made of, whichever the protocol.
struct Plan {
  Keys vips;
  Keys own;
  std::vector<SharedKey> shared;
};

void append_arp(BpfProgram& program, const Plan& plan, std::size_t leaf) {
  // Who has a VIP as its own address may be in conflict with us, whatever it asks for.
  append_lookup(program, kArpSenderIp, plan.vips, leaf, kArpSnapLength);
  if (!plan.shared.empty()) {
    program.push_back(load_word(kArpLengthsAndOperation));
    Jump reply = jump_unless(program, kArpRequest);
    program.push_back(load_word(kArpTargetMac));
    Jump names_vhid = jump_if(program, kVirtualMacStart);
    program.push_back(load_word(kArpTargetIp));
    append_shares(program, plan.shared, kArpSnapLength,
                  [](BpfProgram& p) { p.push_back(load_word(kArpSenderIp)); });
    reply.lands_here();
    names_vhid.lands_here();
  }
  append_lookup(program, kArpTargetIp, plan.vips, leaf, kArpSnapLength);
  if (!plan.own.empty()) {
    program.push_back(load_word(kArpLengthsAndOperation));
    require_equal(program, kArpReply);
    append_lookup(program, kArpTargetIp, plan.own, leaf, kArpSnapLength);
  }
  program.push_back(give(0));
}

/// The four words of the IPv6 source, XORed.
void load_mixed_source(BpfProgram& program) {
  program.push_back(load_word(kIpv6Source));
  for (std::uint32_t at = kIpv6Source + 4; at < kIpv6Source + 16; at += 4) {
    program.push_back(statement(BPF_MISC | BPF_TAX, 0));
    program.push_back(load_word(at));
    program.push_back(statement(BPF_ALU | BPF_XOR | BPF_X, 0));
  }
}

void append_neighbour(BpfProgram& program, const Plan& plan, std::size_t leaf) {
  if (!plan.shared.empty()) {
    program.push_back(load_half(kIcmpv6TypeAndCode));
    Jump advertisement = jump_unless(program, kSolicitation);
    program.push_back(load_word(kEthernetDestination));
    Jump names_vhid = jump_if(program, kVirtualMacStart);
    program.push_back(load_word(kNeighbourTargetEnd));
    append_shares(program, plan.shared, kNeighbourSnapLength, load_mixed_source);
    advertisement.lands_here();
    names_vhid.lands_here();
  }
  append_lookup(program, kNeighbourTargetEnd, plan.vips, leaf, kNeighbourSnapLength);
  if (!plan.own.empty()) {
    program.push_back(load_half(kIcmpv6TypeAndCode));
    require_equal(program, kAdvertisement);
    append_lookup(program, kIpv6DestinationEnd, plan.own, leaf, kNeighbourSnapLength);
  }
  program.push_back(give(0));
}

/// Empty: it does not fit.
BpfProgram shortest_that_fits(const Plan& plan, ArpDelivery delivery,
                              void (*begin)(BpfProgram&, ArpDelivery),
                              void (*append)(BpfProgram&, const Plan&, std::size_t)) {
  for (const std::size_t leaf : kLeaves) {
    BpfProgram program;
    begin(program, delivery);
    append(program, plan, leaf);
    if (program.size() <= kMaxBpfInstructions) return program;
  }
  return {};
}

}  // namespace

BpfProgram build_arp_filter(const ArpInterest& interest, ArpDelivery delivery) {
  Plan plan;
  for (const wire::Ipv4Address& vip : interest.vips) plan.vips.push_back(vip.number());
  std::vector<SharedKey> shared;
  for (const SharedVip4& vip : interest.shared) {
    plan.vips.push_back(vip.address.number());
    shared.push_back({vip.address.number(), vip.members, vip.mastered});
  }
  for (const wire::Ipv4Address& own : interest.own) plan.own.push_back(own.number());
  plan.vips = sorted(std::move(plan.vips));
  plan.own = sorted(std::move(plan.own));
  if (plan.vips.empty() && plan.own.empty()) return build_drop_all_filter();
  if (plan.vips.size() > kMaxArpVips) return build_any_arp_filter(delivery);
  // What was sent to a virtual MAC names its vhid.
  if (delivery == ArpDelivery::kAny) {
    plan.shared = decidable(std::move(shared), [](std::uint32_t) { return false; });
  }
  BpfProgram program = shortest_that_fits(plan, delivery, begin_arp, append_arp);
  return program.empty() ? build_any_arp_filter(delivery) : program;
}

BpfProgram build_any_arp_filter(ArpDelivery delivery) {
  BpfProgram program;
  begin_arp(program, delivery);
  program.push_back(give(kArpSnapLength));
  return program;
}

BpfProgram build_neighbour_filter(const NeighbourInterest& interest, ArpDelivery delivery) {
  Plan plan;
  std::vector<wire::Ipv6Address> vips = interest.vips;
  std::vector<SharedKey> shared;
  for (const SharedVip6& vip : interest.shared) {
    vips.push_back(vip.address);
    shared.push_back({last_word(vip.address), vip.members, vip.mastered});
  }
  std::sort(vips.begin(), vips.end());
  vips.erase(std::unique(vips.begin(), vips.end()), vips.end());
  for (const wire::Ipv6Address& vip : vips) plan.vips.push_back(last_word(vip));
  std::sort(plan.vips.begin(), plan.vips.end());
  for (const wire::Ipv6Address& own : interest.own) plan.own.push_back(last_word(own));
  plan.own = sorted(std::move(plan.own));
  if (plan.vips.empty() && plan.own.empty()) return build_drop_all_filter();
  if (delivery == ArpDelivery::kAny) {
    plan.shared = decidable(std::move(shared), [&plan](std::uint32_t key) {
      const auto [first, last] = std::equal_range(plan.vips.begin(), plan.vips.end(), key);
      return last - first > 1;
    });
  }
  plan.vips = sorted(std::move(plan.vips));
  BpfProgram program = shortest_that_fits(plan, delivery, begin_neighbour, append_neighbour);
  return program.empty() ? build_any_neighbour_filter(delivery) : program;
}

BpfProgram build_any_neighbour_filter(ArpDelivery delivery) {
  BpfProgram program;
  begin_neighbour(program, delivery);
  program.push_back(give(kNeighbourSnapLength));
  return program;
}

}  // namespace carp::sys

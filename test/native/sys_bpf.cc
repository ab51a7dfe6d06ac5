// The BPF programs, run by the kernel: see bpf_filtered.h. Random frames are in
// sys_bpf_neighbour.cc.

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "bpf_filtered.h"
#include "check.h"
#include "sys/bpf.h"

namespace {

using carp::sys::ArpDelivery;
using carp::sys::ArpInterest;
using carp::sys::BpfProgram;
using carp::test::Filtered;
using carp::test::Frame;
using carp::wire::Ipv4Address;

Frame ethernet(std::uint16_t type, std::size_t length) {
  Frame frame(length, 0);
  frame[12] = static_cast<std::uint8_t>(type >> 8);
  frame[13] = static_cast<std::uint8_t>(type);
  return frame;
}

Frame advert_v4(std::uint8_t protocol = 112, std::size_t length = 70) {
  Frame frame = ethernet(0x0800, length);
  frame[14] = 0x45;
  frame[23] = protocol;
  return frame;
}

Frame advert_v6(std::uint8_t next_header = 112) {
  Frame frame = ethernet(0x86dd, 90);
  frame[14] = 0x60;
  frame[20] = next_header;
  return frame;
}

Ipv4Address address(std::uint32_t number) {
  return {{static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
           static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

Frame arp(Ipv4Address sender, Ipv4Address target, std::uint8_t operation = 1) {
  Frame frame = ethernet(0x0806, 60);
  const std::uint8_t head[] = {0, 1, 8, 0, 6, 4, 0, operation};
  std::copy(std::begin(head), std::end(head), frame.begin() + 14);
  std::copy(sender.octets.begin(), sender.octets.end(), frame.begin() + 28);
  std::copy(target.octets.begin(), target.octets.end(), frame.begin() + 38);
  return frame;
}

constexpr Ipv4Address kClient{{10, 0, 0, 9}};

ArpInterest interest(const std::vector<Ipv4Address>& vips) {
  return {.vips = vips, .shared = {}, .own = {}};
}

}  // namespace

TEST(bpf_advert_v4_passes_protocol_112_only) {
  Filtered filter{carp::sys::build_advert_filter_v4()};
  REQUIRE(filter.attached());
  CHECK_EQ(filter.pass(advert_v4()), 70L);
  for (int protocol = 0; protocol < 256; ++protocol) {
    if (protocol == 112) continue;
    CHECK_EQ(filter.pass(advert_v4(static_cast<std::uint8_t>(protocol))), -1L);
  }
  CHECK_EQ(filter.pass(advert_v6()), -1L);
  CHECK_EQ(filter.pass(arp(kClient, kClient)), -1L);
}

TEST(bpf_advert_v4_keeps_what_the_core_counts) {
  Filtered filter{carp::sys::build_advert_filter_v4()};
  REQUIRE(filter.attached());
  Frame bad = advert_v4();
  bad[22] = 3;     // TTL
  bad[14] = 0x4f;  // options
  bad[34] = 0x77;  // CARP version
  CHECK_EQ(filter.pass(bad), 70L);
}

TEST(bpf_advert_v4_cuts_and_drops) {
  Filtered filter{carp::sys::build_advert_filter_v4()};
  REQUIRE(filter.attached());
  CHECK_EQ(filter.pass(advert_v4(112, 1500)), 256L);
  Frame fragment = advert_v4();
  fragment[21] = 1;
  CHECK_EQ(filter.pass(fragment), -1L);
  Frame first_fragment = advert_v4();
  first_fragment[20] = 0x20;
  CHECK_EQ(filter.pass(first_fragment), 70L);
  // Too short to hold what the program reads: the kernel drops it.
  for (std::size_t length = 14; length < 24; ++length) {
    Frame cut = advert_v4();
    cut.resize(length);
    CHECK_EQ(filter.pass(cut), -1L);
  }
}

TEST(bpf_advert_v6_passes_next_header_112_only) {
  Filtered filter{carp::sys::build_advert_filter_v6()};
  REQUIRE(filter.attached());
  CHECK_EQ(filter.pass(advert_v6()), 90L);
  CHECK_EQ(filter.pass(advert_v6(58)), -1L);
  CHECK_EQ(filter.pass(advert_v6(0)), -1L);
  CHECK_EQ(filter.pass(advert_v4()), -1L);
}

TEST(bpf_arp_empty_list_drops_all) {
  Filtered filter{carp::sys::build_arp_filter(ArpInterest{})};
  REQUIRE(filter.attached());
  CHECK_EQ(filter.pass(arp(kClient, address(0))), -1L);
  CHECK_EQ(filter.pass(arp(address(0), address(0))), -1L);
}

TEST(bpf_arp_checks_the_header) {
  const std::vector<Ipv4Address> vips{Ipv4Address{{10, 0, 0, 1}}};
  Filtered filter{carp::sys::build_arp_filter(interest(vips))};
  REQUIRE(filter.attached());
  CHECK_EQ(filter.pass(arp(kClient, vips[0])), 60L);
  CHECK_EQ(filter.pass(arp(kClient, vips[0], 2)), 60L);
  CHECK_EQ(filter.pass(arp(vips[0], kClient)), 60L);
  CHECK_EQ(filter.pass(arp(kClient, kClient)), -1L);
  for (const int operation : {0, 3, 4, 8, 9, 255}) {
    CHECK_EQ(filter.pass(arp(kClient, vips[0], static_cast<std::uint8_t>(operation))), -1L);
  }
  for (const std::size_t at : {14u, 15u, 16u, 17u, 18u, 19u, 20u, 12u, 13u}) {
    Frame wrong = arp(kClient, vips[0]);
    wrong[at] ^= 0x40;
    CHECK_EQ(filter.pass(wrong), -1L);
  }
  Frame cut = arp(kClient, kClient);
  cut.resize(41);
  CHECK_EQ(filter.pass(cut), -1L);
}

TEST(bpf_arp_matches_exactly_at_every_size) {
  for (const std::size_t count : {1u, 2u, 8u, 9u, 31u, 33u, 250u, 251u, 700u, 1000u}) {
    std::vector<Ipv4Address> vips;
    // Every third address, around the sign bit, in falling order and with a duplicate.
    const std::uint32_t base = 0x7fff'ff00;
    for (std::size_t i = count; i-- > 0;)
      vips.push_back(address(base + static_cast<std::uint32_t>(i) * 3));
    vips.push_back(vips.front());
    const BpfProgram program = carp::sys::build_arp_filter(interest(vips));
    CHECK(program.size() <= carp::sys::kMaxBpfInstructions);
    Filtered filter{program};
    // Old kernels allow less memory for a filter (net.core.optmem_max).
    if (!filter.attached() && filter.error() == ENOMEM && count > 500) continue;
    REQUIRE(filter.attached());
    int wrong = 0;
    for (std::uint32_t i = 0; i < count * 3 + 6; ++i) {
      const std::uint32_t number = base - 3 + i;
      const bool listed = i >= 3 && (i - 3) % 3 == 0 && (i - 3) / 3 < count;
      if ((filter.pass(arp(kClient, address(number))) > 0) != listed) ++wrong;
      if ((filter.pass(arp(address(number), kClient, 2)) > 0) != listed) ++wrong;
    }
    CHECK_EQ(wrong, 0);
  }
}

TEST(bpf_arp_at_the_limit_and_beyond) {
  std::vector<Ipv4Address> vips;
  for (std::uint32_t i = 0; i < carp::sys::kMaxArpVips; ++i)
    vips.push_back(address(0x0a00'0000 + i * 7919));
  const BpfProgram full = carp::sys::build_arp_filter(interest(vips));
  CHECK(full.size() <= carp::sys::kMaxBpfInstructions);
  CHECK(full.size() > 4000);  // not the fallback
  Filtered filter{full};
  if (filter.attached()) {
    CHECK_EQ(filter.pass(arp(kClient, vips[1234])), 60L);
    CHECK_EQ(filter.pass(arp(vips[1999], kClient)), 60L);
    CHECK_EQ(filter.pass(arp(kClient, address(0x0a00'0001))), -1L);
  } else {
    CHECK_EQ(filter.error(), ENOMEM);
  }
  vips.push_back(address(1));
  Filtered any{carp::sys::build_arp_filter(interest(vips))};
  REQUIRE(any.attached());
  CHECK_EQ(any.pass(arp(kClient, address(0x0a00'0001))), 60L);
  CHECK_EQ(any.pass(arp(kClient, kClient, 3)), -1L);
}

TEST(bpf_capture_passes_the_protocols_of_interest) {
  Filtered filter{carp::sys::build_capture_filter()};
  REQUIRE(filter.attached());
  CHECK(filter.pass(advert_v4()) > 0);
  CHECK(filter.pass(advert_v4(1)) > 0);
  CHECK(filter.pass(advert_v4(2)) > 0);
  CHECK_EQ(filter.pass(advert_v4(6)), -1L);
  CHECK(filter.pass(advert_v6()) > 0);
  CHECK(filter.pass(advert_v6(58)) > 0);
  CHECK_EQ(filter.pass(advert_v6(17)), -1L);
  CHECK_EQ(filter.pass(advert_v6(0)), -1L);
  Frame mld = advert_v6(0);
  mld[54] = 58;
  CHECK(filter.pass(mld) > 0);
  CHECK(filter.pass(arp(kClient, kClient)) > 0);
  CHECK_EQ(filter.pass(ethernet(0x88cc, 60)), -1L);
}

TEST(bpf_drop_all) {
  Filtered filter{carp::sys::build_drop_all_filter()};
  REQUIRE(filter.attached());
  CHECK_EQ(filter.pass(advert_v4()), -1L);
}

// The digest: the vectors V1 to V14 of the specification (section 2.6) and what they imply.
//
// V15 is not here: an administrator-set lladdr (OpenBSD) is not built.
#include <algorithm>

#include "check.h"
#include "wire_support.h"

namespace carp::test {
namespace {

using wire::Authenticator;
using Form = Authenticator::Form;

struct Vector {
  const char* name;
  const char* password;
  std::uint8_t vhid;
  std::vector<std::string> addresses;
  std::uint64_t counter;
  Form form;
  const char* digest;
};

const std::vector<std::string> kMixed{"2001:db8::1", "192.0.2.1", "fe80::1", "2001:db8::a",
                                      "192.0.2.129"};
const std::vector<std::string> kUnsorted{"10.0.0.10", "192.168.1.50", "10.0.0.9", "9.255.255.255"};

const std::vector<Vector>& vectors() {
  static const std::vector<Vector> all{
      {"V1",
       "mekmitasdigoat",
       1,
       {"192.168.1.1"},
       0,
       Form::kAll,
       "9bef078bfb9f4762e9b7c70774a56b6a4ad4efbc"},
      {"V2",
       "mekmitasdigoat",
       1,
       {"192.168.1.1"},
       1,
       Form::kAll,
       "13a5ef538db8d66c3ba1c054805521829870622c"},
      {"V3",
       "testpass",
       1,
       {"192.168.1.50"},
       0x0123456789abcdef,
       Form::kAll,
       "8a28722b250012cc264dc3ff6044f75668e5d29d"},
      {"V4", "", 1, {"192.0.2.1"}, 0, Form::kAll, "bbe88f01caf95b48d25fe8f2a7166f4d7a474ff0"},
      {"V5",
       "mekmitasdigoat",
       2,
       {"192.168.2.1"},
       0xffffffffffffffff,
       Form::kAll,
       "bef42e219a5ed41edfb7ad71cad8d5b74fb7641a"},
      {"V6",
       "foobar",
       1,
       {"192.0.2.254"},
       0x00000000ffffffff,
       Form::kAll,
       "25400b0ce2d7ee921ace42b851a391f0c55001fc"},
      {"V7",
       "s3cret",
       175,
       {"10.1.1.100"},
       0x0000000100000000,
       Form::kAll,
       "5d19a8183eea18956704b2e3b5773560bdfd9a50"},
      {"V8",
       "s3cret",
       175,
       {"fd00:1::100"},
       0x1122334455667788,
       Form::kAll,
       "915a47302f4249fd34a97469c65f08b240323db2"},
      {"V9", "testpass", 7, kUnsorted, 0x2a, Form::kAll,
       "b684b3b641d280d8c5f9788c2aac1e26f2d4af1b"},
      {"V11", "testpass", 9, kMixed, 0x2a, Form::kAll, "d6beb45d391045fe2c4c42341a5f920ac90567f7"},
      {"V12", "testpass", 9, kMixed, 0x2a, Form::kWithoutLinkLocal,
       "be85302215bc6625d2e733389b5f16d4751ca040"},
      {"V13",
       "12345678901234567890",
       255,
       {"203.0.113.7"},
       7,
       Form::kAll,
       "8467706d4349c55fb58e04e8c08308d47506b045"},
      {"V14",
       "1234567890123456789",
       255,
       {"203.0.113.7"},
       7,
       Form::kAll,
       "1b9a3dacf98841486d7452ea1e70c932ee0f8eb8"},
  };
  return all;
}

TEST(wire_digest_vectors_of_the_specification) {
  for (const Vector& v : vectors()) {
    const Authenticator with = authenticator(v.password, v.vhid, v.addresses, v.form);
    CHECK_EQ(std::string(v.name) + " " + hex(with.sign(v.counter)),
             std::string(v.name) + " " + v.digest);
    // Whatever is sent, both forms are accepted.
    const Authenticator other =
        authenticator(v.password, v.vhid, v.addresses,
                      v.form == Form::kAll ? Form::kWithoutLinkLocal : Form::kAll);
    CHECK(other.verify(v.counter, with.sign(v.counter)));
  }
}

TEST(wire_digest_v10_unsorted_addresses_are_refused) {
  wire::Digest digest{};
  const Octets v10 = octets("3bbf148e5c90613f5183723f724ffea8f7e50e03");
  std::copy(v10.begin(), v10.end(), digest.begin());
  const Authenticator ours = authenticator("testpass", 7, kUnsorted);
  CHECK(!ours.verify(0x2a, digest));
  CHECK(ours.sign(0x2a) != digest);
}

TEST(wire_digest_order_and_duplicates_do_not_matter) {
  std::vector<std::string> addresses = kMixed;
  std::sort(addresses.begin(), addresses.end());
  const wire::Digest expected = authenticator("testpass", 9, kMixed).sign(42);
  do {
    std::vector<std::string> twice = addresses;
    twice.push_back(addresses.front());
    CHECK_EQ(hex(authenticator("testpass", 9, addresses).sign(42)), hex(expected));
    CHECK_EQ(hex(authenticator("testpass", 9, twice).sign(42)), hex(expected));
  } while (std::next_permutation(addresses.begin(), addresses.end()));
}

TEST(wire_digest_every_input_matters) {
  const wire::Digest reference = authenticator("testpass", 9, {"192.0.2.1"}).sign(42);
  CHECK(authenticator("testpasS", 9, {"192.0.2.1"}).sign(42) != reference);
  CHECK(authenticator("testpass", 8, {"192.0.2.1"}).sign(42) != reference);
  CHECK(authenticator("testpass", 9, {"192.0.2.2"}).sign(42) != reference);
  CHECK(authenticator("testpass", 9, {"192.0.2.1", "192.0.2.2"}).sign(42) != reference);
  CHECK(authenticator("testpass", 9, {}).sign(42) != reference);
  for (int bit = 0; bit < 64; ++bit) {
    CHECK(authenticator("testpass", 9, {"192.0.2.1"}).sign(42 ^ (1ULL << bit)) != reference);
  }
}

TEST(wire_digest_every_flipped_bit_is_refused) {
  for (const Vector& v : vectors()) {
    const Authenticator ours = authenticator(v.password, v.vhid, v.addresses, v.form);
    const wire::Digest good = ours.sign(v.counter);
    CHECK(ours.verify(v.counter, good));
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      wire::Digest bad = good;
      bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ (1U << (bit % 8)));
      CHECK(!ours.verify(v.counter, bad));
    }
  }
}

TEST(wire_digest_can_be_configured_again) {
  Authenticator ours = authenticator("testpass", 9, kMixed);
  ours.configure(key("mekmitasdigoat"), 1, vips({"192.168.1.1"}), Form::kAll);
  CHECK_EQ(hex(ours.sign(0)), "9bef078bfb9f4762e9b7c70774a56b6a4ad4efbc");
  const Authenticator copy = ours;
  CHECK_EQ(hex(copy.sign(1)), "13a5ef538db8d66c3ba1c054805521829870622c");
}

TEST(wire_digest_password_shorter_than_the_field_is_zero_filled) {
  // A key that ends in zero octets is the same key: HMAC pads with zeros too.
  const std::string_view padded("love\0\0", 6);
  CHECK_EQ(hex(authenticator(padded, 1, {"10.1.1.252"}).sign(1)),
           hex(authenticator("love", 1, {"10.1.1.252"}).sign(1)));
}

TEST(wire_digest_scoped_addresses_lose_their_zone) {
  const auto plain = authenticator("x", 1, {"fe80::1", "192.0.2.1"});
  const auto zoned = authenticator("x", 1, {"fe80:7::1", "192.0.2.1"});
  CHECK_EQ(hex(plain.sign(1)), hex(zoned.sign(1)));
  const auto hashed = wire::hashed_addresses(vips({"fe80:7::1", "ff02:7::2", "2001:7::1"}), true);
  REQUIRE(hashed.size() == 3);
  CHECK(hashed[0] == address("2001:7::1"));
  CHECK(hashed[1] == address("fe80::1"));
  CHECK(hashed[2] == address("ff02::2"));
  const auto without = wire::hashed_addresses(vips({"fe80:7::1", "ff02:7::2", "2001:7::1"}), false);
  REQUIRE(without.size() == 1);
  CHECK(without[0] == address("2001:7::1"));
}

TEST(wire_digest_extreme_addresses_are_never_hashed) {
  const auto hashed = wire::hashed_addresses(
      vips({"255.255.255.255", "0.0.0.0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "192.0.2.1", "0.0.0.1", "255.255.255.254"}),
      true);
  REQUIRE(hashed.size() == 3);
  CHECK(hashed[0] == address("0.0.0.1"));
  CHECK(hashed[1] == address("192.0.2.1"));
  CHECK(hashed[2] == address("255.255.255.254"));
}

TEST(wire_digest_ipv4_before_ipv6_by_value) {
  const auto hashed = wire::hashed_addresses(
      vips({"::2", "10.0.0.10", "9.255.255.255", "::1", "10.0.0.9", "10.0.0.10"}), true);
  REQUIRE(hashed.size() == 5);
  CHECK(hashed[0] == address("9.255.255.255"));
  CHECK(hashed[1] == address("10.0.0.9"));
  CHECK(hashed[2] == address("10.0.0.10"));
  CHECK(hashed[3] == address("::1"));
  CHECK(hashed[4] == address("::2"));
}

}  // namespace
}  // namespace carp::test

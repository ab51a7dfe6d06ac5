// Which vhid answers: the tables that real BSDs gave, and the captures they come from, request by
// request.
#include <map>
#include <string>
#include <vector>

#include "check.h"
#include "wire/balance.h"
#include "wire/neighbour.h"
#include "wire_pcap.h"
#include "wire_support.h"

namespace carp::test {
namespace {

using wire::KeyedHash;
using Order = std::vector<int>;  // the vhid of each index

wire::MacAddress mac(const std::string& text) {
  std::string digits;
  for (const char c : text) {
    if (c != ':') digits += c;
  }
  wire::MacAddress out;
  const Octets from = octets(digits);
  std::copy(from.begin(), from.end(), out.octets.begin());
  return out;
}

int pick(const Order& order, std::uint32_t index) { return order.at(index); }

int by_address(const Order& order, const wire::Ipv4Address& sender) {
  return pick(order, wire::balance_index(sender, static_cast<std::uint32_t>(order.size())));
}

int by_mac(const Order& order, const char* password, const wire::MacAddress& sender) {
  return pick(order,
              KeyedHash(key(password)).index(sender, static_cast<std::uint32_t>(order.size())));
}

struct Row {
  const char* sender;
  std::vector<int> answers;  // a vhid for each column
};

TEST(wire_balance_freebsd_table) {
  // The columns are the orders in which the vhids were attached: index 0 is the first.
  const std::vector<Order> columns{{1, 2}, {2, 1}, {1, 2, 3}, {3, 1, 2}};
  const std::vector<Row> rows{
      {"192.168.1.3", {2, 1, 2, 1}},   {"192.168.1.50", {1, 2, 1, 3}},
      {"192.168.1.99", {2, 1, 2, 1}},  {"192.168.1.100", {1, 2, 3, 2}},
      {"192.168.1.101", {2, 1, 1, 3}}, {"192.168.1.102", {1, 2, 2, 1}},
      {"192.168.1.103", {2, 1, 3, 2}}, {"192.168.1.104", {1, 2, 1, 3}},
      {"192.168.1.105", {2, 1, 2, 1}}, {"192.168.1.106", {1, 2, 3, 2}},
      {"192.168.1.107", {2, 1, 1, 3}}, {"192.168.1.108", {1, 2, 2, 1}},
      {"192.168.1.199", {2, 1, 3, 2}}, {"192.168.1.200", {1, 2, 1, 3}},
      {"192.168.1.201", {2, 1, 2, 1}}, {"192.168.1.254", {1, 2, 1, 3}},
      {"10.0.0.1", {2, 1, 3, 2}},      {"10.0.0.2", {1, 2, 1, 3}},
      {"172.16.5.7", {2, 1, 3, 2}},    {"0.0.0.0", {1, 2, 1, 3}},
  };
  CHECK_EQ(rows.size(), 20U);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      CHECK_EQ(by_address(columns[i], address(row.sender).v4()), row.answers.at(i));
    }
  }
}

struct KeyedColumn {
  Order order;
  const char* password;
};

void check_keyed(const std::vector<KeyedColumn>& columns, const std::vector<Row>& rows) {
  CHECK_EQ(rows.size(), 24U);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      CHECK_EQ(by_mac(columns[i].order, columns[i].password, mac(row.sender)), row.answers.at(i));
    }
  }
}

TEST(wire_balance_netbsd_table) {
  // Index 0 is the vhid whose address was configured last.
  check_keyed({{{2, 1}, "mekmitasdigoat"},
               {{1, 2}, "mekmitasdigoat"},
               {{3, 2, 1}, "mekmitasdigoat"},
               {{2, 1}, "another_password"},
               {{20, 10}, "x"}},
              {
                  {"02:00:00:00:00:01", {1, 2, 3, 2, 20}}, {"02:00:00:00:00:02", {2, 1, 3, 1, 20}},
                  {"02:00:00:00:00:03", {2, 1, 1, 2, 10}}, {"02:00:00:00:00:04", {2, 1, 3, 1, 10}},
                  {"02:00:00:00:00:05", {1, 2, 1, 1, 20}}, {"02:00:00:00:00:06", {2, 1, 3, 2, 10}},
                  {"02:00:00:00:00:07", {2, 1, 1, 1, 20}}, {"02:00:00:00:00:08", {2, 1, 3, 1, 10}},
                  {"02:00:00:00:00:09", {1, 2, 2, 2, 20}}, {"02:00:00:00:00:0a", {2, 1, 2, 1, 20}},
                  {"02:00:00:00:00:0b", {2, 1, 3, 1, 10}}, {"02:00:00:00:00:0c", {1, 2, 1, 1, 20}},
                  {"02:00:00:00:00:0d", {2, 1, 2, 2, 10}}, {"02:00:00:00:00:0e", {2, 1, 2, 2, 10}},
                  {"02:00:00:00:00:0f", {1, 2, 2, 2, 20}}, {"02:00:00:00:00:10", {2, 1, 2, 1, 20}},
                  {"52:54:00:12:34:56", {2, 1, 1, 2, 10}}, {"b8:27:eb:01:02:03", {1, 2, 2, 2, 10}},
                  {"00:0c:29:aa:bb:cc", {2, 1, 2, 1, 10}}, {"fe:dc:ba:98:76:54", {2, 1, 3, 1, 20}},
                  {"3c:22:fb:10:20:30", {2, 1, 1, 2, 10}}, {"00:1b:21:de:ad:01", {1, 2, 1, 2, 10}},
                  {"a0:36:9f:00:11:22", {2, 1, 3, 1, 20}}, {"08:00:27:7f:80:ff", {1, 2, 3, 1, 10}},
              });
}

TEST(wire_balance_openbsd_table) {
  // Index 0 is the lowest vhid.
  check_keyed({{{1, 2}, "mekmitasdigoat"}, {{1, 2, 3}, "mekmitasdigoat"}, {{10, 20}, "x"}},
              {
                  {"02:00:00:00:00:01", {2, 1, 10}}, {"02:00:00:00:00:02", {1, 1, 10}},
                  {"02:00:00:00:00:03", {1, 3, 20}}, {"02:00:00:00:00:04", {1, 1, 20}},
                  {"02:00:00:00:00:05", {2, 3, 10}}, {"02:00:00:00:00:06", {1, 1, 20}},
                  {"02:00:00:00:00:07", {1, 3, 10}}, {"02:00:00:00:00:08", {1, 1, 20}},
                  {"02:00:00:00:00:09", {2, 2, 10}}, {"02:00:00:00:00:0a", {1, 2, 10}},
                  {"02:00:00:00:00:0b", {1, 1, 20}}, {"02:00:00:00:00:0c", {2, 3, 10}},
                  {"02:00:00:00:00:0d", {1, 2, 20}}, {"02:00:00:00:00:0e", {1, 2, 20}},
                  {"02:00:00:00:00:0f", {2, 2, 10}}, {"02:00:00:00:00:10", {1, 2, 10}},
                  {"52:54:00:12:34:56", {1, 3, 20}}, {"b8:27:eb:01:02:03", {2, 2, 20}},
                  {"00:0c:29:aa:bb:cc", {1, 2, 20}}, {"fe:dc:ba:98:76:54", {1, 1, 10}},
                  {"3c:22:fb:10:20:30", {1, 3, 20}}, {"00:1b:21:de:ad:01", {2, 3, 20}},
                  {"a0:36:9f:00:11:22", {1, 1, 10}}, {"08:00:27:7f:80:ff", {2, 1, 20}},
              });
}

TEST(wire_balance_keyed_hash_values) {
  const KeyedHash hash(key("mekmitasdigoat"));
  CHECK_EQ(hash.hash(mac("00:11:22:33:44:55")), 0x90793861U);
  CHECK_EQ(hash.hash(mac("02:00:00:00:00:01")), 0x93dbe511U);
  CHECK_EQ(hash.hash(mac("02:00:00:00:00:02")), 0x18b67ddaU);
  CHECK_EQ(hash.hash(mac("52:54:00:12:34:56")), 0xbe850b4cU);
  CHECK_EQ(hash.index(mac("02:00:00:00:00:01"), 3), 0x93dbe511U % 3);
  CHECK(KeyedHash(key("x")).hash(mac("52:54:00:12:34:56")) != 0xbe850b4cU);
}

TEST(wire_balance_ipv6_index) {
  const auto index = [](const char* text, std::uint32_t n) {
    return wire::balance_index(address(text).v6(), n);
  };
  CHECK_EQ(index("::", 32), 0U);
  CHECK_EQ(index("::5", 7), 5U);
  CHECK_EQ(index("::1:0:0", 32), 1U);  // one bit in the third word
  CHECK_EQ(index("1:2:3:4:5:6:7:8", 1'000'000'007),
           (0x00010002U ^ 0x00030004U ^ 0x00050006U ^ 0x00070008U) % 1'000'000'007);
  CHECK_EQ(index("ffff:fffe::", 32), 30U);
  CHECK_EQ(index("2001:db8::64", 3), (0x20010db8U ^ 0x64U) % 3);
  CHECK_EQ(wire::balance_index(address("0.0.0.0").v4(), 32), 0U);
  CHECK_EQ(wire::balance_index(address("255.255.255.255").v4(), 32), 31U);
}

// A part of a capture in which one configuration was asked, from its first to its last request.
struct Part {
  const char* file;
  std::size_t first;  // frames from 1, as tshark counts
  std::size_t last;
  Order order;
  const char* password;  // null: by address
  int answers;
};

// Counts the requests of `part` that were answered, and holds each answer against our rule.
int replay(const Part& part) {
  const std::vector<Octets> frames = read_pcap(std::string("test/vectors/") + part.file);
  int answered = 0;
  // Requests without an answer yet: who asked, with which address.
  std::map<std::pair<wire::MacAddress, wire::Ipv4Address>, wire::Arp> asked;
  for (std::size_t i = part.first; i <= frames.size(); ++i) {
    const auto arp = wire::parse_arp(frames[i - 1]);
    if (!arp.has_value()) continue;
    if (arp->operation == wire::ArpOperation::kRequest) {
      if (i <= part.last && !arp->is_gratuitous()) asked[{arp->sender_mac, arp->sender}] = *arp;
      continue;
    }
    const auto question = asked.find({arp->target_mac, arp->target});
    if (question == asked.end()) continue;
    const wire::Arp& request = question->second;
    CHECK(arp->sender == request.target);
    const int wanted = part.password == nullptr
                           ? by_address(part.order, request.sender)
                           : by_mac(part.order, part.password, request.sender_mac);
    CHECK_EQ(hex(arp->sender_mac.octets),
             hex(wire::virtual_mac(static_cast<std::uint8_t>(wanted)).octets));
    ++answered;
    asked.erase(question);
  }
  CHECK(asked.empty());
  return answered;
}

// Left out are the parts in which the BSD did not balance: arpbalance=0, and NetBSD with the shared
// address as the first one of the interface.
TEST(wire_balance_replays_the_captures) {
  const char* const freebsd = "bsd-freebsd9-02-arpbalance.pcap";
  const char* const freebsd_two = "bsd-freebsd9-03-arpbalance-two-hosts.pcap";
  const char* const netbsd = "bsd-netbsd-06-arpbalance.pcap";
  const char* const netbsd_two = "bsd-netbsd-07-arpbalance-two-hosts.pcap";
  const char* const openbsd = "bsd-openbsd-04-arp-balancing.pcap";
  const char* const usual = "mekmitasdigoat";
  const std::vector<Part> parts{
      {freebsd, 10, 80, {1, 2}, nullptr, 32},
      {freebsd, 119, 163, {2, 1}, nullptr, 20},
      {freebsd, 177, 224, {1, 2, 3}, nullptr, 20},
      {freebsd, 241, 285, {3, 1, 2}, nullptr, 20},
      {freebsd_two, 17, 59, {1, 2}, nullptr, 20},
      {freebsd_two, 69, 1000, {1, 2}, nullptr, 7},  // one host is MASTER of both
      {netbsd, 12, 110, {2, 1}, usual, 44},
      {netbsd, 127, 142, {1}, usual, 8},  // vhid 2 is down and does not count
      {netbsd, 157, 209, {1, 2}, usual, 24},
      {netbsd, 227, 282, {3, 2, 1}, usual, 24},
      {netbsd, 298, 351, {2, 1}, "another_password", 24},
      {netbsd, 365, 419, {20, 10}, "x", 24},
      {netbsd_two, 24, 77, {2, 1}, usual, 24},
      {netbsd_two, 88, 1000, {2, 1}, usual, 6},
      {openbsd, 5, 55, {1, 2}, usual, 24},
      {openbsd, 63, 115, {1, 2, 3}, usual, 24},
      {openbsd, 121, 171, {10, 20}, "x", 24},
      {openbsd, 179, 231, {1, 2}, usual, 24},
      {openbsd, 240, 1000, {1, 2}, usual, 8},
  };
  int answers = 0;
  for (const Part& part : parts) {
    const int failed = current().failures;
    const int count = replay(part);
    CHECK_EQ(count, part.answers);
    answers += count;
    if (current().failures > failed) {
      std::fprintf(stderr, "  in %s from frame %zu\n", part.file, part.first);
    }
  }
  CHECK_EQ(answers, 401);
}

}  // namespace
}  // namespace carp::test

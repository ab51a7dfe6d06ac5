// NetlinkClient: interfaces, addresses and neighbours changed by request and acknowledgement
// (rtnetlink). Engine thread and, with a client of its own, the link worker's; also used by the
// janitor and by tests. Each call blocks until the kernel has answered, at most kDeadline for each
// request that it takes.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sys/fd.h"
#include "sys/netlink_message.h"
#include "sys/status.h"
#include "wire/types.h"

namespace carp::sys {

struct MacvlanRequest {
  std::string_view name;  // 1 to 15 octets
  int parent_ifindex;
  wire::MacAddress mac;
  std::string_view ifalias;  // at most 255 octets
};

struct AddressRequest {
  int ifindex;
  wire::Prefix prefix;
  bool no_prefix_route = true;
  bool no_dad = true;  // IPv6 only
  /// IPv6 only: the kernel does not choose it as a source address while there is another one (RFC
  /// 4862 5.5.4).
  bool deprecated = false;
  std::uint8_t scope = 0;  // RT_SCOPE_*
};

class NetlinkClient {
 public:
  static constexpr std::chrono::seconds kDeadline{2};

  Status open();
  bool is_open() const { return fd_.valid(); }

  Status list_links(std::vector<LinkInfo>* out);
  Status list_addresses(std::vector<AddressInfo>* out);
  /// ENODEV if there is none.
  Status find_link(std::string_view name, LinkInfo* out);

  /// Creates and marks a macvlan in bridge mode, down, in one system call: being killed cannot
  /// leave one without its mark. It is without ARP and neighbour discovery (IFF_NOARP) from the
  /// start: the kernel answers no question for its addresses and joins no solicited-node group.
  Status create_macvlan(const MacvlanRequest& request, int* ifindex);
  Status set_link_up(int ifindex);
  Status set_link_down(int ifindex);
  Status delete_link(int ifindex);

  /// Makes a macvlan receive again and brings it up, in one request.
  Status open_macvlan(int ifindex);
  /// Makes macvlans deaf at once, though still up: in macvlan's "source" mode with an empty list of
  /// sources no frame reaches them, broadcast and multicast included. Waits for no grace period:
  /// microseconds each. ENODEV of a single one is not an error.
  Status silence_macvlans(std::span<const int> ifindexes);

  /// All of `ifindexes` at once: up or not, none of them answers after one RCU grace period. ENODEV
  /// of a single one is not an error.
  Status delete_links(std::span<const int> ifindexes);

  /// EEXIST if the interface has it already.
  Status add_address(const AddressRequest& request);
  /// EADDRNOTAVAIL if the interface does not have it.
  Status delete_address(int ifindex, const wire::Prefix& prefix);

  /// Deletes the IPv4 and IPv6 neighbour entries of an interface that wait for an answer or gave up
  /// (INCOMPLETE, FAILED), so that the kernel asks at once for the next packet instead of up to a
  /// second later. What has a hardware address stays, and so does what somebody has the kernel or a
  /// control plane manage. At most kForgetMost are deleted, those that are gone meanwhile included:
  /// `*removed` is their number. An interface that does not exist has none.
  static constexpr std::size_t kForgetMost = 4096;
  Status forget_unresolved_neighbours(int ifindex, std::size_t* removed);

 private:
  Status transact(const char* op, std::string_view target, NetlinkBuilder& request,
                  std::uint32_t messages = 1, int tolerated = 0);
  Status for_each_link(const char* op, std::span<const int> ifindexes,
                       void (*append)(NetlinkBuilder&, std::uint32_t sequence, int ifindex));
  Status set_link_flag(int ifindex, bool up);
  template <typename Entry, typename Fixed, typename Parse>
  Status dump(const char* op, std::uint16_t request_type, std::uint16_t reply_type,
              const Fixed& fixed, Parse parse, std::vector<Entry>* out);

  Fd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace carp::sys

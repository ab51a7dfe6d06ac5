// Building and parsing of rtnetlink messages: rtnetlink(7). Pure functions, any thread, safe on
// hostile input.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "wire/types.h"

namespace carp::sys {

/// One network interface.
struct LinkInfo {
  int ifindex = 0;
  std::string name;
  wire::MacAddress mac{};
  bool admin_up = false;
  /// Frames can pass: IFF_LOWER_UP and an operstate of "up" or "unknown" (drivers that do not
  /// report one).
  bool carrier = false;
  /// "macvlan", "veth", "bridge", ...; empty for hardware.
  std::string kind;
  /// IFLA_LINK: the lower device of a macvlan or VLAN, the peer of a veth; 0 if none.
  int parent_ifindex = 0;
  std::string ifalias;
  std::uint32_t mtu = 0;
};

/// One address of an interface.
struct AddressInfo {
  int ifindex = 0;
  wire::Prefix prefix{};
  /// IFA_F_* of <linux/if_addr.h>.
  std::uint32_t flags = 0;
  /// RT_SCOPE_* of <linux/rtnetlink.h>.
  std::uint8_t scope = 0;
};

/// One entry of the neighbour tables: an ARP or neighbour discovery cache entry.
struct NeighbourEntry {
  int ifindex = 0;
  wire::IpAddress address{};
  /// NUD_* of <linux/neighbour.h>.
  std::uint16_t state = 0;
  /// NTF_* of <linux/neighbour.h>.
  std::uint8_t flags = 0;
  /// NTF_EXT_*, since Linux 5.16; 0 before.
  std::uint32_t extended_flags = 0;
};

/// One message inside a received datagram. `body` is what follows nlmsghdr.
struct NetlinkMessage {
  std::uint16_t type;
  std::uint16_t flags;
  std::uint32_t sequence;
  std::uint32_t port;
  std::span<const std::uint8_t> body;
};

/// Walks the messages of a datagram; stops at the first one that does not fit.
class NetlinkReader {
 public:
  explicit NetlinkReader(std::span<const std::uint8_t> datagram) : rest_(datagram) {}
  std::optional<NetlinkMessage> next();

 private:
  std::span<const std::uint8_t> rest_;
};

struct NetlinkAttribute {
  std::uint16_t type;  // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
  std::span<const std::uint8_t> value;
};

/// Walks attributes; stops at the first one that does not fit.
class AttributeReader {
 public:
  explicit AttributeReader(std::span<const std::uint8_t> attributes) : rest_(attributes) {}
  std::optional<NetlinkAttribute> next();

 private:
  std::span<const std::uint8_t> rest_;
};

/// From the body of RTM_NEWLINK or RTM_DELLINK. nullopt: too short, no index or no name.
std::optional<LinkInfo> parse_link(std::span<const std::uint8_t> body);

/// From the body of RTM_NEWADDR or RTM_DELADDR. nullopt: too short, another family, no address or a
/// prefix too long.
std::optional<AddressInfo> parse_address(std::span<const std::uint8_t> body);

/// From the body of RTM_NEWNEIGH or RTM_DELNEIGH. nullopt: too short, no index, another family (a
/// bridge's forwarding entry) or no address of it.
std::optional<NeighbourEntry> parse_neighbour_entry(std::span<const std::uint8_t> body);

/// From the body of NLMSG_ERROR: the errno value (0: acknowledged). nullopt: too short.
std::optional<int> parse_error(std::span<const std::uint8_t> body);

/// Builds requests in a fixed buffer; several may follow one another. Once something did not fit,
/// ok() is false and the content must not be sent.
class NetlinkBuilder {
 public:
  static constexpr std::size_t kCapacity = 8192;

  /// Starts a message; `fixed` is the struct behind nlmsghdr (ifinfomsg, ifaddrmsg, ndmsg).
  template <typename Fixed>
  void begin(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence, const Fixed& fixed) {
    begin_raw(type, flags, sequence, {reinterpret_cast<const std::uint8_t*>(&fixed), sizeof fixed});
  }
  void attribute(std::uint16_t type, std::span<const std::uint8_t> value);
  void attribute_u8(std::uint16_t type, std::uint8_t value);
  void attribute_u32(std::uint16_t type, std::uint32_t value);
  void attribute_string(std::uint16_t type, std::string_view value);  // adds the final NUL
  /// Returns a mark for end_nest().
  std::size_t begin_nest(std::uint16_t type);
  void end_nest(std::size_t mark);
  /// Completes the message that begin() started.
  void end();

  bool ok() const { return ok_; }
  std::size_t size() const { return size_; }
  std::span<const std::uint8_t> bytes() const { return {buffer_.data(), size_}; }
  void clear();

 private:
  void begin_raw(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence,
                 std::span<const std::uint8_t> fixed);
  std::uint8_t* grow(std::size_t bytes);

  alignas(4) std::array<std::uint8_t, kCapacity> buffer_{};
  std::size_t size_ = 0;
  std::size_t message_start_ = 0;
  bool ok_ = true;
};

}  // namespace carp::sys

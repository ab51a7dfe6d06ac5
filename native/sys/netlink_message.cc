#include "sys/netlink_message.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace carp::sys {
namespace {

// IF_OPER_UNKNOWN and IF_OPER_UP of <linux/if.h>: RFC 2863 ifOperStatus.
constexpr std::uint8_t kOperUnknown = 0;
constexpr std::uint8_t kOperUp = 6;
constexpr std::size_t kIfNameMax = IFNAMSIZ - 1;

constexpr std::size_t align4(std::size_t n) { return (n + 3) & ~std::size_t{3}; }

/// Copies a struct out of octets: they may be misaligned.
template <typename T>
bool read_struct(std::span<const std::uint8_t> from, T* out) {
  if (from.size() < sizeof(T)) return false;
  std::memcpy(out, from.data(), sizeof(T));
  return true;
}

/// What follows a fixed struct of `size` octets.
std::span<const std::uint8_t> behind(std::span<const std::uint8_t> body, std::size_t size) {
  return body.subspan(std::min(align4(size), body.size()));
}

std::string read_string(std::span<const std::uint8_t> value) {
  const auto end = std::find(value.begin(), value.end(), std::uint8_t{0});
  return std::string(value.begin(), end);
}

std::uint32_t read_u32(std::span<const std::uint8_t> value) {
  std::uint32_t number = 0;
  return read_struct(value, &number) ? number : 0;
}

std::string read_kind(std::span<const std::uint8_t> link_info) {
  AttributeReader attributes{link_info};
  while (const auto attribute = attributes.next()) {
    if (attribute->type == IFLA_INFO_KIND) return read_string(attribute->value);
  }
  return {};
}

}  // namespace

std::optional<NetlinkMessage> NetlinkReader::next() {
  nlmsghdr header{};
  if (!read_struct(rest_, &header)) return std::nullopt;
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  const NetlinkMessage message{
      .type = header.nlmsg_type,
      .flags = header.nlmsg_flags,
      .sequence = header.nlmsg_seq,
      .port = header.nlmsg_pid,
      .body = rest_.subspan(sizeof header, header.nlmsg_len - sizeof header)};
  rest_ = rest_.subspan(std::min(align4(header.nlmsg_len), rest_.size()));
  return message;
}

std::optional<NetlinkAttribute> AttributeReader::next() {
  rtattr header{};
  if (!read_struct(rest_, &header)) return std::nullopt;
  if (header.rta_len < sizeof header || header.rta_len > rest_.size()) {
    rest_ = {};
    return std::nullopt;
  }
  const NetlinkAttribute attribute{
      .type = static_cast<std::uint16_t>(header.rta_type & NLA_TYPE_MASK),
      .value = rest_.subspan(sizeof header, header.rta_len - sizeof header)};
  rest_ = rest_.subspan(std::min(align4(header.rta_len), rest_.size()));
  return attribute;
}

std::optional<LinkInfo> parse_link(std::span<const std::uint8_t> body) {
  ifinfomsg fixed{};
  if (!read_struct(body, &fixed) || fixed.ifi_index <= 0) return std::nullopt;
  LinkInfo link;
  link.ifindex = fixed.ifi_index;
  link.admin_up = (fixed.ifi_flags & IFF_UP) != 0;
  std::uint8_t operstate = kOperUnknown;
  AttributeReader attributes{behind(body, sizeof fixed)};
  while (const auto attribute = attributes.next()) {
    switch (attribute->type) {
      case IFLA_IFNAME:
        link.name = read_string(attribute->value);
        break;
      case IFLA_ADDRESS:
        if (attribute->value.size() == link.mac.octets.size()) {
          std::copy(attribute->value.begin(), attribute->value.end(), link.mac.octets.begin());
        }
        break;
      case IFLA_OPERSTATE:
        if (!attribute->value.empty()) operstate = attribute->value[0];
        break;
      case IFLA_LINK:
        link.parent_ifindex = static_cast<int>(read_u32(attribute->value));
        break;
      case IFLA_IFALIAS:
        link.ifalias = read_string(attribute->value);
        break;
      case IFLA_MTU:
        link.mtu = read_u32(attribute->value);
        break;
      case IFLA_LINKINFO:
        link.kind = read_kind(attribute->value);
        break;
      default:
        break;
    }
  }
  if (link.name.empty() || link.name.size() > kIfNameMax) return std::nullopt;
  // IFF_LOWER_UP is bit 16, beyond the classic flags. It is also set on a device that dormant or
  // testing.
  link.carrier =
      (fixed.ifi_flags & IFF_LOWER_UP) != 0 && (operstate == kOperUp || operstate == kOperUnknown);
  return link;
}

std::optional<AddressInfo> parse_address(std::span<const std::uint8_t> body) {
  ifaddrmsg fixed{};
  if (!read_struct(body, &fixed) || fixed.ifa_index == 0) return std::nullopt;
  AddressInfo info;
  std::size_t octets = 0;
  if (fixed.ifa_family == AF_INET) {
    info.prefix.address.family = wire::Family::kIpv4;
    octets = 4;
  } else if (fixed.ifa_family == AF_INET6) {
    info.prefix.address.family = wire::Family::kIpv6;
    octets = 16;
  } else {
    return std::nullopt;
  }
  if (fixed.ifa_prefixlen > octets * 8) return std::nullopt;
  info.ifindex = static_cast<int>(fixed.ifa_index);
  info.prefix.length = fixed.ifa_prefixlen;
  info.flags = fixed.ifa_flags;
  info.scope = fixed.ifa_scope;
  bool has_local = false;
  bool has_address = false;
  AttributeReader attributes{behind(body, sizeof fixed)};
  while (const auto attribute = attributes.next()) {
    const bool whole = attribute->value.size() == octets;
    if (attribute->type == IFA_FLAGS && attribute->value.size() == sizeof(std::uint32_t)) {
      info.flags = read_u32(attribute->value);
    } else if (attribute->type == IFA_LOCAL && whole) {
      // On a point-to-point interface IFA_ADDRESS is the peer and IFA_LOCAL is ours, in either
      // order.
      std::copy(attribute->value.begin(), attribute->value.end(),
                info.prefix.address.octets.begin());
      has_local = true;
    } else if (attribute->type == IFA_ADDRESS && whole && !has_local) {
      std::copy(attribute->value.begin(), attribute->value.end(),
                info.prefix.address.octets.begin());
      has_address = true;
    }
  }
  if (!has_local && !has_address) return std::nullopt;
  return info;
}

std::optional<NeighbourEntry> parse_neighbour_entry(std::span<const std::uint8_t> body) {
  ndmsg fixed{};
  if (!read_struct(body, &fixed) || fixed.ndm_ifindex <= 0) return std::nullopt;
  if (fixed.ndm_family != AF_INET && fixed.ndm_family != AF_INET6) return std::nullopt;
  NeighbourEntry entry;
  entry.ifindex = fixed.ndm_ifindex;
  entry.state = fixed.ndm_state;
  entry.flags = fixed.ndm_flags;
  const bool v4 = fixed.ndm_family == AF_INET;
  entry.address.family = v4 ? wire::Family::kIpv4 : wire::Family::kIpv6;
  bool has_address = false;
  AttributeReader attributes{behind(body, sizeof fixed)};
  while (const auto attribute = attributes.next()) {
    if (attribute->type == NDA_DST && attribute->value.size() == (v4 ? 4U : 16U)) {
      std::copy(attribute->value.begin(), attribute->value.end(), entry.address.octets.begin());
      has_address = true;
    } else if (attribute->type == NDA_FLAGS_EXT) {
      entry.extended_flags = read_u32(attribute->value);
    }
  }
  return has_address ? std::optional{entry} : std::nullopt;
}

std::optional<int> parse_error(std::span<const std::uint8_t> body) {
  std::int32_t error = 0;
  if (!read_struct(body, &error)) return std::nullopt;
  // The kernel gives a negated errno value; anything else cannot come from it.
  return error <= 0 && error > -4096 ? -error : EPROTO;
}

void NetlinkBuilder::clear() {
  size_ = 0;
  message_start_ = 0;
  ok_ = true;
}

std::uint8_t* NetlinkBuilder::grow(std::size_t bytes) {
  const std::size_t padded = align4(bytes);
  if (!ok_ || bytes > kCapacity || padded > kCapacity - size_) {
    ok_ = false;
    return nullptr;
  }
  std::uint8_t* const start = buffer_.data() + size_;
  std::memset(start, 0, padded);
  size_ += padded;
  return start;
}

void NetlinkBuilder::begin_raw(std::uint16_t type, std::uint16_t flags, std::uint32_t sequence,
                               std::span<const std::uint8_t> fixed) {
  message_start_ = size_;
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = sequence;
  if (std::uint8_t* at = grow(sizeof header)) std::memcpy(at, &header, sizeof header);
  if (std::uint8_t* at = grow(fixed.size())) std::memcpy(at, fixed.data(), fixed.size());
}

void NetlinkBuilder::attribute(std::uint16_t type, std::span<const std::uint8_t> value) {
  if (value.size() > UINT16_MAX - sizeof(rtattr)) {
    ok_ = false;
    return;
  }
  std::uint8_t* const at = grow(sizeof(rtattr) + value.size());
  if (at == nullptr) return;
  rtattr header{};
  header.rta_type = type;
  header.rta_len = static_cast<std::uint16_t>(sizeof header + value.size());
  std::memcpy(at, &header, sizeof header);
  if (!value.empty()) std::memcpy(at + sizeof header, value.data(), value.size());
}

void NetlinkBuilder::attribute_u8(std::uint16_t type, std::uint8_t value) {
  attribute(type, {&value, 1});
}

void NetlinkBuilder::attribute_u32(std::uint16_t type, std::uint32_t value) {
  attribute(type, {reinterpret_cast<const std::uint8_t*>(&value), sizeof value});
}

void NetlinkBuilder::attribute_string(std::uint16_t type, std::string_view value) {
  // std::string makes the final NUL part of the octets.
  const std::string text{value};
  attribute(type, {reinterpret_cast<const std::uint8_t*>(text.c_str()), text.size() + 1});
}

std::size_t NetlinkBuilder::begin_nest(std::uint16_t type) {
  const std::size_t mark = size_;
  attribute(static_cast<std::uint16_t>(type | NLA_F_NESTED), {});
  return mark;
}

void NetlinkBuilder::end_nest(std::size_t mark) {
  if (!ok_) return;
  const auto length = static_cast<std::uint16_t>(size_ - mark);
  std::memcpy(buffer_.data() + mark + offsetof(rtattr, rta_len), &length, sizeof length);
}

void NetlinkBuilder::end() {
  if (!ok_) return;
  const auto length = static_cast<std::uint32_t>(size_ - message_start_);
  std::memcpy(buffer_.data() + message_start_ + offsetof(nlmsghdr, nlmsg_len), &length,
              sizeof length);
}

}  // namespace carp::sys

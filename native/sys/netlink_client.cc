#include "sys/netlink_client.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "sys/clock.h"

namespace carp::sys {
namespace {

constexpr std::size_t kReceiveMax = 65536;
constexpr std::uint32_t kForever = 0xffff'ffff;

std::string index_name(int ifindex) { return "ifindex " + std::to_string(ifindex); }

bool send_request(int fd, std::span<const std::uint8_t> bytes) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  return ::sendto(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&kernel),
                  sizeof kernel) == static_cast<ssize_t>(bytes.size());
}

/// One datagram from the kernel. Returns its length, or 0 with errno set.
std::size_t receive(int fd, std::span<std::uint8_t> buffer) {
  for (;;) {
    sockaddr_nl from{};
    socklen_t from_length = sizeof from;
    const ssize_t got = ::recvfrom(fd, buffer.data(), buffer.size(), MSG_TRUNC,
                                   reinterpret_cast<sockaddr*>(&from), &from_length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      if (errno == EAGAIN) errno = ETIMEDOUT;
      return 0;
    }
    if (from.nl_pid != 0)
      continue;  // another process may write to our port; only the kernel counts
    if (static_cast<std::size_t>(got) > buffer.size()) {
      errno = EMSGSIZE;
      return 0;
    }
    return static_cast<std::size_t>(got);
  }
}

/// A group (IFLA_GROUP) that no other process on this host uses: nobody else's numbers start so.
std::uint32_t own_link_group() {
  return 0x6361'0000U | (static_cast<std::uint32_t>(::getpid()) & 0xffff);
}

std::span<const std::uint8_t> address_octets(const wire::IpAddress& address) {
  return {address.octets.data(), address.family == wire::Family::kIpv4 ? std::size_t{4} : 16};
}

ifaddrmsg address_header(int ifindex, const wire::Prefix& prefix) {
  ifaddrmsg fixed{};
  fixed.ifa_family = prefix.address.family == wire::Family::kIpv4 ? AF_INET : AF_INET6;
  fixed.ifa_prefixlen = prefix.length;
  fixed.ifa_index = static_cast<unsigned>(ifindex);
  return fixed;
}

ifinfomsg link_header(int ifindex) {
  ifinfomsg fixed{};
  fixed.ifi_family = AF_UNSPEC;
  fixed.ifi_index = ifindex;
  return fixed;
}

/// `flags` are set besides; none is cleared.
void append_macvlan_mode(NetlinkBuilder& builder, std::uint32_t sequence, int ifindex,
                         std::uint32_t mode, unsigned flags) {
  ifinfomsg fixed = link_header(ifindex);
  fixed.ifi_flags = flags;
  fixed.ifi_change = flags;
  builder.begin(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, sequence, fixed);
  const std::size_t info = builder.begin_nest(IFLA_LINKINFO);
  builder.attribute_string(IFLA_INFO_KIND, "macvlan");
  const std::size_t data = builder.begin_nest(IFLA_INFO_DATA);
  builder.attribute_u32(IFLA_MACVLAN_MODE, mode);
  builder.end_nest(data);
  builder.end_nest(info);
  builder.end();
}

/// The fixed part of a dump of one interface's neighbours. The interface is an attribute: the field
/// of ndmsg is not looked at, and refused when the kernel checks strictly.
struct NeighbourDump {
  ndmsg fixed;
  rtattr header;
  std::uint32_t ifindex;
};
static_assert(sizeof(NeighbourDump) == sizeof(ndmsg) + sizeof(rtattr) + sizeof(std::uint32_t));

/// The kernel asked in vain, or is still asking, and nobody but itself wanted the entry.
bool is_unresolved(const NeighbourEntry& entry) {
  return (entry.state & (NUD_INCOMPLETE | NUD_FAILED)) != 0 &&
         (entry.flags & NTF_EXT_LEARNED) == 0 && (entry.extended_flags & NTF_EXT_MANAGED) == 0;
}

}  // namespace

Status NetlinkClient::open() {
  Fd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (!fd.valid()) return Status::failure("socket NETLINK_ROUTE", "", errno);
  const timeval deadline{.tv_sec = kDeadline.count(), .tv_usec = 0};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) != 0) {
    return Status::failure("SO_RCVTIMEO", "netlink", errno);
  }
  // Without it an error carries the whole request back, without need.
  const int one = 1;
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Status::failure("bind NETLINK_ROUTE", "", errno);
  }
  fd_ = std::move(fd);
  return Status::success();
}

/// Sends what the builder holds, `messages` requests numbered up to sequence_, and waits for the
/// answer to each. Returns the first error that is not `tolerated`.
Status NetlinkClient::transact(const char* op, std::string_view target, NetlinkBuilder& request,
                               std::uint32_t messages, int tolerated) {
  if (!request.ok()) return Status::failure(op, target, EMSGSIZE);
  if (!send_request(fd_.get(), request.bytes())) return Status::failure(op, target, errno);
  // SO_RCVTIMEO starts anew with each datagram, hence the second deadline.
  const std::int64_t give_up_us = monotonic_now().us + std::chrono::microseconds{kDeadline}.count();
  std::array<std::uint8_t, 4096> buffer;
  Status first = Status::success();
  std::uint32_t missing = messages;
  while (monotonic_now().us < give_up_us) {
    const std::size_t length = receive(fd_.get(), buffer);
    if (length == 0) return Status::failure(op, target, errno);
    NetlinkReader reader{{buffer.data(), length}};
    while (const auto message = reader.next()) {
      // Answers to an earlier request that timed out have older numbers.
      const bool ours = sequence_ - message->sequence < messages;
      if (!ours || message->type != NLMSG_ERROR) continue;
      const int error = parse_error(message->body).value_or(EPROTO);
      if (error != 0 && error != tolerated && first.ok()) {
        first = Status::failure(op, target, error);
      }
      if (--missing == 0) return first;
    }
  }
  return Status::failure(op, target, ETIMEDOUT);
}

template <typename Entry, typename Fixed, typename Parse>
Status NetlinkClient::dump(const char* op, std::uint16_t request_type, std::uint16_t reply_type,
                           const Fixed& fixed, Parse parse, std::vector<Entry>* out) {
  constexpr int kAttempts = 5;
  std::vector<std::uint8_t> buffer(kReceiveMax);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    out->clear();
    NetlinkBuilder request;
    request.begin(request_type, NLM_F_REQUEST | NLM_F_DUMP, ++sequence_, fixed);
    request.end();
    if (!send_request(fd_.get(), request.bytes())) return Status::failure(op, "", errno);
    bool done = false;
    bool interrupted = false;
    while (!done) {
      const std::size_t length = receive(fd_.get(), buffer);
      if (length == 0) return Status::failure(op, "", errno);
      NetlinkReader messages{{buffer.data(), length}};
      while (const auto message = messages.next()) {
        if (message->sequence != sequence_) continue;
        // The table changed while it was listed, entries may be missing: start again.
        if ((message->flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
        if (message->type == NLMSG_DONE) {
          done = true;
        } else if (message->type == NLMSG_ERROR) {
          const int error = parse_error(message->body).value_or(EPROTO);
          return Status::failure(op, "", error);
        } else if (message->type == reply_type) {
          if (auto entry = parse(message->body)) out->push_back(std::move(*entry));
        }
      }
    }
    if (!interrupted) return Status::success();
  }
  return Status::failure(op, "", EBUSY);
}

Status NetlinkClient::list_links(std::vector<LinkInfo>* out) {
  return dump("RTM_GETLINK", RTM_GETLINK, RTM_NEWLINK, link_header(0), parse_link, out);
}

Status NetlinkClient::list_addresses(std::vector<AddressInfo>* out) {
  return dump("RTM_GETADDR", RTM_GETADDR, RTM_NEWADDR, ifaddrmsg{}, parse_address, out);
}

Status NetlinkClient::find_link(std::string_view name, LinkInfo* out) {
  std::vector<LinkInfo> links;
  if (Status status = list_links(&links); !status.ok()) return status;
  for (LinkInfo& link : links) {
    if (link.name == name) {
      *out = std::move(link);
      return Status::success();
    }
  }
  return Status::failure("RTM_GETLINK", name, ENODEV);
}

Status NetlinkClient::create_macvlan(const MacvlanRequest& request, int* ifindex) {
  if (request.name.empty() || request.name.size() >= IFNAMSIZ || request.ifalias.size() > 255) {
    return Status::failure("RTM_NEWLINK", request.name, EINVAL);
  }
  NetlinkBuilder builder;
  ifinfomsg fixed = link_header(0);
  fixed.ifi_flags = IFF_NOARP;
  fixed.ifi_change = IFF_NOARP;
  builder.begin(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, ++sequence_,
                fixed);
  builder.attribute_string(IFLA_IFNAME, request.name);
  builder.attribute_u32(IFLA_LINK, static_cast<std::uint32_t>(request.parent_ifindex));
  builder.attribute(IFLA_ADDRESS, request.mac.octets);
  const std::size_t info = builder.begin_nest(IFLA_LINKINFO);
  builder.attribute_string(IFLA_INFO_KIND, "macvlan");
  const std::size_t data = builder.begin_nest(IFLA_INFO_DATA);
  builder.attribute_u32(IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
  builder.end_nest(data);
  builder.end_nest(info);
  builder.end();
  // The kernel ignores an alias in the request that creates; it names the interface, whose index is
  // not known yet.
  builder.begin(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, ++sequence_, link_header(0));
  builder.attribute_string(IFLA_IFNAME, request.name);
  builder.attribute(IFLA_IFALIAS, {reinterpret_cast<const std::uint8_t*>(request.ifalias.data()),
                                   request.ifalias.size()});
  builder.end();
  // After EEXIST the second request would mark somebody else's interface, so ours is told apart
  // first.
  if (::if_nametoindex(std::string{request.name}.c_str()) != 0) {
    return Status::failure("RTM_NEWLINK", request.name, EEXIST);
  }
  if (Status status = transact("RTM_NEWLINK", request.name, builder, 2); !status.ok()) {
    return status;
  }
  const unsigned index = ::if_nametoindex(std::string{request.name}.c_str());
  if (index == 0) return Status::failure("if_nametoindex", request.name, errno);
  *ifindex = static_cast<int>(index);
  return Status::success();
}

Status NetlinkClient::set_link_flag(int ifindex, bool up) {
  ifinfomsg fixed = link_header(ifindex);
  fixed.ifi_flags = up ? IFF_UP : 0;
  fixed.ifi_change = IFF_UP;
  NetlinkBuilder builder;
  builder.begin(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, ++sequence_, fixed);
  builder.end();
  return transact(up ? "link up" : "link down", index_name(ifindex), builder);
}

Status NetlinkClient::set_link_up(int ifindex) { return set_link_flag(ifindex, true); }
Status NetlinkClient::set_link_down(int ifindex) { return set_link_flag(ifindex, false); }

Status NetlinkClient::delete_link(int ifindex) {
  NetlinkBuilder builder;
  builder.begin(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, ++sequence_, link_header(ifindex));
  builder.end();
  return transact("RTM_DELLINK", index_name(ifindex), builder);
}

Status NetlinkClient::for_each_link(const char* op, std::span<const int> ifindexes,
                                    void (*append)(NetlinkBuilder&, std::uint32_t, int)) {
  constexpr std::size_t kPerRequest = 100;  // up to 68 octets each, of 8192
  Status first = Status::success();
  while (!ifindexes.empty()) {
    const auto part = ifindexes.first(std::min(kPerRequest, ifindexes.size()));
    NetlinkBuilder builder;
    for (const int ifindex : part) append(builder, ++sequence_, ifindex);
    Status status = transact(op, "many", builder, static_cast<std::uint32_t>(part.size()), ENODEV);
    if (!status.ok() && first.ok()) first = status;
    ifindexes = ifindexes.subspan(part.size());
  }
  return first;
}

Status NetlinkClient::open_macvlan(int ifindex) {
  NetlinkBuilder builder;
  append_macvlan_mode(builder, ++sequence_, ifindex, MACVLAN_MODE_BRIDGE, IFF_UP);
  return transact("macvlan up", index_name(ifindex), builder);
}

Status NetlinkClient::silence_macvlans(std::span<const int> ifindexes) {
  return for_each_link("macvlan mode", ifindexes,
                       [](NetlinkBuilder& builder, std::uint32_t sequence, int ifindex) {
                         append_macvlan_mode(builder, sequence, ifindex, MACVLAN_MODE_SOURCE, 0);
                       });
}

// Deleting an interface waits for an RCU grace period, 15-20 ms (measured), and so does taking one
// down; deleting a group waits once for all: 50 macvlans went in 22 ms instead of a second. So they
// are put into a group of their own first, which costs a few microseconds each.
Status NetlinkClient::delete_links(std::span<const int> ifindexes) {
  if (ifindexes.empty()) return Status::success();
  if (ifindexes.size() == 1) {
    Status status = delete_link(ifindexes.front());
    return status.error == ENODEV ? Status::success() : status;
  }
  Status first = for_each_link(
      "link group", ifindexes, [](NetlinkBuilder& builder, std::uint32_t sequence, int ifindex) {
        builder.begin(RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, sequence, link_header(ifindex));
        builder.attribute_u32(IFLA_GROUP, own_link_group());
        builder.end();
      });
  NetlinkBuilder builder;
  builder.begin(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, ++sequence_, link_header(0));
  builder.attribute_u32(IFLA_GROUP, own_link_group());
  builder.end();
  // ENODEV: all of them were gone already.
  Status status = transact("RTM_DELLINK group", "many", builder, 1, ENODEV);
  return first.ok() ? status : first;
}

Status NetlinkClient::add_address(const AddressRequest& request) {
  ifaddrmsg fixed = address_header(request.ifindex, request.prefix);
  fixed.ifa_scope = request.scope;
  const bool v6 = fixed.ifa_family == AF_INET6;
  std::uint32_t flags = 0;
  if (request.no_prefix_route) flags |= IFA_F_NOPREFIXROUTE;
  if (request.no_dad && v6) flags |= IFA_F_NODAD;
  NetlinkBuilder builder;
  builder.begin(RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, ++sequence_,
                fixed);
  builder.attribute(IFA_LOCAL, address_octets(request.prefix.address));
  builder.attribute(IFA_ADDRESS, address_octets(request.prefix.address));
  builder.attribute_u32(IFA_FLAGS, flags);
  if (v6 && request.deprecated) {
    ifa_cacheinfo lifetimes{};
    lifetimes.ifa_prefered = 0;
    lifetimes.ifa_valid = kForever;
    builder.attribute(IFA_CACHEINFO,
                      {reinterpret_cast<const std::uint8_t*>(&lifetimes), sizeof lifetimes});
  }
  builder.end();
  return transact("RTM_NEWADDR", index_name(request.ifindex), builder);
}

Status NetlinkClient::delete_address(int ifindex, const wire::Prefix& prefix) {
  NetlinkBuilder builder;
  builder.begin(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, ++sequence_,
                address_header(ifindex, prefix));
  builder.attribute(IFA_LOCAL, address_octets(prefix.address));
  builder.attribute(IFA_ADDRESS, address_octets(prefix.address));
  builder.end();
  return transact("RTM_DELADDR", index_name(ifindex), builder);
}

Status NetlinkClient::forget_unresolved_neighbours(int ifindex, std::size_t* removed) {
  *removed = 0;
  NeighbourDump question{};
  question.header = {.rta_len = RTA_LENGTH(sizeof question.ifindex), .rta_type = NDA_IFINDEX};
  question.ifindex = static_cast<std::uint32_t>(ifindex);
  const auto parse = [ifindex](std::span<const std::uint8_t> body) {
    auto entry = parse_neighbour_entry(body);
    // Linux before 4.4 does not know the attribute and lists every interface.
    const bool wanted = entry && entry->ifindex == ifindex && is_unresolved(*entry);
    return wanted ? entry : std::nullopt;
  };
  std::vector<NeighbourEntry> entries;
  Status status = dump("RTM_GETNEIGH", RTM_GETNEIGH, RTM_NEWNEIGH, question, parse, &entries);
  if (!status.ok()) return status;
  constexpr std::size_t kPerRequest = 100;  // up to 48 octets each, of 8192
  std::span<const NeighbourEntry> rest{entries};
  rest = rest.first(std::min(kForgetMost, rest.size()));
  while (!rest.empty()) {
    const auto part = rest.first(std::min(kPerRequest, rest.size()));
    NetlinkBuilder builder;
    for (const NeighbourEntry& entry : part) {
      ndmsg fixed{};
      fixed.ndm_family = entry.address.family == wire::Family::kIpv4 ? AF_INET : AF_INET6;
      fixed.ndm_ifindex = ifindex;
      builder.begin(RTM_DELNEIGH, NLM_F_REQUEST | NLM_F_ACK, ++sequence_, fixed);
      builder.attribute(NDA_DST, address_octets(entry.address));
      builder.end();
    }
    // One that has been answered since the list was made goes as well: it is asked for again, at
    // once.
    status = transact("RTM_DELNEIGH", index_name(ifindex), builder,
                      static_cast<std::uint32_t>(part.size()), ENOENT);
    if (!status.ok()) return status;
    *removed += part.size();
    rest = rest.subspan(part.size());
  }
  return Status::success();
}

}  // namespace carp::sys

// NetlinkMonitor: link and address changes as they happen (rtnetlink multicast groups). Engine
// thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <variant>

#include "sys/fd.h"
#include "sys/netlink_message.h"
#include "sys/status.h"

namespace carp::sys {

struct LinkChanged {
  LinkInfo link;
  bool removed;
};
struct AddressChanged {
  AddressInfo address;
  bool removed;
};
/// Messages were lost: the owner has to list links and addresses anew.
struct MonitorOverrun {};

using NetlinkEvent = std::variant<LinkChanged, AddressChanged, MonitorOverrun>;

class NetlinkMonitor {
 public:
  Status open();
  int fd() const { return fd_.get(); }

  /// Hands every waiting change to `callback`, at most kMaxDatagrams of the kernel's datagrams at a
  /// time so that a storm of changes cannot hold the thread; the descriptor stays readable if there
  /// is more. Never blocks.
  Status read(const std::function<void(const NetlinkEvent&)>& callback);

 private:
  static constexpr int kMaxDatagrams = 64;
  static constexpr std::size_t kDatagramMax = 32768;

  Fd fd_;
  std::unique_ptr<std::uint8_t[]> buffer_;
};

}  // namespace carp::sys

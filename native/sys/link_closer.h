// LinkCloser: takes links down beside the engine thread. Owns one thread; called from the engine
// thread.
//
// Bringing a link down waits for an RCU grace period in the kernel, 12 to 36 ms as measured on
// Linux 6.18, and as many in a row as there are vhids: far too long for the thread that sends
// adverts. A macvlan is silenced at once by other means (NetlinkClient::silence_macvlans); this
// does the rest.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "sys/netlink_client.h"
#include "sys/status.h"

namespace carp::sys {

class LinkCloser {
 public:
  LinkCloser() = default;
  /// Takes down what is still waiting, then ends the thread.
  ~LinkCloser();
  LinkCloser(const LinkCloser&) = delete;
  LinkCloser& operator=(const LinkCloser&) = delete;

  Status start();

  /// Takes the link down soon. Never waits for the kernel.
  void close_soon(int ifindex);

  /// The link is wanted again, or is about to be deleted: a waiting request is dropped. Only if its
  /// request is being carried out at this moment, this waits for the end of it.
  void cancel(int ifindex);

  /// Waits until nothing is left to do.
  void finish();

 private:
  void run();

  NetlinkClient netlink_;  // used by the thread alone
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<int> waiting_;
  int active_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace carp::sys

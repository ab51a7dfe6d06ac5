#include "sys/link_closer.h"

#include <algorithm>

#include "sys/realtime.h"

namespace carp::sys {

LinkCloser::~LinkCloser() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Status LinkCloser::start() {
  if (thread_.joinable()) return Status::success();
  if (Status status = netlink_.open(); !status.ok()) return status;
  thread_ = std::thread([this] { run(); });
  return Status::success();
}

void LinkCloser::close_soon(int ifindex) {
  {
    const std::lock_guard lock{mutex_};
    if (std::find(waiting_.begin(), waiting_.end(), ifindex) != waiting_.end()) return;
    waiting_.push_back(ifindex);
  }
  changed_.notify_all();
}

void LinkCloser::cancel(int ifindex) {
  std::unique_lock lock{mutex_};
  std::erase(waiting_, ifindex);
  changed_.wait(lock, [this, ifindex] { return active_ != ifindex; });
}

void LinkCloser::finish() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return waiting_.empty() && active_ == 0; });
}

void LinkCloser::run() {
  name_thread("carp-closer");
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    active_ = waiting_.front();
    waiting_.pop_front();
    const int ifindex = active_;
    lock.unlock();
    // A link that is gone needs no closing; one that stays up in spite of this is silent all the
    // same.
    static_cast<void>(netlink_.set_link_down(ifindex));
    lock.lock();
    active_ = 0;
    changed_.notify_all();
  }
}

}  // namespace carp::sys

#include "sys/poller.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace carp::sys {

Status Poller::open() {
  fd_.reset(::epoll_create1(EPOLL_CLOEXEC));
  return fd_.valid() ? Status::success() : Status::failure("epoll_create1", "", errno);
}

Status Poller::add(int fd, std::uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  if (::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return Status::failure("epoll_ctl add", "", errno);
  }
  return Status::success();
}

Status Poller::remove(int fd) {
  if (::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr) != 0) {
    return Status::failure("epoll_ctl del", "", errno);
  }
  return Status::success();
}

std::size_t Poller::wait(std::span<Ready> out) { return collect(out, -1); }
std::size_t Poller::poll(std::span<Ready> out) { return collect(out, 0); }

std::size_t Poller::collect(std::span<Ready> out, int timeout_ms) {
  std::array<epoll_event, kMaxReady> events;
  const std::size_t room = std::min(out.size(), events.size());
  if (room == 0) return 0;
  int count = 0;
  do {
    count = ::epoll_wait(fd_.get(), events.data(), static_cast<int>(room), timeout_ms);
  } while (count < 0 && errno == EINTR);
  if (count <= 0) return 0;
  const auto n = static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < n; ++i) {
    // Copied by value: epoll_event is packed, a reference into it would be misaligned.
    const std::uint32_t what = events[i].events;
    out[i] = Ready{.tag = events[i].data.u64,
                   .readable = (what & EPOLLIN) != 0,
                   .failed = (what & (EPOLLERR | EPOLLHUP)) != 0};
  }
  return n;
}

}  // namespace carp::sys

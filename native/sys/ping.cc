#include "sys/ping.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "sys/clock.h"
#include "sys/realtime.h"

namespace carp::sys {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
// RFC 792 and RFC 4443.
constexpr std::uint8_t kEchoRequest4 = 8;
constexpr std::uint8_t kEchoReply4 = 0;
constexpr std::uint8_t kEchoRequest6 = 128;
constexpr std::uint8_t kEchoReply6 = 129;
constexpr std::size_t kIcmpHeader = 8;
constexpr std::size_t kPacket = kIcmpHeader + 8;  // with the full 32-bit sequence and a mark
constexpr std::uint32_t kMark = 0x63617270;
constexpr std::uint32_t kMaxPerSecond = 2000;

/// RFC 1071, for an even number of octets.
std::uint16_t internet_checksum(std::span<const std::uint8_t> octets) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < octets.size(); i += 2) {
    sum += (std::uint32_t{octets[i]} << 8) | octets[i + 1];
  }
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

void put16(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

void put32(std::uint8_t* at, std::uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value & 0xffff);
}

std::uint32_t get16(const std::uint8_t* at) { return (std::uint32_t{at[0]} << 8) | at[1]; }
std::uint32_t get32(const std::uint8_t* at) { return (get16(at) << 16) | get16(at + 2); }

/// When the kernel received the datagram, on the realtime clock; 0 if it did not say.
std::int64_t kernel_time(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
      timespec at{};
      std::memcpy(&at, CMSG_DATA(c), sizeof at);
      return std::int64_t{at.tv_sec} * kNsPerSecond + at.tv_nsec;
    }
  }
  return 0;
}

}  // namespace

Status Prober::start(const ProbeConfig& config) {
  stop();
  if (config.per_second < 1 || config.per_second > kMaxPerSecond || config.capacity == 0) {
    return Status::failure("probe", "rate or capacity", EINVAL);
  }
  const bool v6 = config.destination.family == wire::Family::kIpv6;
  Fd fd{::socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP))};
  if (!fd.valid()) return Status::failure("socket ICMP", "", errno);
  const int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  const int buffer = 1 << 20;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  if (config.ifindex != 0 && !v6 &&
      ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTOIFINDEX, &config.ifindex,
                   sizeof config.ifindex) != 0) {
    return Status::failure("SO_BINDTOIFINDEX", "ICMP", errno);
  }
  // Connected, it receives from this address only.
  int connected = 0;
  if (v6) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    std::memcpy(&to.sin6_addr, config.destination.octets.data(), 16);
    to.sin6_scope_id = static_cast<std::uint32_t>(config.ifindex);
    connected = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
  } else {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    std::memcpy(&to.sin_addr, config.destination.octets.data(), 4);
    connected = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  if (connected != 0) return Status::failure("connect", "ICMP", errno);
  stop_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!stop_.valid()) return Status::failure("eventfd", "probe", errno);
  static std::atomic<std::uint16_t> next_ident{1};
  config_ = config;
  socket_ = std::move(fd);
  // Several probers, of this process and of others, may ask the same address.
  ident_ =
      static_cast<std::uint16_t>(static_cast<unsigned>(::getpid()) * 31 + next_ident.fetch_add(1));
  slots_ = std::make_unique<Slot[]>(config.capacity);
  sent_.store(0);
  answered_count_.store(0);
  last_send_error_.store(0);
  thread_ = std::thread([this] { run(); });
  return Status::success();
}

void Prober::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(stop_.get(), &one, sizeof one));
  thread_.join();
  socket_.reset();
}

void Prober::run() {
  name_thread("carp-probe");
  const Fd timer{::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
  const std::int64_t interval = kNsPerSecond / config_.per_second;
  const std::int64_t start = monotonic_ns();
  std::uint32_t sequence = 0;
  for (;;) {
    // Paced from the start, not from the last probe: lateness does not add up. What is late is sent
    // at once.
    while (sequence < config_.capacity &&
           start + std::int64_t{sequence} * interval <= monotonic_ns()) {
      send_probe(sequence++);
    }
    itimerspec next{};
    if (sequence < config_.capacity) {
      const std::int64_t at = start + std::int64_t{sequence} * interval;
      next.it_value = timespec{at / kNsPerSecond, at % kNsPerSecond};
    }
    ::timerfd_settime(timer.get(), TFD_TIMER_ABSTIME, &next, nullptr);
    std::array<pollfd, 3> waiting{
        {{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}, {timer.get(), POLLIN, 0}}};
    ::poll(waiting.data(), waiting.size(), -1);
    if (waiting[1].revents != 0) receive_replies();
    if (waiting[0].revents != 0) return;
    std::uint64_t expired = 0;
    if (waiting[2].revents != 0) static_cast<void>(!::read(timer.get(), &expired, sizeof expired));
  }
}

void Prober::send_probe(std::uint32_t sequence) {
  std::array<std::uint8_t, kPacket> packet{};
  const bool v6 = config_.destination.family == wire::Family::kIpv6;
  packet[0] = v6 ? kEchoRequest6 : kEchoRequest4;
  put16(&packet[4], ident_);
  put16(&packet[6], sequence & 0xffff);
  put32(&packet[8], sequence);
  put32(&packet[12], kMark);
  // The kernel fills in that of ICMPv6.
  if (!v6) put16(&packet[2], internet_checksum(packet));
  Slot& slot = slots_[sequence];
  slot.sent_realtime.store(realtime_ns(), std::memory_order_relaxed);
  slot.sent_monotonic.store(monotonic_ns(), std::memory_order_relaxed);
  ssize_t sent = ::send(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  // A connected socket reports the last "unreachable" here instead of sending.
  if (sent < 0 && (errno == EHOSTUNREACH || errno == ECONNREFUSED)) {
    sent = ::send(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (sent < 0) {
    last_send_error_.store(errno, std::memory_order_relaxed);
    slot.failed.store(true, std::memory_order_relaxed);
  }
  sent_.store(sequence + 1, std::memory_order_release);
}

void Prober::receive_replies() {
  const bool v6 = config_.destination.family == wire::Family::kIpv6;
  constexpr int kPerWakeup = 256;
  for (int i = 0; i < kPerWakeup; ++i) {
    std::array<std::uint8_t, 2048> buffer;
    alignas(cmsghdr) unsigned char control[CMSG_SPACE(sizeof(timespec))];
    iovec vector{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) continue;  // a pending ICMP error: reading has cleared it
    std::span<const std::uint8_t> packet{buffer.data(),
                                         std::min(static_cast<std::size_t>(got), buffer.size())};
    if (!v6) {
      const std::size_t header = packet.empty() ? 0 : std::size_t{packet[0]} % 16 * 4;
      if (packet.size() < header) continue;
      packet = packet.subspan(header);
    }
    if (packet.size() < kPacket || packet[0] != (v6 ? kEchoReply6 : kEchoReply4)) continue;
    if (get16(&packet[4]) != ident_ || get32(&packet[12]) != kMark) continue;
    const std::uint32_t sequence = get32(&packet[8]);
    if (sequence >= sent_.load(std::memory_order_relaxed)) continue;
    Slot& slot = slots_[sequence];
    if (slot.answered_monotonic.load(std::memory_order_relaxed) != 0) continue;  // a duplicate
    const std::int64_t realtime = realtime_ns();
    const std::int64_t monotonic = monotonic_ns();
    const std::int64_t stamped = kernel_time(message);
    // The kernel's stamp is older than now by what this thread waited for a processor.
    const std::int64_t age = stamped > 0 && stamped <= realtime ? realtime - stamped : 0;
    slot.answered_realtime.store(realtime - age, std::memory_order_relaxed);
    slot.answered_monotonic.store(monotonic - age, std::memory_order_release);
    answered_count_.fetch_add(1, std::memory_order_release);
  }
}

std::vector<Probe> Prober::results(std::uint32_t first) const {
  std::vector<Probe> out;
  const std::uint32_t end = sent();
  const std::int64_t now = monotonic_ns();
  if (first < end) out.reserve(end - first);
  for (std::uint32_t i = first; i < end; ++i) {
    const Slot& slot = slots_[i];
    Probe probe{};
    probe.sent_monotonic_ns = slot.sent_monotonic.load(std::memory_order_relaxed);
    probe.sent_realtime_ns = slot.sent_realtime.load(std::memory_order_relaxed);
    probe.answered_monotonic_ns = slot.answered_monotonic.load(std::memory_order_acquire);
    if (probe.answered_monotonic_ns != 0) {
      probe.answered_realtime_ns = slot.answered_realtime.load(std::memory_order_relaxed);
      probe.fate = ProbeFate::kAnswered;
    } else if (slot.failed.load(std::memory_order_relaxed)) {
      probe.fate = ProbeFate::kSendFailed;
    } else {
      probe.fate =
          now - probe.sent_monotonic_ns > kLostAfterNs ? ProbeFate::kLost : ProbeFate::kWaiting;
    }
    out.push_back(probe);
  }
  return out;
}

}  // namespace carp::sys

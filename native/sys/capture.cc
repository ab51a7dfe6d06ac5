#include "sys/capture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "sys/bpf.h"
#include "sys/clock.h"
#include "sys/realtime.h"

namespace carp::sys {
namespace {

constexpr std::size_t kFrameMax = 65535;
constexpr std::size_t kMacs = 12;
constexpr std::size_t kVlanTag = 4;
constexpr int kReceiveBufferBytes = 16 << 20;

/// Format of libpcap's pcap-savefile(5), in this host's byte order.
struct FileHeader {
  std::uint32_t magic = 0xa1b2c3d4;  // microseconds
  std::uint16_t major = 2;
  std::uint16_t minor = 4;
  std::int32_t time_zone = 0;
  std::uint32_t accuracy = 0;
  std::uint32_t snap_length = kFrameMax;
  std::uint32_t link_type = 1;  // LINKTYPE_ETHERNET
};
struct FrameHeader {
  std::uint32_t seconds;
  std::uint32_t microseconds;
  std::uint32_t captured;
  std::uint32_t original;
};
static_assert(sizeof(FileHeader) == 24 && sizeof(FrameHeader) == 16);

struct Control {
  std::int64_t realtime_ns = 0;
  std::uint32_t vlan = 0;  // the tag as it was on the wire, 0: none
};

Control read_control(msghdr& message) {
  Control control;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
      timespec at{};
      std::memcpy(&at, CMSG_DATA(c), sizeof at);
      control.realtime_ns = std::int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
    } else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
      tpacket_auxdata data{};
      std::memcpy(&data, CMSG_DATA(c), sizeof data);
      if ((data.tp_status & TP_STATUS_VLAN_VALID) != 0) {
        const std::uint32_t type =
            (data.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? data.tp_vlan_tpid : ETH_P_8021Q;
        control.vlan = (type << 16) | data.tp_vlan_tci;
      }
    }
  }
  return control;
}

}  // namespace

Status Capture::start(const CaptureConfig& config) {
  stop();
  Fd file{::open(config.path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
  if (!file.valid()) return Status::failure("open", config.path, errno);
  Fd fd{::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd.valid()) return Status::failure("socket AF_PACKET", config.path, errno);
  if (config.protocols_only) {
    const BpfProgram program = build_capture_filter();
    const sock_fprog argument{static_cast<unsigned short>(program.size()),
                              const_cast<sock_filter*>(program.data())};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &argument, sizeof argument) != 0) {
      return Status::failure("SO_ATTACH_FILTER", config.path, errno);
    }
  }
  const int one = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) != 0 ||
      ::setsockopt(fd.get(), SOL_PACKET, PACKET_AUXDATA, &one, sizeof one) != 0) {
    return Status::failure("setsockopt AF_PACKET", config.path, errno);
  }
  const int bytes = kReceiveBufferBytes;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = config.ifindex;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Status::failure("bind AF_PACKET", config.path, errno);
  }
  stop_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!stop_.valid()) return Status::failure("eventfd", config.path, errno);
  config_ = config;
  file_ = std::move(file);
  socket_ = std::move(fd);
  bytes_ = 0;
  frames_.store(0);
  lost_.store(0);
  write_error_.store(0);
  const FileHeader header;
  if (!write_all(&header, sizeof header)) {
    return Status::failure("write", config.path, write_error());
  }
  thread_ = std::thread([this] { run(); });
  return Status::success();
}

void Capture::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(stop_.get(), &one, sizeof one));
  thread_.join();
  socket_.reset();
  file_.reset();
}

void Capture::run() {
  name_thread("carp-capture");
  for (;;) {
    std::array<pollfd, 2> waiting{{{stop_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}}};
    ::poll(waiting.data(), waiting.size(), -1);
    const bool stopping = waiting[0].revents != 0;
    if (!drain()) break;
    if (stopping) break;
  }
  tpacket_stats stats{};
  socklen_t length = sizeof stats;
  if (::getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &length) == 0) {
    lost_.fetch_add(stats.tp_drops, std::memory_order_release);
  }
}

bool Capture::drain() {
  // The VLAN tag goes back to where it was, between the MACs and the EtherType.
  static thread_local std::array<std::uint8_t, kFrameMax + kVlanTag> buffer;
  // When stopping, what came after the call need not be taken: a busy link would never be empty.
  const std::int64_t until = realtime_ns();
  for (;;) {
    alignas(cmsghdr) unsigned char
        control[CMSG_SPACE(sizeof(timespec)) + CMSG_SPACE(sizeof(tpacket_auxdata))];
    iovec vector{buffer.data() + kVlanTag, kFrameMax};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && errno == EAGAIN) return true;
    if (got < 0) return errno == EINTR || errno == ENETDOWN;
    const Control extra = read_control(message);
    const auto original = static_cast<std::size_t>(got);
    std::size_t captured = std::min(original, kFrameMax);
    std::uint8_t* start = buffer.data() + kVlanTag;
    const bool tagged = extra.vlan != 0 && captured >= kMacs;
    if (tagged) {
      start = buffer.data();
      std::memmove(start, start + kVlanTag, kMacs);
      const std::uint32_t tag = htonl(extra.vlan);
      std::memcpy(start + kMacs, &tag, sizeof tag);
      captured += kVlanTag;
    }
    if (frames_.load(std::memory_order_relaxed) >= config_.max_frames ||
        bytes_ + captured + sizeof(FrameHeader) > config_.max_bytes) {
      lost_.fetch_add(1, std::memory_order_release);
    } else {
      const std::int64_t at = extra.realtime_ns != 0 ? extra.realtime_ns : realtime_ns();
      const FrameHeader header{
          .seconds = static_cast<std::uint32_t>(at / 1'000'000'000),
          .microseconds = static_cast<std::uint32_t>(at % 1'000'000'000 / 1000),
          .captured = static_cast<std::uint32_t>(captured),
          .original = static_cast<std::uint32_t>(original + (tagged ? kVlanTag : 0))};
      if (!write_all(&header, sizeof header) || !write_all(start, captured)) return false;
      frames_.fetch_add(1, std::memory_order_release);
    }
    if (extra.realtime_ns > until) return true;
  }
}

bool Capture::write_all(const void* data, std::size_t bytes) {
  const auto* at = static_cast<const std::uint8_t*>(data);
  bytes_ += bytes;
  while (bytes > 0) {
    const ssize_t put = ::write(file_.get(), at, bytes);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      write_error_.store(errno, std::memory_order_release);
      return false;
    }
    at += put;
    bytes -= static_cast<std::size_t>(put);
  }
  return true;
}

}  // namespace carp::sys

// Traffic for a router to forward: small UDP packets as fast as they go out, and one TCP stream. A
// program of its own, built by test/bench/programs.ts:
//
//   ip_load sink PORT                        takes both; a line "octets nanoseconds" for each
//   stream ip_load udp ADDRESS PORT MILLISECONDS    prints "packets nanoseconds", as sent ip_load
//   tcp ADDRESS PORT MILLISECONDS    prints "octets nanoseconds", as sent
//
// The sink reads no UDP: with its small buffer full, a packet that arrived costs the kernel next to
// nothing, and no reader competes with the router. The packets are counted on its interface.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 64;
// Makes a frame of the least size with IPv4.
constexpr std::size_t kUdpPayload = 18;
constexpr std::size_t kChunk = std::size_t{128} * 1024;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;  // 0: not an address
};

Address address_of(const char* text, std::uint16_t port) {
  Address out;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
  } else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
  }
  return out;
}

long long ns_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

void report(std::uint64_t amount, Clock::time_point start) {
  std::printf("%llu %lld\n", static_cast<unsigned long long>(amount), ns_since(start));
  std::fflush(stdout);
}

int connected(const Address& to, int type) {
  const int fd = socket(to.storage.ss_family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  return connect(fd, reinterpret_cast<const sockaddr*>(&to.storage), to.size) == 0 ? fd : -1;
}

bool send_udp(const Address& to, std::chrono::milliseconds duration) {
  const int fd = connected(to, SOCK_DGRAM);
  if (fd < 0) return false;
  std::array<char, kUdpPayload> payload{};
  iovec part{.iov_base = payload.data(), .iov_len = payload.size()};
  std::array<mmsghdr, kBatch> batch{};
  for (mmsghdr& message : batch) {
    message.msg_hdr.msg_iov = &part;
    message.msg_hdr.msg_iovlen = 1;
  }
  std::uint64_t sent = 0;
  const Clock::time_point start = Clock::now();
  while (Clock::now() - start < duration) {
    const int count = sendmmsg(fd, batch.data(), kBatch, 0);
    if (count > 0) {
      sent += static_cast<std::uint64_t>(count);
    } else if (errno != ENOBUFS && errno != ECONNREFUSED) {
      return false;
    }
  }
  report(sent, start);
  return true;
}

bool send_tcp(const Address& to, std::chrono::milliseconds duration) {
  const int fd = connected(to, SOCK_STREAM);
  if (fd < 0) return false;
  const std::vector<char> chunk(kChunk);
  std::uint64_t sent = 0;
  const Clock::time_point start = Clock::now();
  while (Clock::now() - start < duration) {
    const ssize_t count = send(fd, chunk.data(), chunk.size(), 0);
    if (count < 0) return false;
    sent += static_cast<std::uint64_t>(count);
  }
  report(sent, start);
  return close(fd) == 0;
}

// Both families by one socket; -1 with errno.
int listening(int type, std::uint16_t port) {
  const int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int off = 0;
  const int least = 1;  // the kernel makes it as large as it must be
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -1;
  if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) return -1;
  if (type == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least) != 0) {
    return -1;
  }
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  any.sin6_port = htons(port);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) return -1;
  return type == SOCK_DGRAM || listen(fd, 8) == 0 ? fd : -1;
}

// Until it is killed; returns only after an error.
void take(std::uint16_t port) {
  const int udp = listening(SOCK_DGRAM, port);
  const int tcp = listening(SOCK_STREAM, port);
  if (udp < 0 || tcp < 0) return;
  std::printf("ready\n");
  std::fflush(stdout);
  std::vector<char> chunk(kChunk);
  for (;;) {
    const int stream = accept(tcp, nullptr, nullptr);
    if (stream < 0) return;
    const Clock::time_point start = Clock::now();
    std::uint64_t taken = 0;
    for (;;) {
      const ssize_t count = recv(stream, chunk.data(), chunk.size(), 0);
      if (count <= 0) break;
      taken += static_cast<std::uint64_t>(count);
    }
    report(taken, start);
    close(stream);
  }
}

int usage() {
  std::fprintf(stderr, "usage: ip_load sink PORT | udp|tcp ADDRESS PORT MILLISECONDS\n");
  return 64;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto port_of = [](const char* text) {
    return static_cast<std::uint16_t>(std::strtoul(text, nullptr, 10));
  };
  if (argc == 3 && std::strcmp(argv[1], "sink") == 0) {
    take(port_of(argv[2]));
    std::perror("sink");
    return 1;
  }
  const bool udp = argc == 5 && std::strcmp(argv[1], "udp") == 0;
  const bool tcp = argc == 5 && std::strcmp(argv[1], "tcp") == 0;
  if (!udp && !tcp) return usage();
  const Address to = address_of(argv[2], port_of(argv[3]));
  if (to.size == 0) return usage();
  const std::chrono::milliseconds duration{std::strtol(argv[4], nullptr, 10)};
  const bool done = udp ? send_udp(to, duration) : send_tcp(to, duration);
  if (!done) std::perror(argv[2]);
  return done ? 0 : 1;
}

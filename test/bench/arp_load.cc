// Asks for one IPv4 address by ARP, over and over, in the name of one or of many senders, and times
// the answers. A program of its own, built by test/bench/programs.ts, for a packet socket:
//
//   arp_load IFNAME TARGET FIRST_SENDER SENDERS latency COUNT
//     one question at a time; prints how many were asked, and for each answer the nanoseconds
//   arp_load IFNAME TARGET FIRST_SENDER SENDERS flood WINDOW MILLISECONDS
//     as many as are answered, at most WINDOW unanswered; prints asked, answered, nanoseconds
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kFrameSize = 42;
constexpr std::chrono::milliseconds kLatencyPatience{20};
// Whatever is unanswered for so long in a flood counts as lost.
constexpr std::chrono::milliseconds kFloodPatience{20};

struct Question {
  std::uint32_t target = 0;  // host byte order, as the next
  std::uint32_t first_sender = 0;
  std::uint32_t senders = 1;
  std::array<std::uint8_t, 6> mac{};
};

void put32(std::uint8_t* to, std::uint32_t value) {
  const std::uint32_t wire = htonl(value);
  std::memcpy(to, &wire, sizeof wire);
}

std::uint32_t get32(const std::uint8_t* from) {
  std::uint32_t wire = 0;
  std::memcpy(&wire, from, sizeof wire);
  return ntohl(wire);
}

class Asker {
 public:
  Asker(int fd, const Question& question) : fd_(fd), question_(question) {
    frame_.fill(0);
    std::fill_n(frame_.begin(), 6, std::uint8_t{0xff});
    std::copy(question.mac.begin(), question.mac.end(), frame_.begin() + 6);
    constexpr std::array<std::uint8_t, 10> kRequest{0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1};
    std::copy(kRequest.begin(), kRequest.end(), frame_.begin() + 12);
    std::copy(question.mac.begin(), question.mac.end(), frame_.begin() + 22);
    put32(&frame_[38], question.target);
  }

  // The sender whose question number `i` is.
  std::uint32_t sender(std::uint64_t i) const {
    return question_.first_sender + static_cast<std::uint32_t>(i % question_.senders);
  }

  bool ask(std::uint64_t i) {
    put32(&frame_[28], sender(i));
    return send(fd_, frame_.data(), frame_.size(), 0) == static_cast<ssize_t>(frame_.size());
  }

  // The sender that the next answer is for; none: nothing came. Other frames are passed over.
  std::optional<std::uint32_t> next_answer(int flags) {
    std::array<std::uint8_t, 128> frame{};
    for (;;) {
      const ssize_t size = recv(fd_, frame.data(), frame.size(), flags);
      if (size < 0) return std::nullopt;
      const bool is_reply = size >= static_cast<ssize_t>(kFrameSize) && frame[20] == 0 &&
                            frame[21] == 2 && get32(&frame[28]) == question_.target;
      if (is_reply) return get32(&frame[38]);
    }
  }

  bool set_patience(std::chrono::milliseconds limit) const {
    const timeval value{.tv_sec = 0, .tv_usec = limit.count() * 1000};
    return setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value) == 0;
  }

 private:
  int fd_;
  Question question_;
  std::array<std::uint8_t, kFrameSize> frame_;
};

long long ns_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
}

bool measure_latency(Asker& asker, std::uint64_t count) {
  if (!asker.set_patience(kLatencyPatience)) return false;
  std::vector<long long> times;
  times.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const Clock::time_point start = Clock::now();
    if (!asker.ask(i)) return false;
    // An answer that comes too late for its own question must not answer the next.
    while (const auto answered = asker.next_answer(0)) {
      if (*answered == asker.sender(i)) {
        times.push_back(ns_since(start));
        break;
      }
      if (Clock::now() - start > kLatencyPatience) break;
    }
  }
  std::printf("%llu", static_cast<unsigned long long>(count));
  for (const long long ns : times) std::printf(" %lld", ns);
  std::printf("\n");
  return true;
}

bool measure_flood(Asker& asker, std::uint64_t window, std::chrono::milliseconds duration) {
  if (!asker.set_patience(kFloodPatience)) return false;
  std::uint64_t asked = 0;
  std::uint64_t answered = 0;
  std::uint64_t outstanding = 0;
  const Clock::time_point start = Clock::now();
  long long last_answer_ns = 0;
  for (;;) {
    const bool over = Clock::now() - start >= duration;
    if (over && outstanding == 0) break;
    while (!over && outstanding < window) {
      if (!asker.ask(asked)) {
        // A full queue: what is on its way has to be taken first.
        if (errno != ENOBUFS || outstanding == 0) return false;
        break;
      }
      ++asked;
      ++outstanding;
    }
    bool any = false;
    for (int flags = 0; asker.next_answer(flags); flags = MSG_DONTWAIT) {
      any = true;
      ++answered;
      if (outstanding > 0) --outstanding;
      // Refilled in halves, so that the responder always has something to do.
      if (outstanding <= window / 2 && !over) break;
    }
    if (any) {
      last_answer_ns = ns_since(start);
    } else {
      outstanding = 0;
    }
  }
  std::printf("%llu %llu %lld\n", static_cast<unsigned long long>(asked),
              static_cast<unsigned long long>(answered), last_answer_ns);
  return true;
}

// A packet socket for ARP on this interface, which does not see what we send; -1 with errno.
int open_socket(const char* ifname, std::array<std::uint8_t, 6>* mac) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ARP));
  if (fd < 0) return -1;
  ifreq request{};
  std::memcpy(request.ifr_name, ifname, std::min<std::size_t>(std::strlen(ifname), IFNAMSIZ - 1));
  if (ioctl(fd, SIOCGIFHWADDR, &request) != 0) return -1;
  std::memcpy(mac->data(), request.ifr_hwaddr.sa_data, mac->size());
  if (ioctl(fd, SIOCGIFINDEX, &request) != 0) return -1;
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ARP);
  address.sll_ifindex = request.ifr_ifindex;
  const int on = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) return -1;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  return fd;
}

std::optional<std::uint32_t> address_of(const char* text) {
  in_addr address{};
  if (inet_pton(AF_INET, text, &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::uint64_t number_of(const char* text) { return std::strtoull(text, nullptr, 10); }

int usage() {
  std::fprintf(stderr,
               "usage: arp_load IFNAME TARGET FIRST_SENDER SENDERS "
               "latency COUNT | flood WINDOW MILLISECONDS\n");
  return 64;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) return usage();
  const auto target = address_of(argv[2]);
  const auto first = address_of(argv[3]);
  const std::uint64_t senders = number_of(argv[4]);
  const bool latency = std::strcmp(argv[5], "latency") == 0 && argc == 7;
  const bool flood = std::strcmp(argv[5], "flood") == 0 && argc == 8;
  if (!target || !first || senders == 0 || !(latency || flood)) return usage();
  Question question{.target = *target,
                    .first_sender = *first,
                    .senders = static_cast<std::uint32_t>(senders),
                    .mac = {}};
  const int fd = open_socket(argv[1], &question.mac);
  if (fd < 0) {
    std::perror(argv[1]);
    return 1;
  }
  Asker asker(fd, question);
  const bool done = latency ? measure_latency(asker, number_of(argv[6]))
                            : measure_flood(asker, number_of(argv[6]),
                                            std::chrono::milliseconds{number_of(argv[7])});
  if (!done) std::perror("arp_load");
  return done ? 0 : 1;
}

// Pulls a cable at a known moment: takes an interface down and prints the wall clock, microseconds,
// from just before that to just after. ip(8) needs milliseconds to start, of ten that are measured.
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>

namespace {

long long wall_clock_us() {
  using std::chrono::duration_cast, std::chrono::microseconds, std::chrono::system_clock;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || std::strlen(argv[1]) >= IFNAMSIZ) {
    std::fprintf(stderr, "usage: pull IFNAME\n");
    return 64;
  }
  ifreq request{};
  std::memcpy(request.ifr_name, argv[1], std::strlen(argv[1]));
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0) {
    std::perror(argv[1]);
    return 1;
  }
  request.ifr_flags = static_cast<short>(request.ifr_flags & ~IFF_UP);
  const long long before = wall_clock_us();
  const int result = ioctl(fd, SIOCSIFFLAGS, &request);
  const long long after = wall_clock_us();
  if (result != 0) {
    std::perror(argv[1]);
    return 1;
  }
  close(fd);
  std::printf("%lld %lld\n", before, after);
  return 0;
}

// carp-janitor: outlives a carpd that was killed and takes down what it left: macvlans, VIPs on a
// carpdev, sysctls. One thread. Started by JanitorClient with a socket as standard input; it acts
// when that ends without a "finish".
//
// It links the same netlink and sysctl code as the daemon and nothing of node, so it is small
// (under 1 MB resident) and is not a likely victim of whatever killed the daemon.

#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "sys/janitor_protocol.h"
#include "sys/netlink_client.h"
#include "sys/realtime.h"

namespace carp::sys {
namespace {

constexpr int kExitRefused = 77;  // EX_NOPERM of <sysexits.h>
constexpr int kPriority = 1;

/// All that would make this host look like a MASTER goes first, all at once; then the rest.
bool clean_up(NetlinkClient& netlink, const JanitorLedger& ledger) {
  bool clean = netlink.silence_macvlans(ledger.macvlans).ok();
  clean = netlink.delete_links(ledger.macvlans).ok() && clean;
  for (const JanitorAddress& address : ledger.addresses) {
    const Status status = netlink.delete_address(address.ifindex, address.prefix);
    clean = clean && (status.ok() || status.error == EADDRNOTAVAIL || status.error == ENODEV);
  }
  for (auto change = ledger.sysctls.rbegin(); change != ledger.sysctls.rend(); ++change) {
    clean = restore_sysctl(change->path, change->ours, change->original).ok() && clean;
  }
  return clean;
}

/// Reads lines until the socket ends. A line that is too long or not understood is skipped: the
/// rest still counts.
void listen(JanitorLedger& ledger) {
  std::string pending;
  bool skipping = false;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    for (const char c : std::string_view{buffer, static_cast<std::size_t>(got)}) {
      if (c == '\n') {
        if (!skipping && !ledger.take(pending)) {
          std::fprintf(stderr, "carp-janitor: line not understood\n");
        }
        pending.clear();
        skipping = false;
      } else if (pending.size() < kJanitorLineMax) {
        pending += c;
      } else {
        skipping = true;
      }
    }
  }
}

bool has_net_admin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN)) != 0;
}

void say(const std::string& line) {
  // The other end may be gone already; the next read() will tell.
  static_cast<void>(!::send(STDIN_FILENO, line.data(), line.size(), MSG_NOSIGNAL));
}

int run() {
  // SIGABRT: a service manager's watchdog sends it to the whole group of a daemon that hangs.
  for (const int ignored : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGPIPE}) {
    ::signal(ignored, SIG_IGN);
  }
  ::prctl(PR_SET_NAME, "carp-janitor");
  // Started by hand it has no other end to tell it anything: end of input would be a sign to act on
  // nothing.
  NetlinkClient netlink;
  if (!has_net_admin()) {
    say("refused " + std::to_string(EPERM) + "\n");
    return kExitRefused;
  }
  if (const Status status = netlink.open(); !status.ok()) {
    say("refused " + std::to_string(status.error) + "\n");
    return kExitRefused;
  }
  // Where it is allowed: the host is busy when a daemon dies of memory or of a runaway process.
  static_cast<void>(try_fifo(kPriority));
  say("ready\n");
  JanitorLedger ledger;
  listen(ledger);
  if (ledger.finished) return EXIT_SUCCESS;
  const bool clean = clean_up(netlink, ledger);
  std::fprintf(stderr,
               "carp-janitor: carpd ended without a word: %zu macvlans, %zu VIPs, %zu sysctls %s\n",
               ledger.macvlans.size(), ledger.addresses.size(), ledger.sysctls.size(),
               clean ? "taken down" : "taken down in part");
  return clean ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace carp::sys

int main() { return carp::sys::run(); }

// What sys offers without any privilege: clock, timer, doorbell, poller, lock, notification,
// janitor's ledger, paths.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>
#include <thread>

#include "check.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/file_lock.h"
#include "sys/janitor_protocol.h"
#include "sys/notify.h"
#include "sys/poller.h"
#include "sys/realtime.h"
#include "sys/sysctl.h"
#include "sys/timer.h"
#include "sys/wakeup.h"

namespace {

using carp::core::Instant;
using carp::sys::DeadlineTimer;
using carp::sys::Fd;
using carp::sys::JanitorLedger;
using carp::sys::Poller;
using carp::sys::Ready;
using carp::sys::Status;
using carp::sys::Wakeup;

/// A directory of its own, gone at the end.
class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/carp-test-XXXXXX";
    if (::mkdtemp(name) != nullptr) path_ = name;
  }
  ~Scratch() {
    for (const char* file : {"/lock", "/notify", "/journal", "/journal.new"})
      ::unlink((path_ + file).c_str());
    ::rmdir(path_.c_str());
  }
  std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace

TEST(sys_status_cuts_its_target_and_never_reads_as_success) {
  const Status status = Status::failure("open", std::string(100, 'x'), 0);
  CHECK(!status.ok());
  CHECK_EQ(status.error, EIO);
  CHECK_EQ(std::strlen(status.target), sizeof status.target - 1);
}

TEST(sys_timer_fires_at_its_deadline_and_not_before) {
  DeadlineTimer timer;
  REQUIRE(timer.open().ok());
  Poller poller;
  REQUIRE(poller.open().ok());
  REQUIRE(poller.add(timer.fd(), 7).ok());
  std::array<Ready, 4> ready;
  CHECK_EQ(poller.poll(ready), std::size_t{0});
  const Instant deadline{carp::sys::monotonic_now().us + 5000};
  CHECK(timer.arm(deadline).ok());
  CHECK(!timer.drain());
  REQUIRE(poller.wait(ready) == 1);
  CHECK(carp::sys::monotonic_now() >= deadline);
  CHECK_EQ(ready[0].tag, std::uint64_t{7});
  CHECK(ready[0].readable);
  CHECK(timer.drain());
  CHECK(!timer.drain());
  // The same deadline again is in the past now: it fires at once, it is not taken for already
  // armed.
  CHECK(timer.arm(deadline).ok());
  REQUIRE(poller.wait(ready) == 1);
  CHECK(timer.arm(std::nullopt).ok());
  CHECK_EQ(poller.poll(ready), std::size_t{0});
  CHECK(timer.arm(Instant{-5}).ok());
  REQUIRE(poller.wait(ready) == 1);
}

TEST(sys_wakeup_coalesces_across_threads) {
  Wakeup wakeup;
  REQUIRE(wakeup.open().ok());
  Poller poller;
  REQUIRE(poller.open().ok());
  REQUIRE(poller.add(wakeup.fd(), 1).ok());
  std::thread ringer{[&] {
    for (int i = 0; i < 1000; ++i) wakeup.signal();
  }};
  std::array<Ready, 4> ready;
  CHECK_EQ(poller.wait(ready), std::size_t{1});
  ringer.join();
  CHECK(wakeup.drain());
  CHECK(!wakeup.drain());
  CHECK_EQ(poller.poll(ready), std::size_t{0});
  CHECK(poller.remove(wakeup.fd()).ok());
  CHECK_EQ(poller.remove(wakeup.fd()).error, ENOENT);
}

TEST(sys_file_lock_keeps_a_second_process_out) {
  const Scratch scratch;
  const std::string path = scratch.file("lock");
  carp::sys::FileLock lock;
  REQUIRE(lock.acquire(path).ok());
  CHECK_EQ(carp::sys::FileLock::holder(path), ::getpid());
  carp::sys::FileLock second;  // another open file counts like another process
  CHECK_EQ(second.acquire(path).error, EWOULDBLOCK);
  lock.release();
  CHECK(second.acquire(path).ok());
  CHECK_EQ(carp::sys::FileLock::holder(scratch.file("none")), 0);
}

TEST(sys_notify_by_path_and_by_abstract_name) {
  const Scratch scratch;
  const std::string names[] = {scratch.file("notify"), "@carp-test-" + std::to_string(::getpid())};
  for (const std::string& name : names) {
    const Fd manager{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
    CHECK(carp::sys::notify_manager(name, "READY=1\nSTATUS=MASTER").ok());
    char text[64] = {};
    CHECK_EQ(::recv(manager.get(), text, sizeof text, MSG_DONTWAIT), ssize_t{21});
    CHECK_EQ(std::string{text}, std::string{"READY=1\nSTATUS=MASTER"});
  }
  CHECK_EQ(carp::sys::notify_manager("", "READY=1").error, EINVAL);
  CHECK_EQ(carp::sys::notify_manager("relative", "READY=1").error, EINVAL);
  CHECK_EQ(carp::sys::notify_manager(std::string(200, '/'), "READY=1").error, EINVAL);
  CHECK_EQ(carp::sys::notify_manager(scratch.file("none"), "READY=1").error, ENOENT);
}

TEST(sys_peer_credentials_are_ours) {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  const Fd a{ends[0]};
  const Fd b{ends[1]};
  carp::sys::PeerCredentials peer;
  REQUIRE(carp::sys::peer_credentials(a.get(), &peer).ok());
  CHECK_EQ(peer.pid, ::getpid());
  CHECK_EQ(peer.uid, ::getuid());
  CHECK_EQ(carp::sys::peer_credentials(-1, &peer).error, EBADF);
}

TEST(sys_sysctl_paths_stay_below_proc_sys) {
  std::string value;
  for (const char* path : {"", "/etc/passwd", "../../etc/passwd", "net/../../../etc/passwd",
                           "net//ipv4", "net/./ipv4", "net/ipv4/", "..", "a\nb", "a\tb"}) {
    CHECK_EQ(carp::sys::read_sysctl(path, &value).error, EINVAL);
    CHECK_EQ(carp::sys::write_sysctl(path, "1").error, EINVAL);
  }
  CHECK(carp::sys::read_sysctl("kernel/ostype", &value).ok());
  CHECK_EQ(value, std::string{"Linux"});
  CHECK_EQ(carp::sys::read_sysctl("net/ipv4/conf/no-such-dev/rp_filter", &value).error, ENOENT);
}

TEST(sys_sysctl_of_a_vanished_interface_is_no_error) {
  CHECK(carp::sys::restore_sysctl("net/ipv4/conf/no-such-dev/rp_filter", "1", "0").ok());
  const Scratch scratch;
  const std::string path = scratch.file("journal");
  {
    const Fd journal{::open(path.c_str(), O_WRONLY | O_CREAT, 0600)};
    const std::string text =
        "net/ipv4/conf/no-such-dev/arp_ignore\t1\t0\nhalf a "
        "line\n\n../etc/passwd\ta\tb\nkernel/ostype\tx\ty\n";
    REQUIRE(::write(journal.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  carp::sys::SysctlKeeper keeper{path};
  CHECK(keeper.load_journal().ok());
  CHECK(::access(path.c_str(), F_OK) != 0);
  CHECK(keeper.load_journal().ok());
}

TEST(sys_janitor_ledger_records_and_forgets) {
  JanitorLedger ledger;
  CHECK(ledger.take("macvlan 7 carp0"));
  CHECK(ledger.take("macvlan 8 carp1"));
  CHECK(ledger.take("macvlan 7 carp0"));
  CHECK_EQ(ledger.macvlans.size(), std::size_t{2});
  CHECK(ledger.take("-macvlan 8"));
  CHECK_EQ(ledger.macvlans.size(), std::size_t{1});
  CHECK(ledger.take("address 3 0a000001/32"));
  CHECK(ledger.take("address 3 20010db8000000000000000000000001/128"));
  CHECK(ledger.take("-address 3 0a000001/32"));
  REQUIRE(ledger.addresses.size() == 1);
  CHECK(ledger.addresses[0].prefix.address.family == carp::wire::Family::kIpv6);
  CHECK(ledger.take("sysctl net/ipv4/conf/eth1/arp_ignore 1 0"));
  CHECK(ledger.take("sysctl net/ipv4/conf/eth1/arp_ignore 3 0"));
  REQUIRE(ledger.sysctls.size() == 1);
  CHECK_EQ(ledger.sysctls[0].ours, std::string{"3"});
  CHECK(ledger.take("-sysctl net/ipv4/conf/eth1/arp_ignore"));
  CHECK(ledger.sysctls.empty());
  CHECK(!ledger.finished);
  CHECK(ledger.take("finish"));
  CHECK(ledger.finished);
}

TEST(sys_janitor_ledger_refuses_nonsense) {
  JanitorLedger ledger;
  for (const char* line : {"",
                           " ",
                           "-",
                           "macvlan",
                           "macvlan x carp0",
                           "macvlan -1 carp0",
                           "macvlan 0 a",
                           "macvlan 99999999999 a",
                           "macvlan 7x a",
                           "address 3",
                           "address 3 0a0000/24",
                           "address 3 0a000001",
                           "address 3 0a000001/33",
                           "address 3 zz000001/8",
                           "address 3 0a000001/",
                           "address 0 0a000001/32",
                           "sysctl",
                           "sysctl a",
                           "sysctl a 1",
                           "finished",
                           "FINISH"}) {
    CHECK(!ledger.take(line));
  }
  CHECK(!ledger.take("macvlan 7 " + std::string(2000, 'a')));
  CHECK(ledger.macvlans.empty() && ledger.addresses.empty() && ledger.sysctls.empty() &&
        !ledger.finished);
  for (std::size_t i = 1; i <= JanitorLedger::kMaxEntries; ++i) {
    REQUIRE(ledger.take("macvlan " + std::to_string(i) + " x"));
  }
  CHECK(!ledger.take("macvlan 100000 x"));
}

TEST(sys_janitor_prefix_text_round_trip) {
  carp::wire::Prefix prefix{};
  prefix.address = carp::wire::IpAddress::from(carp::wire::Ipv4Address{{192, 168, 1, 254}});
  prefix.length = 24;
  CHECK_EQ(carp::sys::print_prefix(prefix), std::string{"c0a801fe/24"});
  CHECK(carp::sys::parse_prefix("c0a801fe/24") == prefix);
}

TEST(sys_realtime_answers_in_words) {
  // In a thread of its own: where it is granted, the test must not go on at real-time priority.
  std::thread{[] {
    const auto fifo = carp::sys::try_fifo(5);
    if (fifo.granted) {
      CHECK_EQ(fifo.text, std::string{"SCHED_FIFO 5"});
    } else {
      CHECK(fifo.text.starts_with("SCHED_OTHER: SCHED_FIFO refused (E"));
    }
    const auto wrong = carp::sys::try_fifo(100);
    CHECK(!wrong.granted);
    CHECK(wrong.text.find("EINVAL") != std::string::npos);
    const auto memory = carp::sys::try_lock_memory({});
    CHECK(memory.text.starts_with("locked "));
  }}.join();
}

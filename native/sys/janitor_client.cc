#include "sys/janitor_client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>

#include "sys/janitor_protocol.h"

namespace carp::sys {
namespace {

constexpr int kReadyTimeoutMs = 2000;

/// Everything that the child is given: its end of the socket as standard input, the null device as
/// output, our standard error, and no other descriptor.
int spawn_janitor(const std::string& executable, const std::string& title, int child_end,
                  pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  if (const int error = ::posix_spawn_file_actions_init(&actions); error != 0) return error;
  if (const int error = ::posix_spawnattr_init(&attributes); error != 0) {
    ::posix_spawn_file_actions_destroy(&actions);
    return error;
  }
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawn_file_actions_adddup2(&actions, child_end, STDIN_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  // A session of its own: neither a terminal's hang-up nor a kill of our process group reaches it.
  ::posix_spawnattr_setflags(
      &attributes,
      static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  std::string program = "carp-janitor";
  std::string argument = title;
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  char* const environment[] = {nullptr};
  // Implemented by vfork-like clone(): no copy of node's page tables, and safe among threads.
  const int error =
      ::posix_spawn(pid, executable.c_str(), &actions, &attributes, arguments, environment);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return error;
}

/// 0 when the janitor says that it is ready, else an errno value.
int await_ready(int fd) {
  char text[32] = {};
  std::size_t length = 0;
  while (length < sizeof text - 1) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = ::poll(&waiting, 1, kReadyTimeoutMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return ready == 0 ? ETIMEDOUT : errno;
    const ssize_t got = ::recv(fd, text + length, sizeof text - 1 - length, MSG_DONTWAIT);
    if (got <= 0) return got == 0 ? EPIPE : errno;
    length += static_cast<std::size_t>(got);
    if (text[length - 1] == '\n') break;
  }
  const std::string_view line{text, length};
  if (line == "ready\n") return 0;
  int error = 0;
  constexpr std::string_view kRefused = "refused ";
  if (line.starts_with(kRefused)) {
    std::from_chars(text + kRefused.size(), text + length, error);
  }
  return error > 0 ? error : EPROTO;
}

/// Moves the descriptor to the top of the table. When a process dies, the kernel finishes its
/// descriptors in the order of falling numbers (task work is last in, first out), and each packet
/// socket waits for an RCU grace period: five of them kept the janitor waiting for 55-65 ms
/// (measured). Where there is no room at the top it stays where it is.
Fd closed_first(Fd fd) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return fd;
  constexpr rlim_t kEnough = 1000;
  const rlim_t top = std::min(limit.rlim_cur, kEnough);
  const int moved = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, static_cast<int>(top) - 1);
  return moved < 0 ? std::move(fd) : Fd{moved};
}

}  // namespace

JanitorClient::~JanitorClient() {
  // Without finish() the janitor acts, which is right: whoever gave up without a word left things
  // behind.
  socket_.reset();
}

Status JanitorClient::start(const std::string& executable, std::string_view owner) {
  bury();
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return Status::failure("socketpair", "janitor", errno);
  }
  Fd ours{ends[0]};
  Fd theirs{ends[1]};
  // dup2() onto itself would keep close-on-exec; it cannot happen while 0 is open, but a daemon may
  // have closed it.
  if (theirs.get() == STDIN_FILENO) {
    theirs.reset(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  }
  pid_t pid = -1;
  if (const int error = spawn_janitor(executable, std::string{owner}, theirs.get(), &pid);
      error != 0) {
    return Status::failure("posix_spawn", executable, error);
  }
  theirs.reset();
  socket_ = closed_first(std::move(ours));
  pid_ = pid;
  if (const int error = await_ready(socket_.get()); error != 0) {
    bury();
    return Status::failure("janitor", executable, error);
  }
  return Status::success();
}

Status JanitorClient::send_line(std::string_view line) {
  if (!socket_.valid()) return Status::failure("janitor", line, ENOTCONN);
  const std::string text = std::string{line} + '\n';
  if (text.size() > kJanitorLineMax) return Status::failure("janitor", line, EMSGSIZE);
  const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(text.size())) return Status::success();
  const int error = sent < 0 ? errno : EAGAIN;
  // Half a line, or a janitor that does not read: what it knows is not what is true. Better none;
  // alive() tells.
  bury();
  return Status::failure("janitor", line, error == EAGAIN ? EPIPE : error);
}

Status JanitorClient::record_macvlan(int ifindex, std::string_view name) {
  return send_line("macvlan " + std::to_string(ifindex) + ' ' + std::string{name});
}

Status JanitorClient::forget_macvlan(int ifindex) {
  return send_line("-macvlan " + std::to_string(ifindex));
}

Status JanitorClient::record_address(int ifindex, const wire::Prefix& prefix) {
  return send_line("address " + std::to_string(ifindex) + ' ' + print_prefix(prefix));
}

Status JanitorClient::forget_address(int ifindex, const wire::Prefix& prefix) {
  return send_line("-address " + std::to_string(ifindex) + ' ' + print_prefix(prefix));
}

Status JanitorClient::record_sysctl(std::string_view path, std::string_view ours,
                                    std::string_view original) {
  std::string line = "sysctl ";
  line.append(path).append(" ").append(ours).append(" ").append(original);
  return send_line(line);
}

Status JanitorClient::forget_sysctl(std::string_view path) {
  return send_line("-sysctl " + std::string{path});
}

void JanitorClient::finish() {
  if (pid_ < 0) return;
  Status status = send_line("finish");
  if (!status.ok()) return;  // send_line() has buried it
  socket_.reset();
  // It exits at once; the wait only reaps it.
  int exit_status = 0;
  while (::waitpid(pid_, &exit_status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

bool JanitorClient::alive() {
  if (!socket_.valid()) return false;
  char unexpected[64];
  const ssize_t got = ::recv(socket_.get(), unexpected, sizeof unexpected, MSG_DONTWAIT);
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return true;
  bury();
  return false;
}

void JanitorClient::bury() {
  socket_.reset();
  if (pid_ < 0) return;
  // Killed, not asked: closing the socket would be the sign to take down what is in use.
  ::kill(pid_, SIGKILL);
  int exit_status = 0;
  while (::waitpid(pid_, &exit_status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

}  // namespace carp::sys

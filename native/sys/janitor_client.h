// JanitorClient: the engine's end of the janitor. Engine thread.
//
// The janitor is a small process of its own that outlives a killed carpd and then takes down what
// would make this host look like a MASTER that is not one. It is told beforehand what there is,
// over a socket; the end of that socket without a "finish" is the sign to act.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "sys/fd.h"
#include "sys/status.h"
#include "wire/types.h"

namespace carp::sys {

class JanitorClient {
 public:
  JanitorClient() = default;
  ~JanitorClient();
  JanitorClient(const JanitorClient&) = delete;
  JanitorClient& operator=(const JanitorClient&) = delete;

  /// Starts `executable` (absolute path of carp-janitor) and waits up to 2 s until it is ready.
  /// EPERM: it has no CAP_NET_ADMIN. `owner` appears in its process title only. After a death: call
  /// again, then record everything again.
  Status start(const std::string& executable, std::string_view owner);

  /// Each is one line that is written before the matching change is made. None blocks: EPIPE means
  /// that the janitor is dead (alive() is false from then on), ENOTCONN that it was never started.
  Status record_macvlan(int ifindex, std::string_view name);
  Status forget_macvlan(int ifindex);
  Status record_address(int ifindex, const wire::Prefix& prefix);
  Status forget_address(int ifindex, const wire::Prefix& prefix);
  Status record_sysctl(std::string_view path, std::string_view ours, std::string_view original);
  Status forget_sysctl(std::string_view path);

  /// Clean end: the janitor exits and touches nothing.
  void finish();

  /// Looks whether the janitor still lives (one non-blocking receive) and reaps it if not.
  bool alive();
  /// To poll: readable or hung up means call alive(). -1 if not running.
  int fd() const { return socket_.get(); }
  pid_t pid() const { return pid_; }

 private:
  Status send_line(std::string_view line);
  void bury();

  Fd socket_;
  pid_t pid_ = -1;
};

}  // namespace carp::sys

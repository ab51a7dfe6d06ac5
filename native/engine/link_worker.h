// What the engine wants from the kernel and does not wait for, on a thread of its own.
//
// It takes macvlans down and deletes them: either waits for an RCU grace period of the kernel,
// 15-20 ms each (measured), and a router that gives back 50 vhids must go on advertising meanwhile.
// Taking them up is quick (0.1 ms) and stays on the engine thread, because a VIP must work before
// it is announced. It also clears away what a cable that was out left in the neighbour tables,
// which may be long.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/time.h"
#include "engine/ring.h"
#include "sys/netlink_client.h"
#include "sys/status.h"
#include "sys/wakeup.h"

namespace carp::engine {

// How long a host that heard its successor still takes the frames that were on their way to it. The
// kernel queues frames for each processor, so an advertisement can overtake a ping that was sent
// before it; on a busy machine one in some thousand fail-backs lost one so (measured).
inline constexpr core::Duration kGrace = std::chrono::milliseconds{10};

// Whether a slot's macvlan shall be up now. Written by the engine before it acts, read by the
// worker before and after it takes the macvlan down: one that became MASTER again meanwhile is up
// in the end, whoever of the two the kernel served first.
using Wanted = std::shared_ptr<std::atomic<bool>>;

class LinkWorker {
 public:
  LinkWorker() = default;
  ~LinkWorker() { stop(); }
  LinkWorker(const LinkWorker&) = delete;
  LinkWorker& operator=(const LinkWorker&) = delete;

  // `on_failure` is called on the worker's thread after a failure was queued for take_failure().
  sys::Status start(std::function<void()> on_failure, int realtime_priority);
  // Finishes what is queued, then ends the thread.
  void stop();

  // Engine thread. False when the queue is full: the caller does it itself. `not_before`: until
  // then the macvlan still takes frames; it is made deaf then and taken down after. `link_dead`:
  // there is no hurry with the latter.
  bool take_down(int ifindex, const Wanted& wanted, core::Instant not_before, bool link_dead);
  bool remove(int ifindex);

  // Engine thread, when the link of a carpdev is usable again. Packets that were forwarded onto the
  // dead cable left neighbour entries without an answer, for which the kernel asks once a second; a
  // router that preempts now would not reach those clients for up to that long (a third of the
  // pings was lost, measured). Without these entries it asks at once. When the queue is full
  // nothing happens: after a second the kernel has helped itself.
  void forget_unresolved(int ifindex);

  // Engine thread: a request that failed.
  bool take_failure(sys::Status* out) { return failures_.pop(out); }

 private:
  enum class Kind : std::uint8_t { kDown, kDelete, kForget, kStop };
  struct Job {
    Kind kind = Kind::kStop;
    int ifindex = 0;
    Wanted wanted;
    core::Instant not_before;
    bool link_dead = false;
  };

  void run(int realtime_priority);
  void take_jobs();
  void silence_due();
  void take_one_down();
  void forget_one();
  void note(const sys::Status& status);
  bool push(Job&& job);

  Ring<Job, 1024> jobs_;
  Ring<sys::Status, 64> failures_;
  sys::NetlinkClient netlink_;
  // Of the worker's thread alone.
  std::deque<Job> to_silence_;
  std::deque<Job> to_take_down_;
  std::vector<int> to_delete_;
  std::vector<int> to_forget_;
  bool stopping_ = false;
  std::atomic<std::uint32_t> pending_{0};
  std::function<void()> on_failure_;
  std::thread thread_;
};

}  // namespace carp::engine

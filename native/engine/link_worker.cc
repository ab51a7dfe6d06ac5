#include "engine/link_worker.h"

#include <pthread.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "sys/clock.h"
#include "sys/realtime.h"

namespace carp::engine {

namespace {

// Taking a macvlan down holds the kernel's lock on interfaces while it waits, and the engine needs
// that lock for a moment to switch another one on, or deaf. A dead link seldom comes alone: its
// macvlans are deaf and can hear nothing anyway, so they stay up until the rest of the group is
// done (with both hosts of a lab on one kernel, a take-over waited 11 ms for the other host,
// measured). Others go down at once: a deaf macvlan that is up also swallows the advertisements of
// the new MASTER, which have its MAC as their source (kernel: macvlan_handle_frame, measured).
constexpr core::Duration kRest = std::chrono::milliseconds{100};
// How often the worker looks while it has something to wait for.
constexpr core::Duration kSlice = std::chrono::milliseconds{1};

}  // namespace

sys::Status LinkWorker::start(std::function<void()> on_failure, int realtime_priority) {
  const sys::Status status = netlink_.open();
  if (!status.ok()) return status;
  on_failure_ = std::move(on_failure);
  thread_ = std::thread([this, realtime_priority] { run(realtime_priority); });
  return status;
}

void LinkWorker::stop() {
  if (!thread_.joinable()) return;
  while (!push(Job{})) std::this_thread::yield();  // full: it is working
  thread_.join();
}

bool LinkWorker::push(Job&& job) {
  if (!jobs_.push(std::move(job))) return false;
  pending_.fetch_add(1, std::memory_order_release);
  pending_.notify_one();
  return true;
}

bool LinkWorker::take_down(int ifindex, const Wanted& wanted, core::Instant not_before,
                           bool link_dead) {
  return push(Job{Kind::kDown, ifindex, wanted, not_before, link_dead});
}

bool LinkWorker::remove(int ifindex) { return push(Job{Kind::kDelete, ifindex, nullptr, {}}); }

void LinkWorker::forget_unresolved(int ifindex) {
  (void)push(Job{Kind::kForget, ifindex, nullptr, {}});
}

void LinkWorker::run(int realtime_priority) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  sys::name_thread("carp-links");
  // Below the engine; refusal is reported by the engine for itself.
  if (realtime_priority > 1) (void)sys::try_fifo(realtime_priority - 1);
  while (true) {
    take_jobs();
    // All that is due falls deaf before anything waits for the kernel, however many there are.
    silence_due();
    const bool rested = !to_take_down_.empty() &&
                        (stopping_ || to_take_down_.front().not_before <= sys::monotonic_now());
    if (!to_forget_.empty()) {
      forget_one();  // first: it waits for nothing, and the router may be about to preempt
    } else if (rested) {
      take_one_down();
    } else if (!to_silence_.empty() || (to_delete_.empty() && !to_take_down_.empty())) {
      std::this_thread::sleep_for(kSlice);
    } else if (!to_delete_.empty()) {
      note(netlink_.delete_links(to_delete_));
      to_delete_.clear();
    } else if (stopping_) {
      return;
    } else {
      pending_.wait(0, std::memory_order_acquire);
    }
  }
}

void LinkWorker::take_jobs() {
  Job job;
  while (jobs_.pop(&job)) {
    pending_.fetch_sub(1, std::memory_order_relaxed);
    if (job.kind == Kind::kStop) stopping_ = true;
    if (job.kind == Kind::kDelete) to_delete_.push_back(job.ifindex);
    if (job.kind == Kind::kForget) to_forget_.push_back(job.ifindex);
    if (job.kind == Kind::kDown) to_silence_.push_back(std::move(job));
  }
}

void LinkWorker::silence_due() {
  const core::Instant now = sys::monotonic_now();
  std::vector<int> due;
  for (auto job = to_silence_.begin(); job != to_silence_.end();) {
    if (job->not_before > now) {
      ++job;
      continue;
    }
    if (!job->wanted->load(std::memory_order_seq_cst)) {
      due.push_back(job->ifindex);
      job->not_before = job->link_dead ? now + kRest : now;
      if (job->link_dead) {
        to_take_down_.push_back(std::move(*job));
      } else {
        to_take_down_.push_front(std::move(*job));  // before those that rest
      }
    }
    job = to_silence_.erase(job);
  }
  if (!due.empty()) note(netlink_.silence_macvlans(due));
}

void LinkWorker::take_one_down() {
  const Job job = std::move(to_take_down_.front());
  to_take_down_.pop_front();
  const auto wanted = [&job] { return job.wanted->load(std::memory_order_seq_cst); };
  if (!wanted()) note(netlink_.set_link_down(job.ifindex));
  if (wanted()) note(netlink_.open_macvlan(job.ifindex));
}

void LinkWorker::forget_one() {
  const int ifindex = to_forget_.back();
  to_forget_.pop_back();
  std::size_t removed = 0;
  note(netlink_.forget_unresolved_neighbours(ifindex, &removed));
}

void LinkWorker::note(const sys::Status& status) {
  if (status.ok() || status.error == ENODEV) return;
  if (failures_.push(sys::Status(status))) on_failure_();
}

}  // namespace carp::engine

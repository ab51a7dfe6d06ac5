#include "engine/engine.h"

#include <sched.h>

#include <semaphore>

namespace carp::engine {

namespace {

// The engine's descriptors are in a table of its own. When the process is killed, the kernel closes
// that table as soon as this one thread is gone, which is at once, and not after the last thread
// and its memory: so the janitor hears of it early. JavaScript cannot reach the sockets either. The
// descriptors that exist now (libuv's among them, which the doorbell needs) are in both tables.
// Where the kernel refuses, the table stays shared and only that head start is missing.
void separate_descriptors() { (void)unshare(CLONE_FILES); }

}  // namespace

Engine::Engine(std::function<void()> doorbell) { channel_.doorbell = std::move(doorbell); }

Engine::~Engine() {
  if (!thread_.joinable()) return;
  channel_.abandon.store(true, std::memory_order_release);
  channel_.wakeup.signal();
  thread_.join();
}

sys::Status Engine::start(const StartOptions& options) {
  sys::Status status = channel_.wakeup.open();
  if (!status.ok()) return status;
  std::binary_semaphore opened{0};
  thread_ = std::thread([this, &options, &status, &opened] {
    separate_descriptors();
    // Made and destroyed here: its descriptors mean nothing on another thread.
    Loop loop(&channel_);
    status = loop.open(options);
    const bool ok = status.ok();
    opened.release();  // from here on `options` and `status` are gone
    if (ok) loop.run();
  });
  opened.acquire();
  if (!status.ok()) thread_.join();
  return status;
}

bool Engine::submit(Command&& command) {
  if (!channel_.commands.push(std::move(command))) return false;
  channel_.wakeup.signal();
  return true;
}

bool Engine::take(Message* out) {
  if (channel_.messages.pop(out)) return true;
  // The ring is empty: let the engine go on with a snapshot that found it full.
  if (channel_.waiting_for_room.exchange(false, std::memory_order_acq_rel)) {
    channel_.wakeup.signal();
  }
  return false;
}

void Engine::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace carp::engine

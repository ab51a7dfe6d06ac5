#include "engine/engine.h"

namespace carp::engine {

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
  loop_ = std::make_unique<Loop>(&channel_);
  status = loop_->open(options);
  if (!status.ok()) {
    loop_.reset();
    return status;
  }
  thread_ = std::thread([this] { loop_->run(); });
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

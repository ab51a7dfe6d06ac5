// The engine as the binding sees it: starts and ends the real-time thread, takes commands, gives
// messages. Everything here is called on the JavaScript thread; what runs on the engine thread is
// Loop.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

#include "engine/loop.h"
#include "engine/messages.h"
#include "engine/ring.h"
#include "sys/status.h"

namespace carp::engine {

class Engine {
 public:
  // `doorbell` is called on the engine thread when there are messages; it carries nothing and may
  // coalesce.
  explicit Engine(std::function<void()> doorbell);
  ~Engine();

  // Starts the thread, which opens what it needs and cleans up after a killed predecessor. Waits
  // until that is done; on failure nothing runs.
  sys::Status start(const StartOptions& options);

  // False when the command ring is full. Never blocks.
  bool submit(Command&& command);

  // Takes one message.
  bool take(Message* out);

  // Waits for the thread; after kStopped at once.
  void join();

 private:
  Channel channel_;
  std::thread thread_;
};

}  // namespace carp::engine

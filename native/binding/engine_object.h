// The engine as a JavaScript object. JavaScript thread only; the engine thread rings the doorbell.
#pragma once

#include <napi.h>

#include <memory>

#include "engine/engine.h"

namespace carp::binding {

class EngineObject : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

 private:
  // start(options, doorbell): null, or {op, target, errno}.
  Napi::Value start(const Napi::CallbackInfo& info);
  // Each gives false when the command ring is full. The first argument is the sequence number that
  // comes back in "done".
  Napi::Value configure(const Napi::CallbackInfo& info);
  Napi::Value admin(const Napi::CallbackInfo& info);
  Napi::Value demotion(const Napi::CallbackInfo& info);
  Napi::Value snapshot(const Napi::CallbackInfo& info);
  Napi::Value stop(const Napi::CallbackInfo& info);
  // Takes all messages that are there, at most 256: an array.
  Napi::Value drain(const Napi::CallbackInfo& info);
  // After "stopped": joins the thread and lets the process end.
  Napi::Value close(const Napi::CallbackInfo& info);

  Napi::Value submit(Napi::Env env, engine::Command&& command);
  void end();

  std::unique_ptr<engine::Engine> engine_;
  Napi::ThreadSafeFunction doorbell_;
  bool has_doorbell_ = false;
  Napi::Env::CleanupHook<void (*)(EngineObject*), EngineObject> at_exit_;
};

}  // namespace carp::binding

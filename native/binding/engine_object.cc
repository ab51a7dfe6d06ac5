#include "binding/engine_object.h"

#include <atomic>

#include "binding/convert.h"
#include "binding/messages.h"

namespace carp::binding {

Napi::Function EngineObject::define(Napi::Env env) {
  return DefineClass(
      env, "Engine",
      {InstanceMethod<&EngineObject::start>("start"),
       InstanceMethod<&EngineObject::configure>("configure"),
       InstanceMethod<&EngineObject::admin>("admin"),
       InstanceMethod<&EngineObject::demotion>("demotion"),
       InstanceMethod<&EngineObject::snapshot>("snapshot"),
       InstanceMethod<&EngineObject::stop>("stop"), InstanceMethod<&EngineObject::drain>("drain"),
       InstanceMethod<&EngineObject::close>("close")});
}

EngineObject::EngineObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<EngineObject>(info),
      // A worker or process that ends without stop() must not leave the thread behind.
      at_exit_(info.Env().AddCleanupHook(
          +[](EngineObject* self) { self->end(); }, this)) {}

EngineObject::~EngineObject() {
  at_exit_.Remove(Env());
  end();
}

void EngineObject::end() {
  engine_.reset();  // stops and joins
  if (!has_doorbell_) return;
  has_doorbell_ = false;
  doorbell_.Release();
}

Napi::Value EngineObject::start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (engine_ || info.Length() < 2 || !info[0].IsObject() || !info[1].IsFunction()) {
    Napi::TypeError::New(env, "start(options, doorbell), once").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  Members members(info[0].As<Napi::Object>());
  engine::StartOptions options{
      .janitor = members.text("janitor"),
      .owner = members.text("owner"),
      .sysctl_journal = members.text("sysctlJournal"),
      .realtime_priority = static_cast<int>(members.number("realtimePriority", 0, 99)),
      .lock_memory = members.boolean("lockMemory"),
  };
  if (!members.ok()) return env.Undefined();
  doorbell_ =
      Napi::ThreadSafeFunction::New(env, info[1].As<Napi::Function>(), "carp-doorbell", 2, 1);
  has_doorbell_ = true;
  // A queue of two and dropped rings: the doorbell only says "look", and one that is waiting says
  // it for all.
  engine_ = std::make_unique<engine::Engine>([this] {
    if (has_doorbell_) (void)doorbell_.NonBlockingCall();
  });
  const sys::Status status = engine_->start(options);
  if (!status.ok()) end();
  return to_value(env, status);
}

Napi::Value EngineObject::submit(Napi::Env env, engine::Command&& command) {
  if (!engine_) {
    Napi::Error::New(env, "the engine does not run").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return Napi::Boolean::New(env, engine_->submit(std::move(command)));
}

Napi::Value EngineObject::configure(const Napi::CallbackInfo& info) {
  engine::Command command;
  command.kind = engine::CommandKind::kConfigure;
  command.sequence = info[0].ToNumber().Uint32Value();
  command.config = read_config(info[1]);
  if (info.Env().IsExceptionPending()) return info.Env().Undefined();
  return submit(info.Env(), std::move(command));
}

Napi::Value EngineObject::admin(const Napi::CallbackInfo& info) {
  engine::Command command;
  command.kind = engine::CommandKind::kAdmin;
  command.sequence = info[0].ToNumber().Uint32Value();
  command.name = engine::to_array<16>(info[1].ToString().Utf8Value());
  command.action =
      parse_action(info[2].ToString().Utf8Value()).value_or(core::AdminAction::kBackup);
  return submit(info.Env(), std::move(command));
}

Napi::Value EngineObject::demotion(const Napi::CallbackInfo& info) {
  engine::Command command;
  command.kind = engine::CommandKind::kDemotion;
  command.sequence = info[0].ToNumber().Uint32Value();
  command.reason = engine::to_array<core::kReasonSize>(info[1].ToString().Utf8Value());
  command.level = info[2].ToNumber().Int32Value();
  command.group = engine::to_array<16>(info[3].ToString().Utf8Value());
  return submit(info.Env(), std::move(command));
}

Napi::Value EngineObject::snapshot(const Napi::CallbackInfo& info) {
  engine::Command command;
  command.kind = engine::CommandKind::kSnapshot;
  command.sequence = info[0].ToNumber().Uint32Value();
  return submit(info.Env(), std::move(command));
}

Napi::Value EngineObject::stop(const Napi::CallbackInfo& info) {
  engine::Command command;
  command.kind = engine::CommandKind::kStop;
  return submit(info.Env(), std::move(command));
}

Napi::Value EngineObject::drain(const Napi::CallbackInfo& info) {
  constexpr std::uint32_t kMost = 256;
  const Napi::Env env = info.Env();
  Napi::Array out = Napi::Array::New(env);
  if (!engine_) return out;
  engine::Message message;
  for (std::uint32_t n = 0; n < kMost && engine_->take(&message); ++n) {
    out.Set(n, to_value(env, message));
  }
  return out;
}

Napi::Value EngineObject::close(const Napi::CallbackInfo& info) {
  if (engine_) engine_->join();
  end();
  return info.Env().Undefined();
}

}  // namespace carp::binding

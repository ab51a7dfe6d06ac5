#include "binding/tools.h"

#include <net/if.h>

#include <memory>

#include "binding/convert.h"
#include "sys/capture.h"
#include "sys/file_lock.h"
#include "sys/notify.h"
#include "sys/ping.h"

namespace carp::binding {

namespace {

constexpr double kNsPerUs = 1000.0;

// lockFile(path): {error, holder, release}. `error` is null when the lock is ours, which it stays
// until release() or the end of the process; `holder` is the pid of whoever has it.
Napi::Value lock_file(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = info[0].ToString().Utf8Value();
  auto lock = std::make_shared<sys::FileLock>();
  const sys::Status status = lock->acquire(path);
  Napi::Object out = Napi::Object::New(env);
  out.Set("error", to_value(env, status));
  out.Set("holder", status.ok() ? 0 : sys::FileLock::holder(path));
  out.Set("release", Napi::Function::New(env, [lock](const Napi::CallbackInfo& i) {
            lock->release();
            return i.Env().Undefined();
          }));
  return out;
}

// notifyManager(socketPath, message): null or {op, target, errno}.
Napi::Value notify_manager(const Napi::CallbackInfo& info) {
  return to_value(info.Env(), sys::notify_manager(info[0].ToString().Utf8Value(),
                                                  info[1].ToString().Utf8Value()));
}

// peerCredentials(fd): {pid, uid, gid} or null.
Napi::Value peer_credentials(const Napi::CallbackInfo& info) {
  sys::PeerCredentials credentials;
  const sys::Status status = sys::peer_credentials(info[0].ToNumber().Int32Value(), &credentials);
  if (!status.ok()) return info.Env().Null();
  Napi::Object out = Napi::Object::New(info.Env());
  out.Set("pid", credentials.pid);
  out.Set("uid", credentials.uid);
  out.Set("gid", credentials.gid);
  return out;
}

class ProberObject : public Napi::ObjectWrap<ProberObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Prober",
                       {InstanceMethod<&ProberObject::start>("start"),
                        InstanceMethod<&ProberObject::results>("results"),
                        InstanceMethod<&ProberObject::stop>("stop")});
  }
  explicit ProberObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ProberObject>(info) {}

 private:
  // start({address, perSecond, capacity, ifname}): null or {op, target, errno}.
  Napi::Value start(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsObject()) return env.Undefined();
    Members m(info[0].As<Napi::Object>());
    sys::ProbeConfig config;
    config.destination = m.address("address");
    config.per_second = static_cast<std::uint32_t>(m.number("perSecond", 1, 2000));
    config.capacity = static_cast<std::uint32_t>(m.number("capacity", 1, 4'000'000));
    const std::string ifname = m.text("ifname");
    if (!m.ok()) return env.Undefined();
    if (!ifname.empty()) config.ifindex = static_cast<int>(if_nametoindex(ifname.c_str()));
    return to_value(env, prober_.start(config));
  }
  // results(first): [{sequence, sentAtUs, sentRealtimeUs, receivedAtUs | null, fate}]
  Napi::Value results(const Napi::CallbackInfo& info) {
    static constexpr std::array<const char*, 4> kFates{"waiting", "answered", "lost",
                                                       "send failed"};
    const Napi::Env env = info.Env();
    const std::uint32_t first = info[0].IsNumber() ? info[0].ToNumber().Uint32Value() : 0;
    const std::vector<sys::Probe> probes = prober_.results(first);
    Napi::Array out = Napi::Array::New(env, probes.size());
    for (std::uint32_t i = 0; i < probes.size(); ++i) {
      const sys::Probe& probe = probes[i];
      Napi::Object o = Napi::Object::New(env);
      o.Set("sequence", first + i);
      o.Set("sentAtUs", static_cast<double>(probe.sent_monotonic_ns) / kNsPerUs);
      o.Set("sentRealtimeUs", static_cast<double>(probe.sent_realtime_ns) / kNsPerUs);
      o.Set("receivedAtUs",
            probe.fate == sys::ProbeFate::kAnswered
                ? Napi::Value(Napi::Number::New(
                      env, static_cast<double>(probe.answered_monotonic_ns) / kNsPerUs))
                : Napi::Value(env.Null()));
      o.Set("fate", kFates[static_cast<std::size_t>(probe.fate)]);
      out.Set(i, o);
    }
    return out;
  }
  Napi::Value stop(const Napi::CallbackInfo& info) {
    prober_.stop();
    return info.Env().Undefined();
  }
  sys::Prober prober_;
};

class CaptureObject : public Napi::ObjectWrap<CaptureObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Capture",
                       {InstanceMethod<&CaptureObject::start>("start"),
                        InstanceMethod<&CaptureObject::frames>("frames"),
                        InstanceMethod<&CaptureObject::lost>("lost"),
                        InstanceMethod<&CaptureObject::stop>("stop")});
  }
  explicit CaptureObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CaptureObject>(info) {}

 private:
  // start({ifname, path, protocolsOnly}): null or {op, target, errno}.
  Napi::Value start(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsObject()) return env.Undefined();
    Members m(info[0].As<Napi::Object>());
    sys::CaptureConfig config;
    config.path = m.text("path");
    config.protocols_only = m.boolean("protocolsOnly");
    const std::string ifname = m.text("ifname");
    if (!m.ok()) return env.Undefined();
    config.ifindex = static_cast<int>(if_nametoindex(ifname.c_str()));
    if (config.ifindex == 0) {
      return to_value(env, sys::Status::failure("capture", ifname, ENODEV));
    }
    return to_value(env, capture_.start(config));
  }
  Napi::Value frames(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(capture_.frames()));
  }
  Napi::Value lost(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(capture_.lost()));
  }
  // Flushes; null, or {op, target, errno} of a write that failed.
  Napi::Value stop(const Napi::CallbackInfo& info) {
    capture_.stop();
    const int error = capture_.write_error();
    return to_value(info.Env(), error == 0 ? sys::Status::success()
                                           : sys::Status::failure("write", "capture", error));
  }
  sys::Capture capture_;
};

}  // namespace

void define_tools(Napi::Env env, Napi::Object exports) {
  exports.Set("lockFile", Napi::Function::New<lock_file>(env));
  exports.Set("notifyManager", Napi::Function::New<notify_manager>(env));
  exports.Set("peerCredentials", Napi::Function::New<peer_credentials>(env));
  exports.Set("Prober", ProberObject::define(env));
  exports.Set("Capture", CaptureObject::define(env));
}

}  // namespace carp::binding

#include "binding/messages.h"

#include "binding/convert.h"

namespace carp::binding {

namespace {

using core::EventKind;
using engine::Message;
using engine::MessageKind;

std::string optional_address(const wire::IpAddress& address) {
  return address.is_unspecified() ? std::string() : to_text(address);
}

engine::VhostSpec read_vhost(const Napi::Object& object) {
  Members m(object);
  engine::VhostSpec spec;
  spec.name = m.text("name");
  spec.carpdev = m.text("carpdev");
  core::VhostConfig& config = spec.config;
  config.vhid = static_cast<std::uint8_t>(m.number("vhid", 1, 255));
  config.advbase_s = static_cast<std::uint8_t>(m.number("advbase", 0, 255));
  config.advskew = static_cast<std::uint8_t>(m.number("advskew", 0, 254));
  config.enabled = m.boolean("enabled");
  config.profile =
      m.text("profile") == "openbsd" ? core::Profile::kOpenbsd : core::Profile::kFreebsd;
  config.mac = m.text("mac") == "physical" ? core::MacMode::kPhysical : core::MacMode::kVirtual;
  config.key = m.key("key");
  config.vips = m.prefixes("addresses");
  for (const wire::Prefix& peer : m.prefixes("peers")) config.peers.push_back(peer.address);
  config.counter = m.bigint("counter");
  return spec;
}

Napi::Object fault_object(Napi::Env env, const engine::Fault& fault) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("code", std::string(text_of(fault.code)));
  out.Set("op", std::string(text_of(fault.op)));
  out.Set("target", std::string(text_of(fault.target)));
  out.Set("errno", fault.error);
  return out;
}

Napi::Object peer_object(Napi::Env env, const core::Peer& peer) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("address", to_text(peer.address));
  out.Set("advbase", peer.advbase_s);
  out.Set("advskew", peer.advskew);
  out.Set("demotion", peer.demotion);
  out.Set("lastHeardAt", to_value(env, peer.last));
  out.Set("heard", static_cast<double>(peer.heard));
  out.Set("counterClass", name_of(env, core::kPeerClassNames, peer.counter_class));
  return out;
}

template <typename Names, typename Values>
Napi::Object counters_object(Napi::Env env, const Names& names, const Values& values) {
  Napi::Object out = Napi::Object::New(env);
  for (std::size_t i = 0; i < names.size(); ++i) {
    out.Set(std::string(names[i]), static_cast<double>(values[i]));
  }
  return out;
}

Napi::Object end_object(Napi::Env env, const engine::SnapshotEnd& end) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("demotion", end.demotion);
  Napi::Object scheduling = Napi::Object::New(env);
  scheduling.Set("scheduler", std::string(text_of(end.scheduler)));
  scheduling.Set("realtime", end.realtime);
  scheduling.Set("memory", std::string(text_of(end.memory)));
  scheduling.Set("memoryLocked", end.memory_locked);
  const auto count = static_cast<double>(end.late_count);
  scheduling.Set("lateCount", count);
  scheduling.Set("lateMeanUs",
                 end.late_count > 0 ? static_cast<double>(end.late_sum_us) / count : 0.0);
  scheduling.Set("lateMaxUs", static_cast<double>(end.late_max_us));
  scheduling.Set("lateP99Us", static_cast<double>(end.late_p99_us));
  out.Set("scheduling", scheduling);
  return out;
}

}  // namespace

Napi::Object event_object(Napi::Env env, const Message& message) {
  const core::Event& event = message.event;
  Napi::Object out = Napi::Object::New(env);
  out.Set("at", to_value(env, event.at));
  const std::string name(text_of(message.name));
  const std::string carpdev(text_of(message.carpdev));
  const std::string peer = event.has_peer ? to_text(event.peer) : std::string();
  switch (event.kind) {
    case EventKind::kVhostState:
      out.Set("kind", "vhostState");
      out.Set("name", name);
      out.Set("carpdev", carpdev);
      out.Set("vhid", event.vhid);
      out.Set("from", name_of(env, core::kVhostStateNames, event.from));
      out.Set("to", name_of(env, core::kVhostStateNames, event.to));
      out.Set("cause", name_of(env, core::kCauseNames, event.cause));
      out.Set("peer", peer);
      break;
    case EventKind::kHandover:
      out.Set("kind", "handover");
      out.Set("name", name);
      out.Set("phase", name_of(env, core::kHandoverPhaseNames, event.phase));
      out.Set("peer", peer);
      break;
    case EventKind::kLink:
      out.Set("kind", "link");
      out.Set("carpdev", carpdev);
      out.Set("present", event.present);
      out.Set("adminUp", event.admin_up);
      out.Set("carrier", event.carrier);
      break;
    case EventKind::kDemotion:
      out.Set("kind", "demotion");
      out.Set("reason", std::string(text_of(event.reason)));
      out.Set("level", event.level);
      out.Set("total", event.total);
      break;
    case EventKind::kAlarm:
      out.Set("kind", "alarm");
      out.Set("carpdev", carpdev);
      out.Set("vhid", event.vhid);
      out.Set("alarm", name_of(env, core::kAlarmNames, event.alarm));
      out.Set("peer", peer);
      out.Set("count", event.count);
      break;
    case EventKind::kCounterEpoch:
      out.Set("kind", "counterEpoch");
      out.Set("epoch", event.count);
      break;
    case EventKind::kEventsLost:
      out.Set("kind", "eventsLost");
      out.Set("count", event.count);
      break;
  }
  return out;
}

Napi::Object to_object(Napi::Env env, const engine::VhostRecord& v) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("name", std::string(text_of(v.name)));
  out.Set("carpdev", std::string(text_of(v.carpdev)));
  out.Set("vhid", v.vhid);
  out.Set("state", name_of(env, core::kVhostStateNames, v.state));
  out.Set("enabled", v.enabled);
  out.Set("handingOver", v.handing_over);
  out.Set("advbase", v.advbase_s);
  out.Set("advskew", v.advskew);
  out.Set("effectiveAdvskew", v.effective_advskew);
  out.Set("since", to_value(env, v.since));
  out.Set("cause", name_of(env, core::kCauseNames, v.cause));
  out.Set("nextAdvertisementAt",
          v.has_next ? to_value(env, v.next_advertisement) : Napi::Value(env.Null()));
  out.Set("masterDownAt", v.has_down ? to_value(env, v.master_down) : Napi::Value(env.Null()));
  Napi::Array peers = Napi::Array::New(env, v.peer_count);
  for (std::uint32_t i = 0; i < v.peer_count; ++i) peers.Set(i, peer_object(env, v.peers[i]));
  out.Set("peers", peers);
  out.Set("master", v.master >= 0 ? peers.Get(static_cast<std::uint32_t>(v.master))
                                  : Napi::Value(env.Null()));
  out.Set("virtualMac", to_text(v.mac));
  out.Set("source4", optional_address(v.source4));
  out.Set("source6", optional_address(v.source6));
  out.Set("transitions", v.transitions);
  out.Set("counters", counters_object(env, core::kVhostCounterNames, v.counters));
  return out;
}

Napi::Object to_object(Napi::Env env, const engine::CarpdevRecord& port) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("carpdev", std::string(text_of(port.name)));
  out.Set("ifindex", port.ifindex);
  out.Set("present", port.link.present);
  out.Set("adminUp", port.link.admin_up);
  out.Set("carrier", port.link.carrier);
  out.Set("mac", to_text(port.mac));
  Napi::Array addresses = Napi::Array::New(env, port.address_count);
  for (std::uint32_t i = 0; i < port.address_count; ++i) {
    const wire::Prefix& p = port.addresses[i];
    addresses.Set(i, to_text(p.address) + "/" + std::to_string(p.length));
  }
  out.Set("addresses", addresses);
  Napi::Object counters = counters_object(env, core::kDevCounterNames, port.counters);
  counters.Set("kernelDrops", static_cast<double>(port.kernel_drops));
  out.Set("counters", counters);
  return out;
}

std::optional<core::AdminAction> parse_action(const std::string& text) {
  if (text == "up") return core::AdminAction::kUp;
  if (text == "down") return core::AdminAction::kDown;
  if (text == "master") return core::AdminAction::kMaster;
  if (text == "backup") return core::AdminAction::kBackup;
  return std::nullopt;
}

std::unique_ptr<engine::EngineConfig> read_config(const Napi::Value& value) {
  const Napi::Env env = value.Env();
  if (!value.IsObject() || !value.As<Napi::Object>().Get("vhosts").IsArray()) {
    Napi::TypeError::New(env, "an engine configuration is wanted").ThrowAsJavaScriptException();
    return nullptr;
  }
  const Napi::Object object = value.As<Napi::Object>();
  auto config = std::make_unique<engine::EngineConfig>();
  Members m(object);
  config->options.preempt = m.boolean("preempt");
  config->options.ifdown_demotion = static_cast<std::int32_t>(m.number("ifdownDemotion", 0, 255));
  config->options.senderr_demotion = static_cast<std::int32_t>(m.number("senderrDemotion", 0, 255));
  config->options.handover_limit =
      std::chrono::milliseconds{m.number("handoverLimitMs", 0, 60'000)};
  const auto vhosts = object.Get("vhosts").As<Napi::Array>();
  for (std::uint32_t i = 0; i < vhosts.Length() && m.ok(); ++i) {
    const Napi::Value vhost = vhosts.Get(i);
    if (!vhost.IsObject()) {
      Napi::TypeError::New(env, "vhosts must hold objects").ThrowAsJavaScriptException();
      return nullptr;
    }
    config->vhosts.push_back(read_vhost(vhost.As<Napi::Object>()));
  }
  return config;
}

Napi::Value to_value(Napi::Env env, const Message& message) {
  Napi::Object out = Napi::Object::New(env);
  switch (message.kind) {
    case MessageKind::kEvent:
      out.Set("type", "event");
      out.Set("event", event_object(env, message));
      break;
    case MessageKind::kFault: {
      out.Set("type", "event");
      Napi::Object event = fault_object(env, message.fault);
      event.Set("kind", "fault");
      event.Set("at", to_value(env, message.at));
      out.Set("event", event);
      break;
    }
    case MessageKind::kDone:
      out.Set("type", "done");
      out.Set("error", fault_object(env, message.fault));
      break;
    case MessageKind::kVhost:
      out.Set("type", "vhost");
      out.Set("vhost", to_object(env, message.vhost));
      break;
    case MessageKind::kCarpdev:
      out.Set("type", "carpdev");
      out.Set("carpdev", to_object(env, message.port));
      break;
    case MessageKind::kDemotion: {
      out.Set("type", "demotion");
      Napi::Object demotion = Napi::Object::New(env);
      demotion.Set("reason", std::string(text_of(message.demotion.reason)));
      demotion.Set("level", message.demotion.level);
      demotion.Set("since", to_value(env, message.demotion.since));
      out.Set("demotion", demotion);
      break;
    }
    case MessageKind::kSnapshotEnd:
      out.Set("type", "end");
      out.Set("at", to_value(env, message.at));
      out.Set("end", end_object(env, message.end));
      break;
    case MessageKind::kStopped:
      out.Set("type", "stopped");
      break;
  }
  out.Set("sequence", message.sequence);
  return out;
}

}  // namespace carp::binding

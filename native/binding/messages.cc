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
  config.group = engine::to_array<16>(m.text("group"));
  config.balance_rank = static_cast<std::uint16_t>(m.number("balanceRank", 0, 65'535));
  config.counter = m.bigint("counter");
  return spec;
}

engine::LinkTrack read_track(const Napi::Object& object) {
  Members m(object);
  return {.reason = m.text("reason"),
          .ifname = m.text("interface"),
          .level = static_cast<std::int32_t>(m.number("level", 1, 255)),
          .group = m.text("group")};
}

// Calls `read` for each object of the array `name`; false after having thrown a TypeError.
template <typename F>
bool each_object(const Napi::Object& parent, const char* name, F read) {
  const Napi::Value value = parent.Get(name);
  const Napi::Env env = parent.Env();
  if (!value.IsArray()) {
    Napi::TypeError::New(env, std::string(name) + " must be an array").ThrowAsJavaScriptException();
    return false;
  }
  const auto array = value.As<Napi::Array>();
  for (std::uint32_t i = 0; i < array.Length() && !env.IsExceptionPending(); ++i) {
    const Napi::Value element = array.Get(i);
    if (!element.IsObject()) {
      Napi::TypeError::New(env, std::string(name) + " must hold objects")
          .ThrowAsJavaScriptException();
      return false;
    }
    read(element.As<Napi::Object>());
  }
  return !env.IsExceptionPending();
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
      out.Set("group", std::string(text_of(event.group)));
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
  out.Set("group", std::string(text_of(v.group)));
  out.Set("demotion", v.demotion);
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
  out.Set("upAt", port.has_up_at ? to_value(env, port.up_at) : Napi::Value(env.Null()));
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

Napi::Object to_object(Napi::Env env, const engine::DemotionRecord& demotion) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("reason", std::string(text_of(demotion.reason)));
  out.Set("level", demotion.level);
  out.Set("since", to_value(env, demotion.since));
  out.Set("groups", std::string(text_of(demotion.groups)));
  return out;
}

Napi::Object to_object(Napi::Env env, const engine::BalanceRecord& balance) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("carpdev", std::string(text_of(balance.carpdev)));
  out.Set("address", to_text(balance.vip));
  out.Set("index", balance.index);
  out.Set("members", balance.members);
  out.Set("name", std::string(text_of(balance.name)));
  out.Set("vhid", balance.vhid);
  out.Set("requests", static_cast<double>(balance.requests));
  out.Set("answers", static_cast<double>(balance.answers));
  return out;
}

Napi::Object to_object(Napi::Env env, const engine::TrackRecord& track) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("reason", std::string(text_of(track.reason)));
  out.Set("interface", std::string(text_of(track.ifname)));
  out.Set("present", track.link.present);
  out.Set("adminUp", track.link.admin_up);
  out.Set("carrier", track.link.carrier);
  out.Set("since", to_value(env, track.since));
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
  if (!value.IsObject()) {
    Napi::TypeError::New(env, "an engine configuration is wanted").ThrowAsJavaScriptException();
    return nullptr;
  }
  const Napi::Object object = value.As<Napi::Object>();
  auto config = std::make_unique<engine::EngineConfig>();
  Members m(object);
  config->options.preempt = m.boolean("preempt");
  config->options.arpbalance = m.boolean("arpbalance");
  config->options.balance_hash = m.text("balanceHash") == "sender-mac"
                                     ? core::BalanceHash::kSenderMac
                                     : core::BalanceHash::kSourceIp;
  config->options.fast_takeover = m.boolean("fastTakeover");
  config->options.link_up_delay =
      std::chrono::milliseconds{m.number("linkUpDelayMs", 0, 3'600'000)};
  config->options.ifdown_demotion = static_cast<std::int32_t>(m.number("ifdownDemotion", 0, 255));
  config->options.senderr_demotion = static_cast<std::int32_t>(m.number("senderrDemotion", 0, 255));
  config->options.handover_limit =
      std::chrono::milliseconds{m.number("handoverLimitMs", 0, 60'000)};
  const bool read =
      each_object(object, "vhosts",
                  [&](const Napi::Object& o) { config->vhosts.push_back(read_vhost(o)); }) &&
      each_object(object, "linkTracks",
                  [&](const Napi::Object& o) { config->tracks.push_back(read_track(o)); });
  if (!read) return nullptr;
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
    case MessageKind::kDemotion:
      out.Set("type", "demotion");
      out.Set("demotion", to_object(env, message.demotion));
      break;
    case MessageKind::kBalance:
      out.Set("type", "balance");
      out.Set("balance", to_object(env, message.balance));
      break;
    case MessageKind::kTrack:
      out.Set("type", "track");
      out.Set("track", to_object(env, message.track));
      break;
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

#include "binding/simulation.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "binding/convert.h"
#include "binding/messages.h"
#include "engine/record.h"
#include "sim/network.h"
#include "wire/bytes.h"

namespace carp::binding {

namespace {

// One day in one call is far more than any story asks for.
constexpr double kLongestRunUs = 86'400e6;
constexpr std::int64_t kSlowestPingUs = 60'000'000;

// The names that JavaScript calls things by; the network knows numbers.
struct HostNames {
  std::vector<std::string> carpdevs;
  std::vector<std::string> vhosts;
  std::vector<core::CarpdevId> vhost_carpdev;
};

void append_record(std::vector<std::uint8_t>* out, core::Instant at,
                   std::span<const std::uint8_t> frame) {
  std::array<std::uint8_t, 16> head{};
  wire::Writer w(head);
  w.u32(static_cast<std::uint32_t>(at.us / 1'000'000));
  w.u32(static_cast<std::uint32_t>(at.us % 1'000'000));
  w.u32(static_cast<std::uint32_t>(frame.size()));
  w.u32(static_cast<std::uint32_t>(frame.size()));
  out->insert(out->end(), head.begin(), head.end());
  out->insert(out->end(), frame.begin(), frame.end());
}

class SimulationObject : public Napi::ObjectWrap<SimulationObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    using S = SimulationObject;
    return DefineClass(
        env, "Simulation",
        {InstanceMethod<&S::add_segment>("addSegment"), InstanceMethod<&S::add_host>("addHost"),
         InstanceMethod<&S::add_client>("addClient"), InstanceMethod<&S::boot>("boot"),
         InstanceMethod<&S::crash>("crash"), InstanceMethod<&S::set_plugged>("setPlugged"),
         InstanceMethod<&S::set_admin_up>("setAdminUp"), InstanceMethod<&S::admin>("admin"),
         InstanceMethod<&S::snapshot>("snapshot"), InstanceMethod<&S::events>("events"),
         InstanceMethod<&S::ping>("ping"), InstanceMethod<&S::stop_ping>("stopPing"),
         InstanceMethod<&S::ping_results>("pingResults"),
         InstanceMethod<&S::neighbour>("neighbour"),
         InstanceMethod<&S::start_capture>("startCapture"),
         InstanceMethod<&S::take_capture>("takeCapture"),
         InstanceMethod<&S::violations>("violations"), InstanceMethod<&S::run_for>("runFor"),
         InstanceMethod<&S::now>("now")});
  }
  explicit SimulationObject(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<SimulationObject>(info) {}

 private:
  // --- arguments: each gives nothing after having thrown ---------------------------------------

  static void refuse(const Napi::CallbackInfo& info, const std::string& message) {
    if (info.Env().IsExceptionPending()) return;
    Napi::RangeError::New(info.Env(), message).ThrowAsJavaScriptException();
  }
  static std::optional<std::size_t> index(const Napi::CallbackInfo& info, std::size_t argument,
                                          std::size_t count, const char* what) {
    if (info[argument].IsNumber()) {
      const std::int64_t number = info[argument].As<Napi::Number>().Int64Value();
      if (number >= 0 && static_cast<std::size_t>(number) < count) {
        return static_cast<std::size_t>(number);
      }
    }
    refuse(info, std::string("there is no such ") + what);
    return std::nullopt;
  }
  static std::string text_argument(const Napi::Value& value) {
    return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
  }
  static std::optional<wire::IpAddress> address_of(const Napi::Value& value) {
    return parse_address(text_argument(value));
  }
  std::optional<sim::HostId> host(const Napi::CallbackInfo& info) {
    return index(info, 0, names_.size(), "host");
  }
  // Of a host that runs, if `running`; of one that is off, if not.
  std::optional<sim::HostId> host(const Napi::CallbackInfo& info, bool running) {
    const auto id = host(info);
    if (!id || network_.running(*id) == running) return id;
    refuse(info, running ? "the host is off" : "the host runs already");
    return std::nullopt;
  }
  static std::optional<std::size_t> named(const Napi::CallbackInfo& info, std::size_t argument,
                                          const std::vector<std::string>& names) {
    const std::string name = text_argument(info[argument]);
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return i;
    }
    refuse(info, "there is no " + name + " on this host");
    return std::nullopt;
  }

  // --- topology --------------------------------------------------------------------------------

  // addSegment(): number
  Napi::Value add_segment(const Napi::CallbackInfo& info) {
    captures_.emplace_back();
    return Napi::Number::New(info.Env(), static_cast<double>(network_.add_segment()));
  }

  // addHost(config, [{name, segment, mac, addresses}]): number. The host is off.
  Napi::Value add_host(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::unique_ptr<engine::EngineConfig> config = read_config(info[0]);
    if (env.IsExceptionPending() || !config) return env.Undefined();
    if (!info[1].IsArray()) {
      refuse(info, "addHost(config, carpdevs)");
      return env.Undefined();
    }
    struct Dev {
      sim::SegmentId segment;
      core::CarpdevConfig config;
    };
    std::vector<Dev> devs;
    HostNames names;
    const auto list = info[1].As<Napi::Array>();
    for (std::uint32_t i = 0; i < list.Length(); ++i) {
      const Napi::Value item = list.Get(i);
      if (!item.IsObject()) {
        refuse(info, "carpdevs must hold objects");
        return env.Undefined();
      }
      Members m(item.As<Napi::Object>());
      names.carpdevs.push_back(m.text("name"));
      const auto last = static_cast<std::int64_t>(captures_.size()) - 1;
      devs.push_back({.segment = static_cast<sim::SegmentId>(m.number("segment", 0, last)),
                      .config = {.mac = m.mac("mac"), .addresses = m.prefixes("addresses")}});
      if (!m.ok()) return env.Undefined();
    }
    for (const engine::VhostSpec& spec : config->vhosts) {
      std::size_t dev = 0;
      while (dev < names.carpdevs.size() && names.carpdevs[dev] != spec.carpdev) ++dev;
      if (dev == names.carpdevs.size()) {
        refuse(info, spec.name + ": the host has no " + spec.carpdev);
        return env.Undefined();
      }
      names.vhosts.push_back(spec.name);
      names.vhost_carpdev.push_back(static_cast<core::CarpdevId>(dev));
    }
    const sim::HostId id = network_.add_host(config->options);
    for (std::size_t i = 0; i < devs.size(); ++i) {
      network_.add_carpdev(id, devs[i].segment, devs[i].config, names.carpdevs[i]);
    }
    for (std::size_t i = 0; i < config->vhosts.size(); ++i) {
      network_.add_vhost(id, names.vhost_carpdev[i], config->vhosts[i].config);
    }
    names_.push_back(std::move(names));
    return Napi::Number::New(env, static_cast<double>(id));
  }

  // addClient({segment, mac, address, gateway}): number; gateway "": everything is on the segment.
  Napi::Value add_client(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsObject()) {
      refuse(info, "addClient(options)");
      return env.Undefined();
    }
    Members m(info[0].As<Napi::Object>());
    const auto last = static_cast<std::int64_t>(captures_.size()) - 1;
    const auto segment = static_cast<sim::SegmentId>(m.number("segment", 0, last));
    const wire::MacAddress mac = m.mac("mac");
    const auto own = parse_prefix(m.text("address"));
    const std::string gateway = m.text("gateway");
    const auto router = parse_address(gateway);
    if (!own || (!router && !gateway.empty())) refuse(info, "address and gateway are IP addresses");
    if (env.IsExceptionPending()) return env.Undefined();
    const sim::ClientId id = network_.add_client(segment, mac, own->address);
    if (router) network_.set_gateway(id, *own, *router);
    ++clients_;
    return Napi::Number::New(env, static_cast<double>(id));
  }

  // --- hosts -----------------------------------------------------------------------------------

  // boot(host): carpd starts.
  Napi::Value boot(const Napi::CallbackInfo& info) {
    if (const auto id = host(info, false)) network_.boot(*id);
    return info.Env().Undefined();
  }

  // crash(host): carpd and its addresses are gone at once.
  Napi::Value crash(const Napi::CallbackInfo& info) {
    if (const auto id = host(info, true)) network_.crash(*id);
    return info.Env().Undefined();
  }

  // setPlugged(host, carpdev, plugged)
  Napi::Value set_plugged(const Napi::CallbackInfo& info) {
    const auto id = host(info);
    const auto dev = id ? named(info, 1, names_[*id].carpdevs) : std::nullopt;
    if (dev) {
      network_.set_plugged(network_.port(*id, static_cast<core::CarpdevId>(*dev)),
                           info[2].ToBoolean().Value());
    }
    return info.Env().Undefined();
  }

  // setAdminUp(host, carpdev, up)
  Napi::Value set_admin_up(const Napi::CallbackInfo& info) {
    const auto id = host(info);
    const auto dev = id ? named(info, 1, names_[*id].carpdevs) : std::nullopt;
    if (dev) {
      network_.set_admin_up(*id, static_cast<core::CarpdevId>(*dev), info[2].ToBoolean().Value());
    }
    return info.Env().Undefined();
  }

  // admin(host, name, "up" | "down" | "master" | "backup"): false in INIT where that must run.
  Napi::Value admin(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto id = host(info, true);
    const auto vhost = id ? named(info, 1, names_[*id].vhosts) : std::nullopt;
    if (!vhost) return env.Undefined();
    const auto action = parse_action(text_argument(info[2]));
    if (!action) {
      refuse(info, "an action is up, down, master or backup");
      return env.Undefined();
    }
    bool done = false;
    network_.command(*id, [&](core::Host& core, core::Instant now) {
      done = core.handle_admin(now, static_cast<core::VhostId>(*vhost), *action);
    });
    return Napi::Boolean::New(env, done);
  }

  // snapshot(host): {at, demotion, demotionReasons, vhosts, carpdevs, balance}, null when it is
  // off.
  Napi::Value snapshot(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto id = host(info);
    if (!id) return env.Undefined();
    const core::Host* core = network_.core(*id);
    if (core == nullptr) return env.Null();
    const HostNames& names = names_[*id];
    Napi::Array vhosts = Napi::Array::New(env);
    for (std::uint32_t i = 0; i < names.vhosts.size(); ++i) {
      engine::VhostRecord record;
      record.name = engine::to_array<16>(names.vhosts[i]);
      record.carpdev = engine::to_array<16>(names.carpdevs[names.vhost_carpdev[i]]);
      engine::fill(&record, *core->vhost(static_cast<core::VhostId>(i)));
      vhosts.Set(i, to_object(env, record));
    }
    Napi::Array carpdevs = Napi::Array::New(env);
    for (std::uint32_t i = 0; i < names.carpdevs.size(); ++i) {
      carpdevs.Set(i, to_object(env, carpdev_record(*core, names, i)));
    }
    Napi::Array reasons = Napi::Array::New(env);
    std::uint32_t count = 0;
    for (const core::Demotion::Reason& reason : core->demotion_reasons()) {
      engine::DemotionRecord record;
      engine::fill(&record, *core, reason);
      reasons.Set(count++, to_object(env, record));
    }
    Napi::Object out = Napi::Object::New(env);
    out.Set("at", to_value(env, network_.now()));
    out.Set("demotion", core->demotion_total());
    out.Set("demotionReasons", reasons);
    out.Set("vhosts", vhosts);
    out.Set("carpdevs", carpdevs);
    out.Set("balance", balance(env, *core, names));
    return out;
  }

  static Napi::Array balance(Napi::Env env, const core::Host& core, const HostNames& names) {
    Napi::Array out = Napi::Array::New(env);
    std::uint32_t count = 0;
    for (std::size_t dev = 0; dev < names.carpdevs.size(); ++dev) {
      engine::BalanceRecord record;
      record.carpdev = engine::to_array<16>(names.carpdevs[dev]);
      for (std::size_t i = 0, at = 0;
           engine::fill(&record, core, static_cast<core::CarpdevId>(dev), &at); at = ++i) {
        record.name = engine::to_array<16>(names.vhosts[record.vhost]);
        out.Set(count++, to_object(env, record));
      }
    }
    return out;
  }

  static engine::CarpdevRecord carpdev_record(const core::Host& core, const HostNames& names,
                                              std::uint32_t i) {
    const auto id = static_cast<core::CarpdevId>(i);
    engine::CarpdevRecord record;
    record.name = engine::to_array<16>(names.carpdevs[i]);
    record.ifindex = static_cast<std::int32_t>(i) + 2;  // 1 is the loopback interface
    record.link = core.link(id);
    record.mac = core.carpdev_config(id).mac;
    const std::vector<wire::Prefix>& addresses = core.carpdev_config(id).addresses;
    const std::size_t n = std::min(addresses.size(), record.addresses.size());
    std::copy_n(addresses.begin(), n, record.addresses.begin());
    record.address_count = static_cast<std::uint8_t>(n);
    const auto& counters = core.carpdev_counters(id);
    for (std::size_t c = 0; c < record.counters.size(); ++c) {
      record.counters[c] = counters[static_cast<core::DevCounter>(c)];
    }
    return record;
  }

  // events(): [{host, event}] since the last call, in the order in which they happened.
  Napi::Value events(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Napi::Array out = Napi::Array::New(env);
    const auto& all = network_.events();
    std::uint32_t count = 0;
    for (; events_taken_ < all.size(); ++events_taken_) {
      const auto& [id, event] = all[events_taken_];
      engine::Message message;
      message.event = event;
      message.at = event.at;
      const HostNames& names = names_[id];
      if (event.vhost < names.vhosts.size()) {
        message.name = engine::to_array<16>(names.vhosts[event.vhost]);
      }
      if (event.carpdev < names.carpdevs.size()) {
        message.carpdev = engine::to_array<16>(names.carpdevs[event.carpdev]);
      }
      Napi::Object o = Napi::Object::New(env);
      o.Set("host", static_cast<double>(id));
      o.Set("event", event_object(env, message));
      out.Set(count++, o);
    }
    return out;
  }

  // --- pings -----------------------------------------------------------------------------------

  // ping(client, address, intervalUs): number
  Napi::Value ping(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto client = index(info, 0, clients_, "client");
    if (!client) return env.Undefined();
    const auto address = address_of(info[1]);
    const std::int64_t every =
        info[2].IsNumber() ? info[2].As<Napi::Number>().Int64Value() : std::int64_t{0};
    if (!address || every < 1 || every > kSlowestPingUs) {
      refuse(info, "ping(client, address, intervalUs)");
      return env.Undefined();
    }
    ++pings_;
    const sim::PingId id = network_.ping(*client, *address, core::Duration{every});
    return Napi::Number::New(env, static_cast<double>(id));
  }

  Napi::Value stop_ping(const Napi::CallbackInfo& info) {
    if (const auto id = index(info, 0, pings_, "ping")) network_.stop_ping(*id);
    return info.Env().Undefined();
  }

  // pingResults(ping, first): [{sequence, sentAtUs, receivedAtUs | null}]
  Napi::Value ping_results(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto id = index(info, 0, pings_, "ping");
    if (!id) return env.Undefined();
    const std::span<const sim::Probe> probes = network_.probes(*id);
    const std::size_t first = info[1].IsNumber() ? info[1].ToNumber().Uint32Value() : 0;
    Napi::Array out = Napi::Array::New(env);
    std::uint32_t count = 0;
    for (std::size_t i = first; i < probes.size(); ++i) {
      const sim::Probe& probe = probes[i];
      Napi::Object o = Napi::Object::New(env);
      o.Set("sequence", static_cast<double>(i));
      o.Set("sentAtUs", static_cast<double>(probe.at.us));
      o.Set("receivedAtUs", probe.replies > 0 ? Napi::Value(Napi::Number::New(
                                                    env, static_cast<double>(probe.first_reply.us)))
                                              : Napi::Value(env.Null()));
      out.Set(count++, o);
    }
    return out;
  }

  // neighbour(client, address): the MAC that the client would send to, or null.
  Napi::Value neighbour(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto client = index(info, 0, clients_, "client");
    if (!client) return env.Undefined();
    const auto address = address_of(info[1]);
    if (!address) {
      refuse(info, "neighbour(client, address)");
      return env.Undefined();
    }
    const auto mac = network_.neighbour(*client, *address);
    if (!mac) return env.Null();
    return Napi::String::New(env, to_text(*mac));
  }

  // --- captures, time --------------------------------------------------------------------------

  // startCapture(segment): keeps every frame from now on, for takeCapture().
  Napi::Value start_capture(const Napi::CallbackInfo& info) {
    const auto segment = index(info, 0, captures_.size(), "segment");
    if (!segment || captures_[*segment]) return info.Env().Undefined();
    captures_[*segment].emplace(24);
    wire::Writer head(*captures_[*segment]);
    head.u32(0xa1b2c3d4);  // big-endian, microseconds
    head.u16(2);
    head.u16(4);
    head.zeros(8);
    head.u32(65535);
    head.u32(1);  // Ethernet
    network_.set_tap([this](core::Instant at, sim::SegmentId on, std::span<const std::uint8_t> f) {
      if (captures_[on]) append_record(&*captures_[on], at, f);
    });
    return info.Env().Undefined();
  }

  // takeCapture(segment): the next octets of its capture file, the header first. Times are virtual.
  Napi::Value take_capture(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto segment = index(info, 0, captures_.size(), "segment");
    if (!segment) return env.Undefined();
    if (!captures_[*segment]) return Napi::Buffer<std::uint8_t>::New(env, 0);
    std::vector<std::uint8_t>& octets = *captures_[*segment];
    const auto out = Napi::Buffer<std::uint8_t>::Copy(env, octets.data(), octets.size());
    octets.clear();
    return out;
  }

  // violations(): rules that hold in every run and were broken, as sentences.
  Napi::Value violations(const Napi::CallbackInfo& info) {
    Napi::Array out = Napi::Array::New(info.Env());
    std::uint32_t count = 0;
    for (const std::string& text : network_.violations()) out.Set(count++, text);
    return out;
  }

  // runFor(us): everything that happens in that time, now.
  Napi::Value run_for(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const double us = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : -1;
    if (!(us >= 0 && us <= kLongestRunUs)) {
      refuse(info, "runFor(us) wants 0 to 86,400,000,000");
      return env.Undefined();
    }
    network_.run_for(core::Duration{static_cast<std::int64_t>(us)});
    // The captures have their own copy, and nobody asks for the frames of a host.
    network_.forget_sent();
    return env.Undefined();
  }

  // now(): microseconds since the beginning.
  Napi::Value now(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), static_cast<double>(network_.now().us));
  }

  sim::Network network_;
  std::vector<HostNames> names_;
  std::size_t clients_ = 0;
  std::size_t pings_ = 0;
  std::size_t events_taken_ = 0;
  std::vector<std::optional<std::vector<std::uint8_t>>> captures_;  // by segment
};

}  // namespace

Napi::Function define_simulation(Napi::Env env) { return SimulationObject::define(env); }

}  // namespace carp::binding

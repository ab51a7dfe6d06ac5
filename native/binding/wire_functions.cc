#include "binding/wire_functions.h"

#include "binding/convert.h"
#include "wire/advertisement.h"
#include "wire/balance.h"

namespace carp::binding {

namespace {

std::string reason_name(wire::Malformed reason) {
  switch (reason) {
    case wire::Malformed::kNotCarp:
      return "not carp";
    case wire::Malformed::kBadLength:
      return "bad length";
    case wire::Malformed::kBadChecksum:
      return "bad checksum";
    case wire::Malformed::kForeignVrrp:
      break;
  }
  return "foreign vrrp";
}

std::optional<Napi::Object> object_argument(const Napi::CallbackInfo& info) {
  if (info.Length() > 0 && info[0].IsObject()) return info[0].As<Napi::Object>();
  Napi::TypeError::New(info.Env(), "an object is wanted").ThrowAsJavaScriptException();
  return std::nullopt;
}

wire::Authenticator::Form read_form(Members* m) {
  return m->text("form") == "without-link-local" ? wire::Authenticator::Form::kWithoutLinkLocal
                                                 : wire::Authenticator::Form::kAll;
}

wire::Authenticator read_authenticator(Members* m, wire::Authenticator::Form form) {
  wire::Authenticator authenticator;
  const wire::Key key = m->key("key");
  const auto vhid = static_cast<std::uint8_t>(m->number("vhid", 0, 255));
  authenticator.configure(key, vhid, m->prefixes("addresses"), form);
  return authenticator;
}

Napi::Value octets(Napi::Env env, std::span<const std::uint8_t> from) {
  auto out = Napi::Uint8Array::New(env, from.size());
  std::copy(from.begin(), from.end(), out.Data());
  return out;
}

// parseAdvertisement(frame: Uint8Array)
Napi::Value parse_advertisement(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsTypedArray()) {
    Napi::TypeError::New(env, "a Uint8Array is wanted").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const auto frame = info[0].As<Napi::Uint8Array>();
  const auto parsed = wire::parse_frame({frame.Data(), frame.ElementLength()});
  Napi::Object out = Napi::Object::New(env);
  if (const auto* rejected = std::get_if<wire::Rejected>(&parsed)) {
    out.Set("kind", "rejected");
    out.Set("reason", reason_name(rejected->reason));
    return out;
  }
  const auto& received = std::get<wire::ReceivedAdvertisement>(parsed);
  const wire::Advertisement& a = received.advertisement;
  out.Set("kind", "advertisement");
  out.Set("vhid", a.vhid);
  out.Set("advskew", a.advskew);
  out.Set("advbase", a.advbase_s);
  out.Set("demotion", a.demotion);
  out.Set("counter", Napi::BigInt::New(env, a.counter));
  out.Set("digest", octets(env, a.digest));
  out.Set("ethernetSource", to_text(received.ethernet_source));
  out.Set("source", to_text(received.source));
  out.Set("destination", to_text(received.destination));
  out.Set("ttl", received.ttl);
  out.Set("version", received.version);
  out.Set("type", received.type);
  return out;
}

// signAdvertisement({key, vhid, addresses, counter, form})
Napi::Value sign_advertisement(const Napi::CallbackInfo& info) {
  const auto object = object_argument(info);
  if (!object) return info.Env().Undefined();
  Members m(*object);
  const auto authenticator = read_authenticator(&m, read_form(&m));
  const std::uint64_t counter = m.bigint("counter");
  if (!m.ok()) return info.Env().Undefined();
  return octets(info.Env(), authenticator.sign(counter));
}

// verifyDigest({key, vhid, addresses, counter, digest})
Napi::Value verify_digest(const Napi::CallbackInfo& info) {
  const auto object = object_argument(info);
  if (!object) return info.Env().Undefined();
  Members m(*object);
  const auto authenticator = read_authenticator(&m, wire::Authenticator::Form::kAll);
  const std::uint64_t counter = m.bigint("counter");
  const wire::Digest digest = m.key("digest");  // 20 octets as well
  if (!m.ok()) return info.Env().Undefined();
  return Napi::Boolean::New(info.Env(), authenticator.verify(counter, digest));
}

// buildAdvertisement({key, vhid, advbase, advskew, demotion, counter, addresses, form, source,
// destination, ethernetSource}): the whole frame to the multicast group's MAC.
Napi::Value build_advertisement(const Napi::CallbackInfo& info) {
  const auto object = object_argument(info);
  if (!object) return info.Env().Undefined();
  Members m(*object);
  const auto authenticator = read_authenticator(&m, read_form(&m));
  wire::Advertisement a;
  a.vhid = static_cast<std::uint8_t>(m.number("vhid", 0, 255));
  a.advskew = static_cast<std::uint8_t>(m.number("advskew", 0, 255));
  a.advbase_s = static_cast<std::uint8_t>(m.number("advbase", 0, 255));
  a.demotion = static_cast<std::uint8_t>(m.number("demotion", 0, 255));
  a.counter = m.bigint("counter");
  const wire::IpAddress source = m.address("source");
  const wire::IpAddress destination = m.address("destination");
  const wire::MacAddress ethernet_source = m.mac("ethernetSource");
  if (!m.ok()) return info.Env().Undefined();
  a.digest = authenticator.sign(a.counter);
  std::array<std::uint8_t, 96> frame{};
  const std::span<std::uint8_t> packet = std::span(frame).subspan(wire::kEthernetHeader);
  const bool v4 = destination.family == wire::Family::kIpv4;
  wire::write_ethernet(frame, v4 ? wire::kCarpGroupMac4 : wire::kCarpGroupMac6, ethernet_source,
                       v4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
  const std::size_t length = v4 ? wire::write_packet4(packet, a, source.v4(), destination.v4())
                                : wire::write_packet6(packet, a, source.v6(), destination.v6());
  return octets(info.Env(), std::span(frame).first(wire::kEthernetHeader + length));
}

// balanceIndex({hash, client, members, key}): hash "source-ip" takes an address of either family,
// "sender-mac" a MAC.
Napi::Value balance_index(const Napi::CallbackInfo& info) {
  const auto object = object_argument(info);
  if (!object) return info.Env().Undefined();
  Members m(*object);
  const auto n = static_cast<std::uint32_t>(m.number("members", 1, 255));
  std::uint32_t index = 0;
  if (m.text("hash") == "sender-mac") {
    const wire::KeyedHash hash(m.key("key"));
    const wire::MacAddress client = m.mac("client");
    if (m.ok()) index = hash.index(client, n);
  } else {
    const wire::IpAddress client = m.address("client");
    if (m.ok()) {
      index = client.family == wire::Family::kIpv4 ? wire::balance_index(client.v4(), n)
                                                   : wire::balance_index(client.v6(), n);
    }
  }
  if (!m.ok()) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), index);
}

}  // namespace

void define_wire_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("parseAdvertisement", Napi::Function::New<parse_advertisement>(env));
  exports.Set("signAdvertisement", Napi::Function::New<sign_advertisement>(env));
  exports.Set("verifyDigest", Napi::Function::New<verify_digest>(env));
  exports.Set("balanceIndex", Napi::Function::New<balance_index>(env));
  exports.Set("buildAdvertisement", Napi::Function::New<build_advertisement>(env));
}

}  // namespace carp::binding

#include "binding/convert.h"

#include <arpa/inet.h>

#include <cstdio>

namespace carp::binding {

std::string to_text(const wire::IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = address.family == wire::Family::kIpv4 ? AF_INET : AF_INET6;
  if (inet_ntop(family, address.octets.data(), text.data(), text.size()) == nullptr) return "";
  return text.data();
}

std::string to_text(const wire::MacAddress& mac) {
  std::array<char, 18> text{};
  const auto& o = mac.octets;
  std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", o[0], o[1], o[2], o[3],
                o[4], o[5]);
  return text.data();
}

std::optional<wire::IpAddress> parse_address(const std::string& text) {
  wire::IpAddress address;
  if (inet_pton(AF_INET, text.c_str(), address.octets.data()) == 1) return address;
  address = wire::IpAddress{wire::Family::kIpv6, {}};
  if (inet_pton(AF_INET6, text.c_str(), address.octets.data()) == 1) return address;
  return std::nullopt;
}

std::optional<wire::MacAddress> parse_mac(const std::string& text) {
  std::array<unsigned, 6> part{};
  if (text.size() != 17 || std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x", &part[0], &part[1],
                                       &part[2], &part[3], &part[4], &part[5]) != 6) {
    return std::nullopt;
  }
  wire::MacAddress mac;
  for (std::size_t i = 0; i < 6; ++i) mac.octets[i] = static_cast<std::uint8_t>(part[i]);
  return mac;
}

std::optional<wire::Prefix> parse_prefix(const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned full = address->family == wire::Family::kIpv4 ? 32 : 128;
  unsigned length = full;
  if (slash != std::string::npos &&
      (std::sscanf(text.c_str() + slash + 1, "%3u", &length) != 1 || length > full)) {
    return std::nullopt;
  }
  return wire::Prefix{*address, static_cast<std::uint8_t>(length)};
}

Napi::Value to_value(Napi::Env env, core::Instant at) { return Napi::BigInt::New(env, at.us); }

Napi::Value to_value(Napi::Env env, const sys::Status& status) {
  if (status.ok()) return env.Null();
  Napi::Object out = Napi::Object::New(env);
  out.Set("op", status.op);
  out.Set("target", std::string(status.target));
  out.Set("errno", status.error);
  return out;
}

void Members::wrong(const char* name, const char* expected) {
  if (!ok()) return;
  Napi::TypeError::New(env_, std::string(name) + " must be " + expected)
      .ThrowAsJavaScriptException();
}

std::string Members::text(const char* name) {
  const Napi::Value value = object_.Get(name);
  if (ok() && value.IsString()) return value.As<Napi::String>().Utf8Value();
  wrong(name, "a string");
  return {};
}

std::int64_t Members::number(const char* name, std::int64_t low, std::int64_t high) {
  const Napi::Value value = object_.Get(name);
  if (ok() && value.IsNumber()) {
    const std::int64_t number = value.As<Napi::Number>().Int64Value();
    if (number >= low && number <= high) return number;
  }
  wrong(name, "a number in range");
  return low;
}

bool Members::boolean(const char* name) {
  const Napi::Value value = object_.Get(name);
  if (ok() && value.IsBoolean()) return value.As<Napi::Boolean>().Value();
  wrong(name, "true or false");
  return false;
}

std::uint64_t Members::bigint(const char* name) {
  const Napi::Value value = object_.Get(name);
  bool lossless = false;
  if (ok() && value.IsBigInt()) {
    const std::uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
    if (lossless) return number;
  }
  wrong(name, "a bigint of 64 bits");
  return 0;
}

wire::Key Members::key(const char* name) {
  const Napi::Value value = object_.Get(name);
  wire::Key key{};
  if (ok() && value.IsTypedArray() &&
      value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    const auto octets = value.As<Napi::Uint8Array>();
    if (octets.ElementLength() <= key.size()) {
      std::copy_n(octets.Data(), octets.ElementLength(), key.begin());
      return key;
    }
  }
  wrong(name, "a Uint8Array of at most 20 octets");
  return key;
}

std::vector<std::string> Members::texts(const char* name) {
  const Napi::Value value = object_.Get(name);
  std::vector<std::string> out;
  if (ok() && value.IsArray()) {
    const auto list = value.As<Napi::Array>();
    for (std::uint32_t i = 0; i < list.Length(); ++i) {
      const Napi::Value item = list.Get(i);
      if (!item.IsString()) break;
      out.push_back(item.As<Napi::String>().Utf8Value());
    }
    if (out.size() == list.Length()) return out;
  }
  wrong(name, "an array of strings");
  return {};
}

wire::IpAddress Members::address(const char* name) {
  const auto address = parse_address(text(name));
  if (address) return *address;
  wrong(name, "an IP address");
  return {};
}

wire::MacAddress Members::mac(const char* name) {
  const auto mac = parse_mac(text(name));
  if (mac) return *mac;
  wrong(name, "a MAC address");
  return {};
}

std::vector<wire::Prefix> Members::prefixes(const char* name) {
  std::vector<wire::Prefix> out;
  for (const std::string& item : texts(name)) {
    const auto prefix = parse_prefix(item);
    if (!prefix) {
      wrong(name, "an array of addresses");
      return {};
    }
    out.push_back(*prefix);
  }
  return out;
}

}  // namespace carp::binding

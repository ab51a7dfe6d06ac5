// Between JavaScript values and the engine's plain data. The arguments have been validated in
// TypeScript; here they are only checked and copied, and a wrong one gives a TypeError.
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/event.h"
#include "sys/status.h"
#include "wire/digest.h"
#include "wire/types.h"

namespace carp::binding {

std::string to_text(const wire::IpAddress& address);
std::string to_text(const wire::MacAddress& mac);
std::optional<wire::IpAddress> parse_address(const std::string& text);
std::optional<wire::MacAddress> parse_mac(const std::string& text);
// "192.0.2.1/24"; without a prefix length the full one is meant.
std::optional<wire::Prefix> parse_prefix(const std::string& text);

// Microseconds of the monotonic clock, as a bigint.
Napi::Value to_value(Napi::Env env, core::Instant at);

template <std::size_t N>
std::string_view text_of(const std::array<char, N>& text) {
  return std::string_view(text.data());
}

template <typename Names, typename E>
Napi::String name_of(Napi::Env env, const Names& names, E value) {
  return Napi::String::New(env, std::string(names[static_cast<std::size_t>(value)]));
}

// Reading the members of an object. Each gives nothing after having thrown a TypeError that names
// the member.
class Members {
 public:
  explicit Members(const Napi::Object& object) : object_(object), env_(object.Env()) {}
  std::string text(const char* name);
  std::int64_t number(const char* name, std::int64_t low, std::int64_t high);
  bool boolean(const char* name);
  std::uint64_t bigint(const char* name);
  wire::Key key(const char* name);
  std::vector<std::string> texts(const char* name);
  wire::IpAddress address(const char* name);
  wire::MacAddress mac(const char* name);
  std::vector<wire::Prefix> prefixes(const char* name);
  bool ok() const { return !env_.IsExceptionPending(); }

 private:
  void wrong(const char* name, const char* expected);
  Napi::Object object_;
  Napi::Env env_;
};

// {code, op, target, errno} for TypeScript to make an error of; null on success.
Napi::Value to_value(Napi::Env env, const sys::Status& status);

}  // namespace carp::binding

#include "sys/janitor_protocol.h"

#include <algorithm>
#include <charconv>

namespace carp::sys {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

std::string_view word(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view result = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return result;
}

template <typename Number>
bool parse_number(std::string_view text, int base, Number* out) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *out, base);
  return !text.empty() && result.ec == std::errc{} && result.ptr == end;
}

bool parse_index(std::string_view text, int* out) {
  return parse_number(text, 10, out) && *out > 0;
}

template <typename Entry, typename Match>
bool replace_entry(std::vector<Entry>& entries, bool present, Entry entry, Match match) {
  std::erase_if(entries, match);
  if (!present) return true;
  if (entries.size() >= JanitorLedger::kMaxEntries) return false;
  entries.push_back(std::move(entry));
  return true;
}

}  // namespace

std::string print_prefix(const wire::Prefix& prefix) {
  const std::size_t octets = prefix.address.family == wire::Family::kIpv4 ? 4 : 16;
  std::string text;
  for (std::size_t i = 0; i < octets; ++i) {
    text += kDigits[prefix.address.octets[i] >> 4];
    text += kDigits[prefix.address.octets[i] & 15];
  }
  return text + '/' + std::to_string(prefix.length);
}

std::optional<wire::Prefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash != 8 && slash != 32) return std::nullopt;
  wire::Prefix prefix{};
  prefix.address.family = slash == 8 ? wire::Family::kIpv4 : wire::Family::kIpv6;
  for (std::size_t i = 0; i < slash / 2; ++i) {
    if (!parse_number(text.substr(i * 2, 2), 16, &prefix.address.octets[i])) return std::nullopt;
  }
  if (!parse_number(text.substr(slash + 1), 10, &prefix.length)) return std::nullopt;
  if (prefix.length > slash * 4) return std::nullopt;
  return prefix;
}

bool JanitorLedger::take(std::string_view line) {
  if (line.size() > kJanitorLineMax) return false;
  std::string_view rest = line;
  std::string_view kind = word(rest);
  const bool present = kind.empty() || kind.front() != '-';
  if (!present) kind.remove_prefix(1);
  int ifindex = 0;
  if (kind == "finish") {
    finished = true;
    return true;
  }
  if (kind == "macvlan") {
    if (!parse_index(word(rest), &ifindex)) return false;
    return replace_entry(macvlans, present, ifindex, [&](int known) { return known == ifindex; });
  }
  if (kind == "address") {
    if (!parse_index(word(rest), &ifindex)) return false;
    const std::optional<wire::Prefix> prefix = parse_prefix(word(rest));
    if (!prefix) return false;
    const JanitorAddress entry{ifindex, *prefix};
    return replace_entry(addresses, present, entry,
                         [&](const JanitorAddress& known) { return known == entry; });
  }
  if (kind == "sysctl") {
    SysctlChange change;
    change.path = word(rest);
    change.ours = word(rest);
    change.original = word(rest);
    if (change.path.empty()) return false;
    if (present && (change.ours.empty() || change.original.empty())) return false;
    return replace_entry(sysctls, present, change,
                         [&](const SysctlChange& known) { return known.path == change.path; });
  }
  return false;
}

}  // namespace carp::sys

// Reads classic capture files, for the tests that replay or verify what is in test/vectors.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace carp::test {

struct TimedFrame {
  std::int64_t us = 0;  // since 1970
  std::vector<std::uint8_t> octets;
};

// The frames of a classic little-endian Ethernet pcap; empty when it is none.
inline std::vector<TimedFrame> read_timed_pcap(const std::string& path) {
  std::vector<TimedFrame> frames;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (file == nullptr) return frames;
  const auto number = [](const std::uint8_t* from) {
    return std::uint32_t{from[0]} | (std::uint32_t{from[1]} << 8) | (std::uint32_t{from[2]} << 16) |
           (std::uint32_t{from[3]} << 24);
  };
  std::array<std::uint8_t, 24> head{};
  if (std::fread(head.data(), 1, head.size(), file.get()) != head.size()) return frames;
  constexpr std::uint32_t kMagic = 0xa1b2c3d4;
  constexpr std::uint32_t kEthernet = 1;
  if (number(head.data()) != kMagic || number(&head[20]) != kEthernet) return frames;
  std::array<std::uint8_t, 16> record{};
  while (std::fread(record.data(), 1, record.size(), file.get()) == record.size()) {
    TimedFrame frame{.us = std::int64_t{number(record.data())} * 1'000'000 + number(&record[4]),
                     .octets = std::vector<std::uint8_t>(number(&record[8]))};
    if (std::fread(frame.octets.data(), 1, frame.octets.size(), file.get()) !=
        frame.octets.size()) {
      return {};
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace carp::test

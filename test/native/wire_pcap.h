// The captures of test/vectors as frames for the tests of the wire.
#pragma once

#include "pcap.h"
#include "wire_support.h"

namespace carp::test {

// The frames of a capture, each in memory of exactly its length; empty when it is none.
inline std::vector<Octets> read_pcap(const std::string& path) {
  std::vector<Octets> frames;
  for (const TimedFrame& timed : read_timed_pcap(path)) frames.push_back(exactly(timed.octets));
  return frames;
}

}  // namespace carp::test

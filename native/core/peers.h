// Who advertises a vhid: a fixed table of authenticated sources, for `show` and for judging
// counters. Nothing unauthenticated makes an entry.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/event.h"
#include "core/time.h"
#include "wire/advertisement.h"

namespace carp::core {

struct Peer {
  wire::IpAddress address;
  std::uint8_t advbase_s = 0;
  std::uint8_t advskew = 0;
  std::uint8_t demotion = 0;
  PeerClass counter_class = PeerClass::kNew;
  std::uint64_t counter = 0;
  std::uint64_t heard = 0;
  Instant last;
};

class PeerTable {
 public:
  static constexpr std::size_t kMax = 8;

  struct Seen {
    Peer* peer;
    bool replayed;  // a rising source repeated or lowered its counter
  };

  // Notes a valid advertisement. The table keeps the most recently heard sources.
  Seen note(Instant now, const wire::IpAddress& source, const wire::Advertisement& heard) {
    Peer& peer = slot(source);
    const bool known = peer.heard > 0;
    const PeerClass before = peer.counter_class;
    if (known) peer.counter_class = classify(peer.counter, heard.counter);
    peer.address = source;
    peer.advbase_s = heard.advbase_s;
    peer.advskew = heard.advskew;
    peer.demotion = heard.demotion;
    peer.counter = heard.counter;
    peer.last = now;
    ++peer.heard;
    const bool replayed =
        known && before == PeerClass::kRising &&
        (peer.counter_class == PeerClass::kConstant || peer.counter_class == PeerClass::kRewound);
    return {&peer, replayed};
  }

  const Peer* find(const wire::IpAddress& source) const {
    for (const Peer& peer : all()) {
      if (peer.address == source) return &peer;
    }
    return nullptr;
  }

  std::span<const Peer> all() const { return {peers_.data(), size_}; }
  void clear() { size_ = 0; }

 private:
  // Steps of up to 2^24 are a rising counter with losses; anything further is a fresh random
  // value, which is what a BSD or UCarp sends until it has heard a peer (spec 1.7).
  static PeerClass classify(std::uint64_t before, std::uint64_t now) {
    constexpr std::uint64_t kStep = 1U << 24;
    if (now == before) return PeerClass::kConstant;
    if (now - before < kStep) return PeerClass::kRising;
    if (before - now < kStep) return PeerClass::kRewound;
    return PeerClass::kRandom;
  }

  Peer& slot(const wire::IpAddress& source) {
    for (std::size_t i = 0; i < size_; ++i) {
      if (peers_[i].address == source) return peers_[i];
    }
    if (size_ < kMax) {
      peers_[size_] = Peer{};
      return peers_[size_++];
    }
    std::size_t oldest = 0;
    for (std::size_t i = 1; i < kMax; ++i) {
      if (peers_[i].last < peers_[oldest].last) oldest = i;
    }
    peers_[oldest] = Peer{};
    return peers_[oldest];
  }

  std::array<Peer, kMax> peers_{};
  std::size_t size_ = 0;
};

}  // namespace carp::core

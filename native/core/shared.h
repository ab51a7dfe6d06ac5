// What the vhosts of one host share: options, demotion, and the queue of events.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/config.h"
#include "core/demotion.h"
#include "core/event.h"

namespace carp::core {

// Bounded; when it is full events are dropped and counted, and the reader is told once, so that it
// re-reads the level. Nothing waits for a reader.
class EventQueue {
 public:
  static constexpr std::size_t kCapacity = 1024;

  void push(const Event& event) {
    if (size_ == kCapacity) {
      ++lost_;
      return;
    }
    events_[(head_ + size_) % kCapacity] = event;
    ++size_;
  }

  bool pop(Event* out) {
    if (size_ > 0) {
      *out = events_[head_];
      head_ = (head_ + 1) % kCapacity;
      --size_;
      return true;
    }
    if (lost_ == 0) return false;
    *out = Event{.kind = EventKind::kEventsLost, .at = {}, .count = lost_};
    lost_ = 0;
    return true;
  }

 private:
  std::array<Event, kCapacity> events_{};
  std::size_t head_ = 0;
  std::size_t size_ = 0;
  std::uint32_t lost_ = 0;
};

// A BACKUP took over because the master said that it is demoted: what else it carried may have
// failed in silence (design: fast group take-over).
struct GroupTrigger {
  Demotion::Groups group = 0;
  CarpdevId carpdev = 0;
  wire::IpAddress peer;  // the demoted host
};

struct Shared {
  HostOptions options;
  Demotion demotion;
  EventQueue events;
  std::optional<GroupTrigger> group_trigger;
  std::uint32_t highest_epoch = 0;  // upper half of the highest counter sent or heard
  // Some vhost has something of this kind to give out. Set by whoever makes it, cleared by the poll
  // that found nothing more: 255 quiet vhosts are not looked at after each frame.
  bool interface_dirty = false;
  bool transmit_dirty = false;
  bool question_dirty = false;
  bool removing = false;
};

}  // namespace carp::core

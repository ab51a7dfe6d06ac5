// Interfaces without vhids whose link demotes the host while it is down: an uplink. Engine thread.
//
// Here and not in JavaScript, so that a lost uplink acts as fast as a lost carpdev, whatever
// JavaScript is doing.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/messages.h"
#include "sys/netlink_client.h"

namespace carp::engine {

class LinkTracks {
 public:
  // Sets (level != 0) or clears one reason.
  using Demote = std::function<void(const LinkTrack& track, std::int32_t level)>;

  explicit LinkTracks(Demote demote) : demote_(std::move(demote)) {}

  // Makes the set equal to `tracks`; what stays keeps its state. `links` are all interfaces now.
  void configure(core::Instant now, std::vector<LinkTrack> tracks, core::Duration up_delay,
                 std::span<const sys::LinkInfo> links);
  void note_link(core::Instant now, const sys::LinkInfo& link, bool removed);
  // Netlink messages were lost: what there is now.
  void resynchronise(core::Instant now, std::span<const sys::LinkInfo> links);

  // Says every reason again: one may have been for a group that did not exist yet.
  void reassert();

  // A link that came back is used after the delay (HostOptions.link_up_delay).
  std::optional<core::Instant> deadline() const;
  void handle_timeout(core::Instant now);

  std::size_t size() const { return watched_.size(); }
  void fill(TrackRecord* record, std::size_t index) const;

 private:
  struct Watched {
    LinkTrack track;
    int ifindex = 0;
    core::LinkState link;
    core::Instant since;
    bool usable = false;
    std::optional<core::Instant> up_at;
  };

  void apply(core::Instant now, Watched& watched, int ifindex, const core::LinkState& link,
             bool at_once);

  Demote demote_;
  core::Duration up_delay_{};
  std::vector<Watched> watched_;
};

}  // namespace carp::engine

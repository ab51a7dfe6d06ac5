#include "engine/link_tracks.h"

#include <algorithm>

namespace carp::engine {

namespace {

core::LinkState state_of(const sys::LinkInfo& link) {
  return {.present = true, .admin_up = link.admin_up, .carrier = link.carrier};
}

}  // namespace

void LinkTracks::configure(core::Instant now, std::vector<LinkTrack> tracks,
                           core::Duration up_delay, std::span<const sys::LinkInfo> links) {
  up_delay_ = up_delay;
  std::vector<Watched> before = std::move(watched_);
  watched_.clear();
  for (LinkTrack& track : tracks) {
    const auto same = [&](const Watched& w) {
      return w.track.reason == track.reason && w.track.ifname == track.ifname;
    };
    const auto known = std::find_if(before.begin(), before.end(), same);
    if (known != before.end()) {
      watched_.push_back(std::move(*known));
      before.erase(known);
      Watched& watched = watched_.back();
      watched.track = std::move(track);
      demote_(watched.track, watched.usable ? 0 : watched.track.level);
      continue;
    }
    watched_.push_back({.track = std::move(track), .since = now});
    Watched& watched = watched_.back();
    const auto named = [&](const sys::LinkInfo& link) { return link.name == watched.track.ifname; };
    const auto found = std::find_if(links.begin(), links.end(), named);
    if (found != links.end()) {
      apply(now, watched, found->ifindex, state_of(*found), true);
    }
    demote_(watched.track, watched.usable ? 0 : watched.track.level);
  }
  for (const Watched& gone : before) {
    const bool renewed = std::any_of(watched_.begin(), watched_.end(), [&](const Watched& w) {
      return w.track.reason == gone.track.reason;
    });
    if (!renewed) demote_(gone.track, 0);
  }
}

void LinkTracks::note_link(core::Instant now, const sys::LinkInfo& link, bool removed) {
  for (Watched& watched : watched_) {
    const bool is_it = watched.ifindex == link.ifindex;
    const bool named = link.name == watched.track.ifname;
    if (is_it && (removed || !named)) {
      apply(now, watched, 0, {}, false);  // gone, or renamed: it is known by its name
    } else if (named && !removed) {
      apply(now, watched, link.ifindex, state_of(link), false);
    }
  }
}

void LinkTracks::resynchronise(core::Instant now, std::span<const sys::LinkInfo> links) {
  for (Watched& watched : watched_) {
    const auto named = [&](const sys::LinkInfo& link) { return link.name == watched.track.ifname; };
    const auto found = std::find_if(links.begin(), links.end(), named);
    if (found == links.end()) {
      apply(now, watched, 0, {}, false);
    } else {
      apply(now, watched, found->ifindex, state_of(*found), false);
    }
  }
}

void LinkTracks::apply(core::Instant now, Watched& watched, int ifindex,
                       const core::LinkState& link, bool at_once) {
  watched.ifindex = ifindex;
  if (watched.link != link) watched.since = now;
  watched.link = link;
  if (!link.usable()) {
    watched.up_at.reset();
    if (!watched.usable) return;
    watched.usable = false;
    demote_(watched.track, watched.track.level);
  } else if (!watched.usable && (at_once || up_delay_ <= core::Duration{0})) {
    watched.usable = true;
    watched.up_at.reset();
    demote_(watched.track, 0);
  } else if (!watched.usable && !watched.up_at) {
    watched.up_at = now + up_delay_;
  }
}

void LinkTracks::reassert() {
  for (const Watched& watched : watched_) {
    demote_(watched.track, watched.usable ? 0 : watched.track.level);
  }
}

std::optional<core::Instant> LinkTracks::deadline() const {
  std::optional<core::Instant> next;
  for (const Watched& watched : watched_) {
    if (watched.up_at && (!next || *watched.up_at < *next)) next = watched.up_at;
  }
  return next;
}

void LinkTracks::handle_timeout(core::Instant now) {
  for (Watched& watched : watched_) {
    if (!watched.up_at || now < *watched.up_at) continue;
    watched.up_at.reset();
    watched.usable = true;
    demote_(watched.track, 0);
  }
}

void LinkTracks::fill(TrackRecord* record, std::size_t index) const {
  const Watched& watched = watched_[index];
  record->reason = core::to_reason_name(watched.track.reason);
  record->ifname = to_array<16>(watched.track.ifname);
  record->link = watched.link;
  record->since = watched.since;
}

}  // namespace carp::engine

#include "engine/record.h"

namespace carp::engine {

void fill(VhostRecord* record, const core::Vhost& vhost) {
  record->vhid = vhost.config().vhid;
  record->state = vhost.state();
  record->enabled = vhost.enabled();
  record->handing_over = vhost.handing_over();
  record->advbase_s = vhost.config().advbase_s;
  record->advskew = vhost.config().advskew;
  record->effective_advskew = vhost.effective_advskew();
  record->cause = vhost.cause();
  record->group = vhost.config().group;
  record->demotion = vhost.demotion();
  record->since = vhost.since();
  if (vhost.advertisement_at()) {
    record->has_next = true;
    record->next_advertisement = *vhost.advertisement_at();
  }
  if (vhost.master_down_at()) {
    record->has_down = true;
    record->master_down = *vhost.master_down_at();
  }
  const auto peers = vhost.peers();
  const core::Peer* master = vhost.master();
  for (std::size_t i = 0; i < peers.size(); ++i) {
    record->peers[i] = peers[i];
    if (&peers[i] == master) record->master = static_cast<std::int8_t>(i);
  }
  record->peer_count = static_cast<std::uint8_t>(peers.size());
  for (std::size_t i = 0; i < record->counters.size(); ++i) {
    record->counters[i] = vhost.counters()[static_cast<core::VhostCounter>(i)];
  }
  record->transitions = vhost.transitions();
  record->mac = vhost.mac();
  record->source4 = vhost.source(wire::Family::kIpv4);
  record->source6 = vhost.source(wire::Family::kIpv6);
}

void fill(DemotionRecord* record, const core::Host& host, const core::Demotion::Reason& reason) {
  record->reason = reason.name;
  record->level = reason.level;
  record->since = reason.since;
  (void)host.group_names(reason.groups, record->groups);
}

bool fill(BalanceRecord* record, const core::Host& host, core::CarpdevId carpdev, std::size_t* i) {
  for (const core::VipOwners& owners : host.vips(carpdev)) {
    if (!host.is_balanced(owners)) continue;
    if (*i >= owners.members.size()) {
      *i -= owners.members.size();
      continue;
    }
    const core::VipOwners::Member& member = owners.members[*i];
    record->vip = owners.address;
    record->index = static_cast<std::uint32_t>(*i);
    record->members = static_cast<std::uint32_t>(owners.members.size());
    record->vhost = member.vhost;
    record->vhid = member.vhid;
    record->requests = member.requests;
    record->answers = member.answers;
    return true;
  }
  return false;
}

}  // namespace carp::engine

// A vhid as a snapshot shows it. Pure: the engine's thread and the simulator's fill the same
// record.
#pragma once

#include "core/vhost.h"
#include "engine/messages.h"

namespace carp::engine {

// All but the names, which only the driver of the core knows.
void fill(VhostRecord* record, const core::Vhost& vhost);

void fill(DemotionRecord* record, const core::Host& host, const core::Demotion::Reason& reason);
// The *i-th member of the carpdev's vhids that share VIPs, without names. False: there are fewer,
// and *i is less by their number.
bool fill(BalanceRecord* record, const core::Host& host, core::CarpdevId carpdev, std::size_t* i);

}  // namespace carp::engine

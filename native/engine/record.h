// A vhid as a snapshot shows it. Pure: the engine's thread and the simulator's fill the same
// record.
#pragma once

#include "core/vhost.h"
#include "engine/messages.h"

namespace carp::engine {

// All but the names, which only the driver of the core knows.
void fill(VhostRecord* record, const core::Vhost& vhost);

}  // namespace carp::engine

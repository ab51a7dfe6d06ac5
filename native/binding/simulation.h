// A network on virtual time as a JavaScript object: the lab's other ground, where namespaces are
// refused. JavaScript thread only; nothing happens but in runFor().
#pragma once

#include <napi.h>

namespace carp::binding {

// class Simulation; src/io/addon.ts types it.
Napi::Function define_simulation(Napi::Env env);

}  // namespace carp::binding

// What the programs need of the system beside the engine: the single-instance lock, the service
// manager, who is at the other end of a socket, and the lab's prober and capture.
#pragma once

#include <napi.h>

namespace carp::binding {

void define_tools(Napi::Env env, Napi::Object exports);

}  // namespace carp::binding

// The addon's table of contents.
#include <napi.h>

#include "binding/engine_object.h"
#include "binding/simulation.h"
#include "binding/tools.h"
#include "binding/wire_functions.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("Engine", carp::binding::EngineObject::define(env));
  exports.Set("Simulation", carp::binding::define_simulation(env));
  carp::binding::define_wire_functions(env, exports);
  carp::binding::define_tools(env, exports);
  return exports;
}

NODE_API_MODULE(carp, init)

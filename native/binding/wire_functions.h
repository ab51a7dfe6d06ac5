// The wire formats as functions for tests and tools: parse, sign, verify, build.
#pragma once

#include <napi.h>

namespace carp::binding {

void define_wire_functions(Napi::Env env, Napi::Object exports);

}  // namespace carp::binding

// Engine messages as JavaScript objects (src/core/engine.ts), and its configuration from one.
#pragma once

#include <napi.h>

#include <memory>

#include "engine/messages.h"

namespace carp::binding {

// Throws a TypeError and gives null for anything that is not an EngineConfig.
std::unique_ptr<engine::EngineConfig> read_config(const Napi::Value& value);

// {type: "event" | "fault" | "done" | "vhost" | "carpdev" | "demotion" | "end" | "stopped", ...};
// src/io/engine-adapter.ts puts them together.
Napi::Value to_value(Napi::Env env, const engine::Message& message);

}  // namespace carp::binding

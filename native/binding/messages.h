// Engine messages as JavaScript objects (src/core/engine.ts), and its configuration from one.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>
#include <string>

#include "engine/messages.h"

namespace carp::binding {

// Throws a TypeError and gives null for anything that is not an EngineConfig.
std::unique_ptr<engine::EngineConfig> read_config(const Napi::Value& value);

// {type: "event" | "fault" | "done" | "vhost" | "carpdev" | "demotion" | "end" | "stopped", ...};
// src/io/engine-adapter.ts puts them together.
Napi::Value to_value(Napi::Env env, const engine::Message& message);

// Parts of them, for whoever has no engine: an EngineEvent, a VhostSnapshot without its addresses,
// a CarpdevSnapshot.
Napi::Object event_object(Napi::Env env, const engine::Message& message);
Napi::Object to_object(Napi::Env env, const engine::VhostRecord& vhost);
Napi::Object to_object(Napi::Env env, const engine::CarpdevRecord& carpdev);
Napi::Object to_object(Napi::Env env, const engine::DemotionRecord& demotion);
Napi::Object to_object(Napi::Env env, const engine::BalanceRecord& balance);

// "up", "down", "master" or "backup"; nothing for anything else.
std::optional<core::AdminAction> parse_action(const std::string& text);

}  // namespace carp::binding

// SPDX-License-Identifier: Apache-2.0
// One attempt, run as a slot runs it, with what it printed.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "millrace/api/runner.h"
#include "millrace/api/value.h"
#include "millrace/wire/lz4.h"

namespace millrace::testing {

inline Payload Packed(const Bytes& raw) {
  Payload payload;
  payload.bytes = wire::PackPayload(raw);
  payload.size = payload.bytes.size();
  return payload;
}

template <class T>
SlotDependency Good(std::string name, std::string module, std::int32_t parameter, const T& result) {
  SlotDependency dependency;
  dependency.name = std::move(name);
  dependency.module = std::move(module);
  dependency.parameter = parameter;
  dependency.outcome = Outcome::kSucceeded;
  dependency.result = Packed(EncodeValue(result));
  return dependency;
}

inline SlotDependency Bad(std::string name, std::string module, std::int32_t parameter, Outcome outcome,
                          std::string message) {
  SlotDependency dependency;
  dependency.name = std::move(name);
  dependency.module = std::move(module);
  dependency.parameter = parameter;
  dependency.outcome = outcome;
  dependency.failure.message = std::move(message);
  return dependency;
}

inline SlotExecute AttemptOf(std::string module, Bytes inputs = {}) {
  SlotExecute execute;
  execute.attempt = AttemptId{EpochQualified(3, 41)};
  execute.task = {RunId{EpochQualified(3, 17)}, 2};
  execute.name = module;
  execute.module = std::move(module);
  execute.inputs.bytes = std::move(inputs);
  execute.kill_grace = std::chrono::seconds(5);
  execute.max_payload = 1 << 20;
  return execute;
}
template <class M>
SlotExecute AttemptAt(const M& module) {
  return AttemptOf(std::string(M::kName), EncodeValue(module));
}

struct Ran {
  SlotDone done;
  std::string out;
  std::string err;

  template <class T>
  T ResultAs() const {
    return DecodeValue<T>(wire::UnpackPayload(done.result.bytes, 1 << 20).value()).value();
  }
};

inline Ran RunAttempt(const Registry& registry, const SlotExecute& execute, std::stop_token stop = {}) {
  Ran ran;
  TaskOutput output([&](std::string_view text, bool is_stderr) { (is_stderr ? ran.err : ran.out).append(text); });
  ran.done = RunSlot(registry, execute, std::move(stop), output);
  return ran;
}

}  // namespace millrace::testing

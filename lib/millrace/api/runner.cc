// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/runner.h"

#include <cxxabi.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <typeinfo>
#include <vector>

#include "millrace/api/mask_value.h"
#include "millrace/base/status.h"
#include "millrace/exec/mask.h"
#include "millrace/wire/lz4.h"

namespace millrace {
namespace {

// The readable name of the exception that is being handled.
std::string ExceptionName() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  if (type == nullptr) return "unknown";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(type->name(), nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 && name ? name.get() : type->name();
}

struct Ended {
  absl::StatusOr<Bytes> result = Bytes();
  std::string exception;  // the type of what Run threw, or ""
  bool out_of_memory = false;
};

Ended CallModule(const ModuleEntry& entry, const Bytes& inputs, Context& context) {
  try {
    return {entry.run(inputs, context), ""};
  } catch (const std::bad_alloc& error) {
    return {ResourceExhausted("out of memory (%s)", error.what()), ExceptionName(), true};
  } catch (const std::exception& error) {
    return {Error(absl::StatusCode::kUnknown, "%s: %s", ExceptionName(), error.what()), ExceptionName()};
  } catch (...) {
    return {Error(absl::StatusCode::kUnknown, "threw %s", ExceptionName()), ExceptionName()};
  }
}

// 0 stands for no limit.
std::size_t MaxPayload(const SlotExecute& execute) {
  return execute.max_payload == 0 ? std::numeric_limits<std::size_t>::max() : execute.max_payload;
}

// The decoded view of what the dependencies left.
absl::StatusOr<std::vector<DependencyView>> Expand(const SlotExecute& execute) {
  std::vector<DependencyView> views;
  views.reserve(execute.needs.size());
  for (const SlotDependency& need : execute.needs) {
    auto inputs = wire::UnpackInputs(need.inputs.bytes, MaxPayload(execute));
    if (!inputs.ok()) {
      return Annotate(inputs.status(), absl::StrFormat("the inputs of '%s' cannot be unpacked", need.name));
    }
    DependencyView view{need.name, need.module, need.parameter, need.outcome, {}, need.failure, *std::move(inputs)};
    if (IsGood(need.outcome) && !need.result.bytes.empty()) {
      auto bytes = wire::UnpackPayload(need.result.bytes, MaxPayload(execute));
      if (!bytes.ok()) {
        return Annotate(bytes.status(), absl::StrFormat("the result of '%s' cannot be unpacked", need.name));
      }
      view.result = *std::move(bytes);
    }
    views.push_back(std::move(view));
  }
  return views;
}

void Fail(SlotDone& done, const absl::Status& status, bool was_stopped) {
  done.outcome = IsSkip(status) ? Outcome::kSkipped : was_stopped ? Outcome::kCancelled : Outcome::kFailed;
  done.failure = FailureOf(status);
}

Ended Execute(const Registry& registry, const SlotExecute& execute, std::stop_token stop, TaskOutput& output,
              const exec::Masks* masks) {
  const auto entry = registry.Find(execute.module);
  if (!entry.ok()) return {entry.status(), ""};
  const auto dependencies = Expand(execute);
  if (!dependencies.ok()) return {dependencies.status(), ""};
  const auto inputs = wire::UnpackInputs(execute.inputs.bytes, MaxPayload(execute));
  if (!inputs.ok()) return {Annotate(inputs.status(), "its inputs do not decode"), ""};
  Context context(execute, *dependencies, stop, output, masks);
  Ended ended = CallModule(**entry, *inputs, context);
  if (ended.result.ok()) {
    const absl::Status fits =
        wire::CheckPayloadSize("the result of '" + execute.name + "'", ended.result->size(), MaxPayload(execute));
    if (!fits.ok()) ended.result = fits;
  }
  return ended;
}

// nullptr: it has none.
std::shared_ptr<const exec::Masks> MasksOf(const SlotExecute& execute) {
  if (execute.secrets.empty()) return nullptr;
  std::vector<std::string> values;
  for (const auto& [variable, value] : execute.secrets) values.push_back(value);
  return std::make_shared<const exec::Masks>(values);
}

}  // namespace

SlotDone RunSlot(const Registry& registry, const SlotExecute& execute, std::stop_token stop, TaskOutput& output) {
  SlotDone done;
  done.attempt = execute.attempt;
  const auto started = std::chrono::steady_clock::now();
  const std::shared_ptr<const exec::Masks> masks = MasksOf(execute);
  if (masks) output.Mask(masks);
  Ended ended = Execute(registry, execute, stop, output, masks.get());
  done.execution = std::chrono::steady_clock::now() - started;
  output.Settle();
  output.End();
  if (masks && ended.result.ok()) ended.result = MaskValue(*masks, *ended.result);
  if (ended.result.ok()) {
    done.outcome = Outcome::kSucceeded;
    if (!ended.result->empty()) {
      done.result.bytes =
          wire::PackPayload(*ended.result, execute.compression ? wire::Compression::kOn : wire::Compression::kOff);
      done.result.size = done.result.bytes.size();
    }
    return done;
  }
  Fail(done, ended.result.status(), stop.stop_requested());
  done.failure.exception = ended.exception;
  done.failure.out_of_memory = ended.out_of_memory;
  if (done.failure.output.empty() && done.outcome != Outcome::kSkipped) done.failure.output = output.Tail();
  if (masks) {
    for (std::string* text : {&done.failure.message, &done.failure.exception, &done.failure.output}) {
      *text = masks->Mask(*text);
    }
  }
  return done;
}

}  // namespace millrace

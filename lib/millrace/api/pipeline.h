// SPDX-License-Identifier: Apache-2.0
// A pipeline: module instances and what each takes from which. What can be known from their types is checked by the
// compiler (wiring.h), the rest by ToJob, before anything starts.
//
//   Pipeline pipeline{Restore{}, Build{}, Build{.configuration = "Debug"}, Report{}};
//   for (int shard : shards) pipeline.Add(Test{.shard = shard});
//
// An instance is named by its module and the fields that differ from their defaults: "build",
// "build[configuration=Debug]".
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/api/registry.h"
#include "millrace/api/wiring.h"
#include "millrace/base/fields.h"
#include "millrace/model/job.h"

namespace millrace {
namespace detail {

// A field that differs from its default.
struct ChosenField {
  std::string_view name;
  Bytes encoded;
};

struct Instance {
  const ModuleEntry* entry = nullptr;
  std::string name;
  Bytes inputs;
  Requirements requirements;
  Policy policy;
  std::shared_ptr<const void> module;  // the struct itself, for Takes()
};

// "build[configuration=Debug,jobs=4]"; long values are shortened and carry a digest.
std::string InstanceName(std::string_view module, const std::vector<ChosenField>& chosen);

template <class M>
std::vector<ChosenField> ChosenFields(const M& module) {
  std::vector<ChosenField> chosen;
  const M defaults{};
  ForEachField(module, defaults, [&](std::string_view name, const auto& value, const auto& fallback) {
    Bytes encoded = EncodeValue(value);
    if (!(encoded == EncodeValue(fallback))) chosen.push_back({name, std::move(encoded)});
  });
  return chosen;
}

template <class M>
Instance MakeInstance(M module) {
  Instance instance;
  instance.entry = &EntryOf<M>();
  instance.name = InstanceName(M::kName, ChosenFields(module));
  if constexpr (kFieldCount < M >> 0) instance.inputs = EncodeValue(module);
  if constexpr (requires { module.requirements(); }) instance.requirements = module.requirements();
  if constexpr (requires { module.policy(); }) instance.policy = module.policy();
  instance.module = std::make_shared<const M>(std::move(module));
  return instance;
}

}  // namespace detail

class Pipeline {
 public:
  Pipeline() = default;
  template <class First, class... Rest>
  requires(!std::is_same_v<std::remove_cvref_t<First>, Pipeline>) explicit Pipeline(First first, Rest... rest) {
    using Fault = detail::WiringFault<First, Rest...>;
    if constexpr (detail::IsFault<Fault>) {
      Fault::Raise();
    } else {
      Append(std::move(first));
      (Append(std::move(rest)), ...);
    }
  }

  // Adds an instance whose dependencies may come before or after it; ToJob checks how it is wired.
  template <class M>
  Pipeline& Add(M module) & {
    using Fault = detail::ModuleFault<M>;
    if constexpr (detail::IsFault<Fault>) {
      Fault::Raise();
    } else {
      Append(std::move(module));
    }
    return *this;
  }
  template <class M>
  Pipeline&& Add(M module) && {
    return std::move(Add(std::move(module)));
  }
  Pipeline& Named(std::string name) & {
    name_ = std::move(name);
    return *this;
  }
  Pipeline&& Named(std::string name) && { return std::move(Named(std::move(name))); }
  // All that does not depend on a failure still runs; the default is to cancel the rest.
  Pipeline& KeepGoing() & {
    fail_mode_ = FailMode::kKeepGoing;
    return *this;
  }
  Pipeline&& KeepGoing() && { return std::move(KeepGoing()); }
  // An environment variable for the commands of every module.
  Pipeline& Env(std::string name, std::string value) & {
    env_.insert_or_assign(std::move(name), std::move(value));
    return *this;
  }
  Pipeline&& Env(std::string name, std::string value) && { return std::move(Env(std::move(name), std::move(value))); }

  // The pipeline as data. InvalidArgument names what is wrong: no modules, equal instances, a missing module with the
  // nearest there is, several where one is taken, a circle with its whole path, a policy out of range.
  absl::StatusOr<JobSpec> ToJob() const;

  const std::string& name() const { return name_; }
  std::size_t size() const { return instances_.size(); }
  const Registry& registry() const { return registry_; }

 private:
  template <class M>
  void Append(M module) {
    registry_.Add<M>();
    instances_.push_back(detail::MakeInstance(std::move(module)));
  }

  std::string name_ = "pipeline";
  FailMode fail_mode_ = FailMode::kFailFast;
  std::map<std::string, std::string> env_;
  Registry registry_;
  std::vector<detail::Instance> instances_;
};

}  // namespace millrace

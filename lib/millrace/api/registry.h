// SPDX-License-Identifier: Apache-2.0
// The modules a program can run, by name: what a worker offers and what the runner calls. Behind each name is one
// function that takes bytes and gives bytes; the types stay inside it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "millrace/api/bind.h"
#include "millrace/api/module.h"
#include "millrace/model/offer.h"

namespace millrace {

// One dependency parameter of a module's Run.
struct ParameterSpec {
  std::string_view module;
  const void* type = nullptr;  // of the module it takes; see ModuleEntry::type
  detail::Takes takes = detail::Takes::kOne;
  bool (*narrows)(const void* dependant, const void* dependency) = nullptr;  // Takes(); null = takes every one
};

struct ModuleEntry {
  std::string_view name;
  const void* type = nullptr;  // an address that no other module type has, for this process's life
  std::uint64_t fingerprint = 0;
  std::string_view version;  // kVersion; "" = the program's build
  std::vector<ParameterSpec> parameters;
  // The result's bytes (empty = no value), or why there is none. Exceptions of Run pass through.
  absl::StatusOr<Bytes> (*run)(const Bytes& inputs, Context& context) = nullptr;
};

namespace detail {

template <class M>
inline constexpr char kTypeAddress = 0;

template <class M, class D>
constexpr auto NarrowsFunction() -> bool (*)(const void*, const void*) {
  if constexpr (Narrows<M, D>) {
    return [](const void* dependant, const void* dependency) -> bool {
      return static_cast<const M*>(dependant)->Takes(*static_cast<const D*>(dependency));
    };
  } else {
    return nullptr;
  }
}

template <class M, class P>
ParameterSpec DescribeParameter() {
  using Traits = ParameterTraits<P>;
  using D = typename Traits::Module;
  return {D::kName, &kTypeAddress<D>, Traits::kTakes, NarrowsFunction<M, D>()};
}

template <class R>
std::uint64_t ResultFingerprint() {
  if constexpr (std::is_same_v<R, Value>) {
    return 1;
  } else if constexpr (std::is_same_v<R, NoResult>) {
    return 2;
  } else {
    return wire::TypeFingerprint<R>();
  }
}

// Over the name and the types at the module's edges, so that a worker whose module differs is never given the task.
// Never 0, which stands for "any".
std::uint64_t CombineFingerprints(std::string_view name, std::span<const std::uint64_t> parts);

template <class M, class... Ps>
ModuleEntry DescribeModule(TypeList<Ps...>) {
  const std::uint64_t parts[] = {wire::TypeFingerprint<M>(), ResultFingerprint<ResultOf<M>>(),
                                 (ResultFingerprint<ResultOf<typename ParameterTraits<Ps>::Module>>() * 4 +
                                  static_cast<std::uint64_t>(ParameterTraits<Ps>::kTakes))...};
  ModuleEntry entry;
  entry.name = M::kName;
  entry.type = &kTypeAddress<M>;
  entry.fingerprint = CombineFingerprints(entry.name, parts);
  if constexpr (requires { M::kVersion; }) entry.version = M::kVersion;
  entry.parameters = {DescribeParameter<M, Ps>()...};
  entry.run = &RunModule<M>;
  return entry;
}

template <class M>
const ModuleEntry& EntryOf() {
  static const ModuleEntry entry = DescribeModule<M>(DependencyParameters<M>{});
  return entry;
}

}  // namespace detail

class Registry {
 public:
  // Once or often, it is the same. Two types of one name are found by Check().
  template <class M>
  Registry& Add() {
    using Fault = detail::ModuleFault<M>;
    if constexpr (detail::IsFault<Fault>) {
      Fault::Raise();
    } else {
      Put(detail::EntryOf<M>());
    }
    return *this;
  }
  // Takes what `other` has besides; on equal names ours stays.
  Registry& Merge(const Registry& other);

  // AlreadyExists when two module types share a name.
  absl::Status Check() const;
  // NotFound names the nearest module and all that there are.
  absl::StatusOr<const ModuleEntry*> Find(std::string_view name) const;
  std::vector<OfferedModule> Offered() const;
  std::size_t size() const { return entries_.size(); }

 private:
  void Put(const ModuleEntry& entry);

  std::map<std::string, const ModuleEntry*, std::less<>> entries_;
  std::vector<std::string> conflicts_;
};

}  // namespace millrace

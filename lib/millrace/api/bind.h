// SPDX-License-Identifier: Apache-2.0
// From bytes to a call of Run and back: decodes the module's fields, binds what its dependencies left to the
// parameters, calls, and encodes what comes back. One instantiation per module type is all that a Registry holds of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/api/context.h"
#include "millrace/api/module.h"
#include "millrace/api/value.h"
#include "millrace/wire/paths.h"

namespace millrace::detail {

// Those of `dependencies` that belong to parameter `index`, which takes `module`: bound to it by number, or (from a
// pipeline that is data) by the name of the module.
std::vector<const DependencyView*> BoundTo(std::size_t index, std::string_view module,
                                           std::span<const DependencyView> dependencies);
absl::Status WrongCount(std::string_view module, const std::vector<const DependencyView*>& bound);
// Why a dependency has no value.
absl::Status WhyNoValue(const DependencyView& dependency);
absl::Status Undecodable(const DependencyView& dependency, std::string_view what, const absl::Status& why);

template <class M>
absl::StatusOr<DependencyResult<ResultOf<M>>> TakeResult(const DependencyView& dependency) {
  using Result = DependencyResult<ResultOf<M>>;
  if (!IsGood(dependency.outcome)) return Result(dependency.name, dependency.outcome, WhyNoValue(dependency));
  auto value = DecodeValue<ResultOf<M>>(dependency.result);
  if (!value.ok()) return Undecodable(dependency, "result", value.status());
  return Result(dependency.name, dependency.outcome, *std::move(value));
}

// Empty bytes stand for a module whose fields are all at their defaults.
template <class M>
absl::StatusOr<M> DecodeModule(const Bytes& inputs) {
  if (inputs.empty()) return M{};
  return DecodeValue<M>(inputs);
}

template <class P>
struct Binder;

template <class M>
struct Binder<From<M>> {
  static absl::StatusOr<From<M>> Bind(std::size_t index, std::span<const DependencyView> dependencies) {
    const auto bound = BoundTo(index, M::kName, dependencies);
    if (bound.size() != 1) return WrongCount(M::kName, bound);
    MILLRACE_ASSIGN_OR_RETURN(auto result, TakeResult<M>(*bound.front()));
    return From<M>(std::move(result));
  }
};

template <class M>
struct Binder<Maybe<M>> {
  static absl::StatusOr<Maybe<M>> Bind(std::size_t index, std::span<const DependencyView> dependencies) {
    const auto bound = BoundTo(index, M::kName, dependencies);
    if (bound.empty()) return Maybe<M>();
    if (bound.size() > 1) return WrongCount(M::kName, bound);
    MILLRACE_ASSIGN_OR_RETURN(auto result, TakeResult<M>(*bound.front()));
    return Maybe<M>(std::move(result));
  }
};

template <class M>
struct Binder<FromAll<M>> {
  static absl::StatusOr<FromAll<M>> Bind(std::size_t index, std::span<const DependencyView> dependencies) {
    std::vector<Joined<M>> items;
    for (const DependencyView* dependency : BoundTo(index, M::kName, dependencies)) {
      auto module = DecodeModule<M>(dependency->inputs);
      if (!module.ok()) return Undecodable(*dependency, "inputs", module.status());
      MILLRACE_ASSIGN_OR_RETURN(auto result, TakeResult<M>(*dependency));
      items.push_back(Joined<M>{*std::move(module), dependency->name, std::move(result)});
    }
    return FromAll<M>(std::move(items));
  }
};

// Paths travel relative to the work directory: the reader's may be elsewhere.
template <class Result>
absl::StatusOr<Bytes> EncodeResult(Result&& result, const std::string& work_dir) {
  wire::MakePathsRelative(result, work_dir);
  return EncodeValue(result);
}
template <class R>
absl::StatusOr<Bytes> EncodeResult(absl::StatusOr<R>&& result, const std::string& work_dir) {
  if (!result.ok()) return std::move(result).status();
  wire::MakePathsRelative(*result, work_dir);
  return EncodeValue(*result);
}
inline absl::StatusOr<Bytes> EncodeResult(absl::Status&& status, const std::string&) {
  if (!status.ok()) return std::move(status);
  return Bytes();
}

template <class M, class... Ps, std::size_t... I>
absl::StatusOr<Bytes> CallRun(const M& module, Context& context, TypeList<Ps...>, std::index_sequence<I...>) {
  std::tuple<absl::StatusOr<Ps>...> bound{Binder<Ps>::Bind(I, context.dependencies())...};
  absl::Status first;
  (static_cast<void>(first.ok() && !std::get<I>(bound).ok() ? first = std::get<I>(bound).status() : first), ...);
  if (!first.ok()) return first;
  const auto call = [&]() -> decltype(auto) {
    if constexpr (kTakesContext<M>) {
      return module.Run(context, *std::move(std::get<I>(bound))...);
    } else {
      return module.Run(*std::move(std::get<I>(bound))...);
    }
  };
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    return Bytes();
  } else {
    return EncodeResult(call(), context.work_dir());
  }
}

// Decodes, binds, runs, encodes. Exceptions of Run pass through.
template <class M>
absl::StatusOr<Bytes> RunModule(const Bytes& inputs, Context& context) {
  auto module = DecodeModule<M>(inputs);
  if (!module.ok()) return Annotate(module.status(), "its inputs do not decode");
  return CallRun(*module, context, DependencyParameters<M>{},
                 std::make_index_sequence<DependencyParameters<M>::kSize>{});
}

}  // namespace millrace::detail

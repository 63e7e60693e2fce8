// SPDX-License-Identifier: Apache-2.0
// What a module's `Run` looks like, read from its type: what it takes, what it gives, and whether it is const.
#pragma once

#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace millrace {

// The result of a module that only succeeds or fails.
struct NoResult {
  friend bool operator==(NoResult, NoResult) { return true; }
};

namespace detail {

template <class... Ts>
struct TypeList {
  static constexpr std::size_t kSize = sizeof...(Ts);
};

template <class Member>
struct RunSignature {
  static constexpr bool kIsMember = false;
  static constexpr bool kIsConst = false;
};
template <class M, class R, class... Ps>
struct RunSignature<R (M::*)(Ps...) const> {
  static constexpr bool kIsMember = true;
  static constexpr bool kIsConst = true;
  using Return = R;
  using Parameters = TypeList<Ps...>;
};
template <class M, class R, class... Ps>
struct RunSignature<R (M::*)(Ps...) const noexcept> : RunSignature<R (M::*)(Ps...) const> {};

template <class R>
struct ResultOfReturn {
  using Type = R;
};
template <class R>
struct ResultOfReturn<absl::StatusOr<R>> {
  using Type = R;
};
template <>
struct ResultOfReturn<absl::Status> {
  using Type = NoResult;
};
template <>
struct ResultOfReturn<void> {
  using Type = NoResult;
};

}  // namespace detail

// The result type of module M: R of `StatusOr<R> Run` or of `R Run`, NoResult of `absl::Status Run` and `void Run`.
template <class M>
using ResultOf = typename detail::ResultOfReturn<typename detail::RunSignature<decltype(&M::Run)>::Return>::Type;

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// The check over a pack of modules, done by the compiler: every module sound, every dependency present, one where one
// is taken, no two names alike, no circle. What depends on values (names of instances, what Takes() leaves) is checked
// by Pipeline::ToJob.
#pragma once

#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "millrace/api/module.h"

namespace millrace::detail {

template <class T, class... Ts>
inline constexpr bool kContains = (std::is_same_v<T, Ts> || ...);
template <class T, class... Ts>
inline constexpr std::size_t kCount = (std::size_t{std::is_same_v<T, Ts>} + ... + 0);

template <class Seen, class... Ts>
struct Unique {
  using Type = Seen;
};
template <class... Seen, class T, class... Ts>
struct Unique<TypeList<Seen...>, T, Ts...>
    : Unique<std::conditional_t<kContains<T, Seen...>, TypeList<Seen...>, TypeList<Seen..., T>>, Ts...> {};

// ---- same names -----------------------------------------------------------------------------------------------------

template <class A, class B>
constexpr bool ShareName() {
  return std::string_view(A::kName) == std::string_view(B::kName);
}
template <class A, class... Rest>
constexpr auto FindSameName(TypeList<A, Rest...>) {
  using Here =
      typename FirstFault<std::conditional_t<ShareName<A, Rest>(), fault::SameName<A, Rest>, fault::None>...>::Type;
  if constexpr (!std::is_same_v<Here, fault::None>) {
    return Found<Here>{};
  } else {
    return FindSameName(TypeList<Rest...>{});
  }
}
template <class... None>
constexpr auto FindSameName(TypeList<None...>) {
  static_assert(sizeof...(None) == 0);
  return Found<fault::None>{};
}

// ---- what each module takes
// -------------------------------------------------------------------------------------------

template <class M, class P, class... Pack>
constexpr auto FindEdgeFault() {
  using Traits = ParameterTraits<P>;
  using D = typename Traits::Module;
  if constexpr (!kContains<D, Pack...> && Traits::kTakes != Takes::kMaybe) {
    return Found<fault::MissingModule<M, D>>{};
  } else if constexpr ((kCount<D, Pack...>) > 1 && Traits::kTakes != Takes::kAll && !Narrows<M, D>) {
    return Found<fault::SeveralInstances<M, D>>{};
  } else {
    return Found<fault::None>{};
  }
}
template <class M, class... Pack, class... Ps>
constexpr auto FindEdgeFaults(TypeList<Ps...>) {
  return Found<typename FirstFault<typename decltype(FindEdgeFault<M, Ps, Pack...>())::type...>::Type>{};
}
template <class M, class... Pack>
using EdgeFault = typename decltype(FindEdgeFaults<M, Pack...>(DependencyParameters<M>{}))::type;

template <class M, class... Distinct>
using StrangerFault = typename FirstFault<std::conditional_t<Narrows<M, Distinct> && !kDependsOn<M, Distinct>,
                                                             fault::TakesStranger<M, Distinct>, fault::None>...>::Type;

// ---- circles
// ----------------------------------------------------------------------------------------------------------

template <std::size_t N>
struct CyclePath {
  std::array<std::size_t, N + 1> step{};  // step[0] == step[length - 1]
  std::size_t length = 0;                 // 0 = no circle
};

// Depth first from every module; the stack is the path, so a step back onto it is the circle.
template <std::size_t N>
struct CycleSearch {
  std::array<std::array<bool, N>, N> needs{};
  std::array<int, N> state{};  // 0 new, 1 on the stack, 2 done
  CyclePath<N> stack{};

  constexpr bool Visit(std::size_t at) {
    state[at] = 1;
    stack.step[stack.length++] = at;
    for (std::size_t next = 0; next < N; ++next) {
      if (!needs[at][next] || state[next] == 2) continue;
      if (state[next] == 0) {
        if (Visit(next)) return true;
        continue;
      }
      CyclePath<N> path;
      std::size_t from = 0;
      while (stack.step[from] != next) ++from;
      for (; from < stack.length; ++from) path.step[path.length++] = stack.step[from];
      path.step[path.length++] = next;
      stack = path;
      return true;
    }
    state[at] = 2;
    --stack.length;
    return false;
  }
};

template <class M, class... Ms>
constexpr std::array<bool, sizeof...(Ms)> NeedsOf() {
  return {kDependsOn<M, Ms>...};
}
template <class... Ms>
constexpr CyclePath<sizeof...(Ms)> FindCycle() {
  CycleSearch<sizeof...(Ms)> search{.needs = {NeedsOf<Ms, Ms...>()...}};
  for (std::size_t start = 0; start < sizeof...(Ms); ++start) {
    if (search.state[start] == 0 && search.Visit(start)) return search.stack;
  }
  return {};
}
template <class... Ms>
inline constexpr CyclePath<sizeof...(Ms)> kCycleOf = FindCycle<Ms...>();

template <class... Ms, std::size_t... Steps>
constexpr auto NameCycle(std::index_sequence<Steps...>) {
  return Found<fault::Cycle<std::tuple_element_t<kCycleOf<Ms...>.step[Steps], std::tuple<Ms...>>...>>{};
}

// ---- all of it
// --------------------------------------------------------------------------------------------------------

template <class... Distinct>
using FirstModuleFault = typename FirstFault<ModuleFault<Distinct>...>::Type;
template <class... Distinct>
using NameFault = typename decltype(FindSameName(TypeList<Distinct...>{}))::type;

template <class... Pack, class... Distinct>
constexpr auto FindWiringFault(TypeList<Distinct...>) {
  if constexpr (IsFault<FirstModuleFault<Distinct...>>) {
    return Found<FirstModuleFault<Distinct...>>{};
  } else if constexpr (IsFault<NameFault<Distinct...>>) {
    return Found<NameFault<Distinct...>>{};
  } else if constexpr (IsFault<typename FirstFault<EdgeFault<Distinct, Pack...>...>::Type>) {
    return Found<typename FirstFault<EdgeFault<Distinct, Pack...>...>::Type>{};
  } else if constexpr (IsFault<typename FirstFault<StrangerFault<Distinct, Distinct...>...>::Type>) {
    return Found<typename FirstFault<StrangerFault<Distinct, Distinct...>...>::Type>{};
  } else if constexpr (kCycleOf<Distinct...>.length > 0) {
    return NameCycle<Distinct...>(std::make_index_sequence<kCycleOf<Distinct...>.length>{});
  } else {
    return Found<fault::None>{};
  }
}

template <class... Pack>
using WiringFault = typename decltype(FindWiringFault<Pack...>(typename Unique<TypeList<>, Pack...>::Type{}))::type;

}  // namespace millrace::detail

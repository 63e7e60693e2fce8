// SPDX-License-Identifier: Apache-2.0
// What a module is, read from a plain struct M, and the checks that M is one.
//
//   struct Build {
//     static constexpr std::string_view kName = "build";
//     std::string configuration = "Release";                         // inputs: the fields, all with defaults
//     Requirements requirements() const { return {.cpus = 2}; }      // optional
//     Policy policy() const { return {.retries = 2}; }               // optional
//     static constexpr std::string_view kVersion = "3";              // optional: part of every cache key
//     bool Takes(const Restore& restore) const;                      // optional, overloadable: narrows a dependency
//     absl::StatusOr<Info> Run(Context& context, From<Restore> restored) const;
//   };
//
// `Run` returns StatusOr<R>, absl::Status, R or void. A mistake is refused in one line of compiler error (fault.h).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "millrace/api/dependency.h"
#include "millrace/api/fault.h"
#include "millrace/api/signature.h"
#include "millrace/model/policy.h"
#include "millrace/model/requirements.h"
#include "millrace/wire/codec.h"

namespace millrace {

class Context;

namespace detail {

// ---- names ----------------------------------------------------------------------------------------------------------

template <class M>
concept HasName = requires {
  { std::string_view(M::kName) } -> std::same_as<std::string_view>;
};

constexpr bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-' || c == '/';
}
constexpr bool IsModuleName(std::string_view name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), IsNameCharacter) &&
         name.front() != '.' && name.front() != '_' && name.front() != '-' && name.front() != '/';
}

// ---- Run ------------------------------------------------------------------------------------------------------------

template <class M>
concept HasOneRun = requires {
  &M::Run;
};

// A class that inherits two members called Run cannot name either: so we learn that M has some Run, of whatever shape.
struct NamesRun {
  int Run;
};
template <class M>
struct RunProbe : M, NamesRun {};
template <class M>
constexpr bool HasSomeRun() {
  if constexpr (std::is_class_v<M> && !std::is_final_v<M>) {
    return !requires { &RunProbe<M>::Run; };
  } else {
    return false;
  }
}

template <class M>
using SignatureOf = RunSignature<decltype(&M::Run)>;

// ---- dependency parameters
// --------------------------------------------------------------------------------------------

enum class Takes { kOne, kAll, kMaybe };

template <class P>
struct ParameterTraits {
  static constexpr bool kIsDependency = false;
};
template <class M>
struct ParameterTraits<From<M>> {
  static constexpr bool kIsDependency = true;
  static constexpr Takes kTakes = Takes::kOne;
  using Module = M;
};
template <class M>
struct ParameterTraits<FromAll<M>> {
  static constexpr bool kIsDependency = true;
  static constexpr Takes kTakes = Takes::kAll;
  using Module = M;
};
template <class M>
struct ParameterTraits<Maybe<M>> {
  static constexpr bool kIsDependency = true;
  static constexpr Takes kTakes = Takes::kMaybe;
  using Module = M;
};

// By value or by reference to const: the runner owns what it hands over.
template <class P>
inline constexpr bool kIsDependencyParameter = ParameterTraits<std::remove_cvref_t<P>>::kIsDependency &&
                                               (!std::is_reference_v<P> ||
                                                std::is_const_v<std::remove_reference_t<P>> ||
                                                std::is_rvalue_reference_v<P>);

template <class List>
struct WithoutContext {
  static constexpr bool kHasContext = false;
  using Rest = List;
};
template <class... Ps>
struct WithoutContext<TypeList<Context&, Ps...>> {
  static constexpr bool kHasContext = true;
  using Rest = TypeList<Ps...>;
};

template <class M>
inline constexpr bool kTakesContext = WithoutContext<typename SignatureOf<M>::Parameters>::kHasContext;
// Run's dependency parameters, as TypeList<From<A>, Maybe<B>, ...>.
template <class List>
struct Decayed;
template <class... Ps>
struct Decayed<TypeList<Ps...>> {
  using Type = TypeList<std::remove_cvref_t<Ps>...>;
};
template <class M>
using DependencyParameters = typename Decayed<typename WithoutContext<typename SignatureOf<M>::Parameters>::Rest>::Type;

// M may narrow which instances of D it takes.
template <class M, class D>
concept Narrows = requires(const M& module, const D& other) {
  { module.Takes(other) } -> std::convertible_to<bool>;
};
template <class M, class... Ps>
constexpr bool DependsOnAny(TypeList<Ps...>, std::type_identity<M>) {
  return (std::is_same_v<typename ParameterTraits<Ps>::Module, M> || ...);
}
template <class M, class D>
inline constexpr bool kDependsOn = DependsOnAny(DependencyParameters<M>{}, std::type_identity<D>{});

struct NamesTakes {
  int Takes;
};
template <class M>
struct TakesProbe : M, NamesTakes {};
template <class M>
constexpr bool HasSomeTakes() {
  if constexpr (!std::is_final_v<M>) {
    return !requires { &TakesProbe<M>::Takes; };
  } else {
    return false;
  }
}
template <class M, class... Ps>
constexpr bool NarrowsAny(TypeList<Ps...>) {
  return (Narrows<M, typename ParameterTraits<Ps>::Module> || ...);
}

// ---- the check of one module
// ------------------------------------------------------------------------------------------

template <class Fault>
concept IsFault = !std::is_same_v<Fault, fault::None>;
template <class Fault>
using Found = std::type_identity<Fault>;

template <class... Faults>
struct FirstFault {
  using Type = fault::None;
};
template <class Fault, class... Rest>
struct FirstFault<Fault, Rest...> {
  using Type = typename FirstFault<Rest...>::Type;
};
template <class Fault, class... Rest>
requires IsFault<Fault>
struct FirstFault<Fault, Rest...> {
  using Type = Fault;
};

template <class M, class P>
using ParameterFault = std::conditional_t<kIsDependencyParameter<P>, fault::None, fault::BadParameter<M, P>>;
template <class M, class... Ps>
constexpr auto FindParameterFault(TypeList<Ps...>) {
  return Found<typename FirstFault<ParameterFault<M, Ps>...>::Type>{};
}

template <class M>
constexpr auto FindRunFault() {
  if constexpr (!HasOneRun<M>) {
    if constexpr (HasSomeRun<M>()) {
      return Found<fault::RunIsOverloaded<M>>{};
    } else {
      return Found<fault::NoRun<M>>{};
    }
  } else if constexpr (!SignatureOf<M>::kIsConst) {
    return Found<fault::RunIsNotConst<M>>{};
  } else {
    return FindParameterFault<M>(typename WithoutContext<typename SignatureOf<M>::Parameters>::Rest{});
  }
}

// The parts besides Run and inputs; called only once Run is known to be sound.
template <class M>
constexpr auto FindExtraFault() {
  if constexpr (kDependsOn<M, M>) {
    return Found<fault::DependsOnItself<M>>{};
  } else if constexpr (!std::is_same_v<ResultOf<M>, NoResult> && !wire::Supported<ResultOf<M>>) {
    return Found<fault::BadResult<M, ResultOf<M>>>{};
  } else if constexpr (
      requires { &M::requirements; } &&
      !requires(const M& m) {
        { m.requirements() } -> std::convertible_to<Requirements>;
      }) {
    return Found<fault::BadRequirements<M>>{};
  } else if constexpr (
      requires { &M::policy; } &&
      !requires(const M& m) {
        { m.policy() } -> std::convertible_to<Policy>;
      }) {
    return Found<fault::BadPolicy<M>>{};
  } else if constexpr (
      requires { M::kVersion; } && !requires { std::string_view(M::kVersion); }) {
    return Found<fault::BadVersion<M>>{};
  } else if constexpr (HasSomeTakes<M>() && !NarrowsAny<M>(DependencyParameters<M>{})) {
    return Found<fault::BadTakes<M>>{};
  } else {
    return Found<fault::None>{};
  }
}

template <class M>
using RunFault = typename decltype(FindRunFault<M>())::type;

template <class M>
constexpr auto FindModuleFault() {
  if constexpr (!HasName<M>) {
    return Found<fault::NoName<M>>{};
  } else if constexpr (!IsModuleName(M::kName)) {
    return Found<fault::BadName<M>>{};
  } else if constexpr (IsFault<RunFault<M>>) {
    return Found<RunFault<M>>{};
  } else if constexpr (!std::is_aggregate_v<M> || !std::default_initializable<M> || !wire::Supported<M>) {
    return Found<fault::BadInputs<M>>{};
  } else {
    return FindExtraFault<M>();
  }
}

template <class M>
using ModuleFault = typename decltype(FindModuleFault<M>())::type;

}  // namespace detail

// A struct that can be put into a pipeline.
template <class M>
concept Module = std::is_same_v<detail::ModuleFault<M>, fault::None>;

}  // namespace millrace

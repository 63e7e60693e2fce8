// SPDX-License-Identifier: Apache-2.0
// What the compiler knows of modules. The messages it gives are tests/compile_fail's business.
#include "millrace/api/module.h"

#include <gtest/gtest.h>

#include "millrace/api/context.h"
#include "millrace/api/wiring.h"

namespace millrace {
namespace {

using detail::ModuleFault;
using detail::WiringFault;

template <class Fault, class Expected>
inline constexpr bool kSame = std::is_same_v<Fault, Expected>;

struct Restore {
  static constexpr std::string_view kName = "restore";
  absl::Status Run(Context&) const { return absl::OkStatus(); }
};
struct Build {
  static constexpr std::string_view kName = "build";
  std::string configuration;
  int Run(Context&, const From<Restore>&) const noexcept { return 1; }
};
struct Pick {
  static constexpr std::string_view kName = "pick";
  bool Takes(const Build&) const { return true; }
  absl::StatusOr<std::string> Run(From<Build>) const { return "x"; }
};
struct Join {
  static constexpr std::string_view kName = "join";
  void Run(FromAll<Build>, Maybe<Pick>) const {}
};

static_assert(Module<Restore> && Module<Build> && Module<Pick> && Module<Join>);
static_assert(kSame<ResultOf<Restore>, NoResult> && kSame<ResultOf<Build>, int> && kSame<ResultOf<Pick>, std::string> &&
              kSame<ResultOf<Join>, NoResult>);
static_assert(kSame<WiringFault<Restore, Build, Build, Pick, Join>, fault::None>);
static_assert(kSame<WiringFault<Restore, Build, Join>, fault::None>, "Maybe may be absent");

struct Unnamed {
  void Run() const;
};
struct Spaced {
  static constexpr std::string_view kName = "two words";
  void Run() const;
};
struct Idle {
  static constexpr std::string_view kName = "idle";
};
struct Overloaded {
  static constexpr std::string_view kName = "overloaded";
  void Run() const;
  void Run(Context&) const;
};
struct Generic {
  static constexpr std::string_view kName = "generic";
  void Run(auto) const;
};
struct Mutable {
  static constexpr std::string_view kName = "mutable";
  void Run();
};
struct Stranger {
  static constexpr std::string_view kName = "stranger";
  void Run(Context&, int) const;
};
struct LateContext {
  static constexpr std::string_view kName = "late_context";
  void Run(From<Restore>, Context&) const;
};
struct Own {
  static constexpr std::string_view kName = "own";
  void Run(From<Own>) const;
};
struct PointerInput {
  static constexpr std::string_view kName = "pointer_input";
  int* pointer = nullptr;
  void Run() const;
};
struct PointerResult {
  static constexpr std::string_view kName = "pointer_result";
  absl::StatusOr<int*> Run() const;
};
struct WrongPolicy {
  static constexpr std::string_view kName = "wrong_policy";
  int policy() const;
  void Run() const;
};
struct TakesNobody {
  static constexpr std::string_view kName = "takes_nobody";
  bool Takes(const Build&) const;
  void Run(From<Restore>) const;
};

static_assert(kSame<ModuleFault<int>, fault::NoName<int>>);
static_assert(kSame<ModuleFault<Unnamed>, fault::NoName<Unnamed>>);
static_assert(kSame<ModuleFault<Spaced>, fault::BadName<Spaced>>);
static_assert(kSame<ModuleFault<Idle>, fault::NoRun<Idle>>);
static_assert(kSame<ModuleFault<Overloaded>, fault::RunIsOverloaded<Overloaded>>);
static_assert(kSame<ModuleFault<Generic>, fault::RunIsOverloaded<Generic>>);
static_assert(kSame<ModuleFault<Mutable>, fault::RunIsNotConst<Mutable>>);
static_assert(kSame<ModuleFault<Stranger>, fault::BadParameter<Stranger, int>>);
static_assert(kSame<ModuleFault<LateContext>, fault::BadParameter<LateContext, Context&>>);
static_assert(kSame<ModuleFault<Own>, fault::DependsOnItself<Own>>);
static_assert(kSame<ModuleFault<PointerInput>, fault::BadInputs<PointerInput>>);
static_assert(kSame<ModuleFault<PointerResult>, fault::BadResult<PointerResult, int*>>);
static_assert(kSame<ModuleFault<WrongPolicy>, fault::BadPolicy<WrongPolicy>>);
static_assert(kSame<ModuleFault<TakesNobody>, fault::BadTakes<TakesNobody>>);

struct B;
struct C;
struct A {
  static constexpr std::string_view kName = "a";
  void Run(From<B>) const;
};
struct B {
  static constexpr std::string_view kName = "b";
  void Run(FromAll<C>) const;
};
struct C {
  static constexpr std::string_view kName = "c";
  void Run(Maybe<B>) const;
};
struct AlsoA {
  static constexpr std::string_view kName = "a";
  void Run() const;
};
// Narrows Build, on which it depends, and Restore, on which it does not.
struct TakesTooMuch {
  static constexpr std::string_view kName = "takes_too_much";
  bool Takes(const Build&) const;
  bool Takes(const Restore&) const;
  void Run(FromAll<Build>) const;
};

TEST(WiringTest, A14_TheCompilerFindsTheFirstFaultAndNamesItsTypes) {
  EXPECT_TRUE((kSame<WiringFault<A, B, C>, fault::Cycle<B, C, B>>));
  EXPECT_TRUE((kSame<WiringFault<A, C>, fault::MissingModule<A, B>>));
  EXPECT_TRUE((kSame<WiringFault<Restore, AlsoA, A>, fault::SameName<AlsoA, A>>));
  EXPECT_TRUE((kSame<WiringFault<Restore, Build, Restore>, fault::SeveralInstances<Build, Restore>>));
  EXPECT_TRUE((kSame<WiringFault<Restore, Build, TakesTooMuch>, fault::TakesStranger<TakesTooMuch, Restore>>));
  EXPECT_TRUE((kSame<WiringFault<Restore, Idle, A>, fault::NoRun<Idle>>)) << "a fault of a module comes first";
}

}  // namespace
}  // namespace millrace

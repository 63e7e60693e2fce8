// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a module or with how modules are wired, each as a type whose Raise() says it. The compiler
// names the types involved next to the message: `In instantiation of 'millrace::fault::Cycle<First, Second,
// First>::Raise()'`. (The assertion stands in a function, since clang takes a class with a failed one for incomplete
// and complains again.)
//
// A check finds the first fault and raises only that one, so that a mistake costs one line of error, not a page.
#pragma once

namespace millrace::fault {

template <class...>
inline constexpr bool kNever = false;

struct None {};

// ---- of one module --------------------------------------------------------------------------------------------------

template <class Module>
struct NoName {
  static void Raise() {
    static_assert(kNever<Module>, "millrace: a module needs `static constexpr std::string_view kName = \"...\";`");
  }
};
template <class Module>
struct BadName {
  static void Raise() {
    static_assert(
        kNever<Module>,
        "millrace: kName must be 1 to 100 letters, digits, '.', '_', '-' or '/', starting with a letter or digit");
  }
};
template <class Module>
struct NoRun {
  static void Raise() { static_assert(kNever<Module>, "millrace: a module needs a public `Run(...) const`"); }
};
template <class Module>
struct RunIsOverloaded {
  static void Raise() {
    static_assert(kNever<Module>, "millrace: a module needs exactly one public Run: not overloaded, not a template");
  }
};
template <class Module>
struct RunIsNotConst {
  static void Raise() {
    static_assert(kNever<Module>, "millrace: Run must be a const member function: `Run(...) const`");
  }
};
template <class Module, class Parameter>
struct BadParameter {
  static void Raise() {
    static_assert(kNever<Module, Parameter>,
                  "millrace: Run takes Context& (first, or not at all), then only From<M>, FromAll<M> and Maybe<M>");
  }
};
template <class Module>
struct DependsOnItself {
  static void Raise() { static_assert(kNever<Module>, "millrace: a module must not depend on itself"); }
};
template <class Module>
struct BadInputs {
  static void Raise() {
    static_assert(
        kNever<Module>,
        "millrace: a module is a plain aggregate with defaults for all of its fields, which are numbers, bools, "
        "strings, bytes, enums, paths, durations, vectors, maps, optionals, variants or aggregates of these");
  }
};
template <class Module, class Result>
struct BadResult {
  static void Raise() {
    static_assert(kNever<Module, Result>,
                  "millrace: the result of Run cannot travel: it must be a number, bool, string, bytes, enum, path, "
                  "duration, vector, map, optional, variant or aggregate of these");
  }
};
template <class Module>
struct BadRequirements {
  static void Raise() {
    static_assert(kNever<Module>, "millrace: requirements() must be `Requirements requirements() const`");
  }
};
template <class Module>
struct BadPolicy {
  static void Raise() { static_assert(kNever<Module>, "millrace: policy() must be `Policy policy() const`"); }
};
template <class Module>
struct BadVersion {
  static void Raise() {
    static_assert(kNever<Module>, "millrace: kVersion must be a `static constexpr std::string_view`");
  }
};
template <class Module>
struct BadTakes {
  static void Raise() {
    static_assert(kNever<Module>,
                  "millrace: Takes must be `bool Takes(const M&) const` for a module M that Run depends on");
  }
};

// ---- of a pipeline --------------------------------------------------------------------------------------------------

template <class Dependant, class Dependency>
struct MissingModule {
  static void Raise() {
    static_assert(kNever<Dependant, Dependency>,
                  "millrace: this module takes another that is not in the pipeline: MissingModule<Dependant, Missing>");
  }
};
template <class Dependant, class Dependency>
struct SeveralInstances {
  static void Raise() {
    static_assert(
        kNever<Dependant, Dependency>,
        "millrace: From<M> and Maybe<M> take one, and the pipeline has several M: use FromAll<M>, or narrow them "
        "with `bool Takes(const M&) const`: SeveralInstances<Dependant, M>");
  }
};
template <class First, class Second>
struct SameName {
  static void Raise() {
    static_assert(kNever<First, Second>, "millrace: two module types have the same kName: SameName<First, Second>");
  }
};
template <class... Path>
struct Cycle {
  static void Raise() {
    static_assert(kNever<Path...>, "millrace: these modules wait for each other: Cycle<First, needs this, ..., First>");
  }
};
template <class Module, class Stranger>
struct TakesStranger {
  static void Raise() {
    static_assert(kNever<Module, Stranger>,
                  "millrace: Takes narrows a module that Run does not depend on: TakesStranger<Module, Other>");
  }
};

}  // namespace millrace::fault

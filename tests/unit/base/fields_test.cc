// SPDX-License-Identifier: Apache-2.0
// Reflection of aggregates: counts, names and references, over the kinds of fields that fool simpler ways of counting.
#include "millrace/base/fields.h"

#include <gtest/gtest.h>

#include <any>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "millrace/base/bytes.h"

namespace millrace {

struct WithLinkage {
  std::string configuration = "Release";
  int jobs = 2;
};

namespace {

struct Empty {};

struct Nested {
  int a = 0;
  std::array<int, 3> b{};
};

// Everything here swallows more or fewer initialisers than one, or converts from anything, in simpler counting schemes.
struct Tricky {
  std::array<Nested, 2> arrays{};
  Nested nested;
  std::any any;
  std::optional<std::any> maybe_any;
  std::variant<int, std::string, std::any> choice;
  std::function<void(std::any)> function;
  std::map<std::string, std::vector<Tricky>> children;
  Empty empty;
  std::unique_ptr<int> owned;
  std::atomic<int> counter;
  Bytes bytes;
  Id<struct SomeTag> id;
  Digest digest;
  std::filesystem::path path = "x";
};

struct Build {
  static constexpr std::string_view kName = "build";
  static constexpr int kVersion = 3;
  std::string configuration = "Release";
  std::chrono::seconds timeout{5};
  std::vector<int> Requirements() const { return {jobs}; }
  int jobs = 1;
  friend bool operator==(const Build&, const Build&) = default;
};

struct Greedy {
  template <class T>
  Greedy(T&&) {}  // NOLINT: the point of it
  Greedy() = default;
};
struct HoldsGreedy {
  Greedy first;
  Greedy second;
  int third = 0;
};

struct HoldsAny {
  std::any first;
};

struct Wide {
  int f01, f02, f03, f04, f05, f06, f07, f08, f09, f10, f11, f12, f13, f14, f15, f16;
  std::string f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32;
};
struct TooWide {
  Wide wide;
  int f02, f03, f04, f05, f06, f07, f08, f09, f10, f11, f12, f13, f14, f15, f16;
  int f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29, f30, f31, f32, f33;
};
struct Private {
  int shown = 0;
  int Hidden() const { return hidden_; }

 private:
  int hidden_ = 0;
};
struct Derived : Nested {
  int c = 0;
};
struct DerivedFromEmpty : Empty {
  int c = 0;
};
struct HoldsCArray {
  int numbers[3];
  int after;
};
struct HoldsReference {
  int first;
  int& second;
};
struct NoDefault {
  explicit NoDefault(int) {}
};
struct HoldsNoDefault {
  int first = 0;
  NoDefault second;
};

enum class Colour : std::uint8_t { kRed, kDarkBlue = 2, kHTTPError, kV2Beta, plain, kLast = 63 };
enum Unscoped : int { kFirstOne, kSecondOne };
enum class Far { kNear = 1, kFar = 64 };

static_assert(Aggregate<Empty> && kFieldCount<Empty> == 0);
static_assert(kFieldCount<std::monostate> == 0);
static_assert(kFieldCount<Nested> == 2);
static_assert(kFieldCount<Tricky> == 14);
static_assert(kFieldCount<Build> == 3 && Build::kName == "build" && Build::kVersion == 3);
static_assert(kFieldCount<HoldsGreedy> == 3 && kFieldCount<HoldsAny> == 1);
static_assert(kFieldCount<Wide> == 32);
static_assert(kFieldCount<WithLinkage> == 2);
static_assert(kFieldCount<TaskRef> == 2);

static_assert(!Aggregate<TooWide>);
static_assert(!Aggregate<Private>);
static_assert(!Aggregate<Derived> && !Aggregate<DerivedFromEmpty>);
static_assert(!Aggregate<HoldsCArray>);
static_assert(!Aggregate<HoldsReference>);
static_assert(!Aggregate<HoldsNoDefault>);
static_assert(!Aggregate<std::array<int, 2>> && !Aggregate<RunId> && !Aggregate<Digest>);
static_assert(!Aggregate<int> && !Aggregate<std::string> && !Aggregate<std::vector<int>> && !Aggregate<int[2]>);
static_assert(!Aggregate<Colour> && !Aggregate<Bytes> && !Aggregate<std::chrono::seconds>);

static_assert(FieldNames<Build>() == std::array<std::string_view, 3>{"configuration", "timeout", "jobs"});
static_assert(FieldNames<WithLinkage>() == std::array<std::string_view, 2>{"configuration", "jobs"});
static_assert(FieldNames<TaskRef>() == std::array<std::string_view, 2>{"run", "index"});
static_assert(FieldNames<Wide>()[0] == "f01" && FieldNames<Wide>()[31] == "f32");
static_assert(FieldNames<Tricky>()[1] == "nested" && FieldNames<Tricky>()[13] == "path");
static_assert(FieldNames<Empty>().empty());

static_assert(EnumName(Colour::kRed) == "red");
static_assert(EnumName(Colour::kDarkBlue) == "dark_blue");
static_assert(EnumName(Colour::kHTTPError) == "http_error");
static_assert(EnumName(Colour::kV2Beta) == "v2_beta");
static_assert(EnumName(Colour::plain) == "plain");
static_assert(EnumName(Colour::kLast) == "last");
static_assert(EnumName(static_cast<Colour>(1)).empty() && EnumName(static_cast<Colour>(64)).empty());
static_assert(EnumName(kSecondOne) == "second_one");
static_assert(EnumName(static_cast<Unscoped>(-1)).empty());
static_assert(EnumName(Far::kNear) == "near" && EnumName(Far::kFar).empty());
static_assert(EnumFromName<Colour>("dark_blue") == Colour::kDarkBlue);
static_assert(!EnumFromName<Colour>("Dark_Blue") && !EnumFromName<Colour>(""));

static_assert(TypeName<TaskRef>() == "millrace::TaskRef");
static_assert(ShortTypeName<TaskRef>() == "TaskRef");
static_assert(ShortTypeName<Build>() == "Build");
static_assert(ShortTypeName<std::vector<TaskRef>>() == "vector");
static_assert(TypeName<int>() == "int");

TEST(Fields, VisitsNamesAndValuesInOrder) {
  Build build{.configuration = "Debug", .timeout = std::chrono::seconds(7), .jobs = 4};
  std::string names;
  ForEachField(build, [&](std::string_view name, auto& field) {
    names += name;
    if constexpr (std::is_same_v<decltype(field), int&>) field += 1;
  });
  EXPECT_EQ(names, "configurationtimeoutjobs");
  EXPECT_EQ(build.jobs, 5);
  const Build& constant = build;
  static_assert(std::is_same_v<decltype(TieFields(constant)),
                               std::tuple<const std::string&, const std::chrono::seconds&, const int&>>);
  EXPECT_EQ(&std::get<0>(TieFields(constant)), &build.configuration);
  std::get<2>(TieFields(build)) = 9;
  EXPECT_EQ(build.jobs, 9);
}

TEST(Fields, VisitsTwoObjectsSideBySide) {
  const Build ours{.configuration = "Debug"};
  Build theirs;
  std::string differing;
  ForEachField(ours, theirs, [&](std::string_view name, const auto& a, auto& b) {
    if (a == b) return;
    differing += name;
    b = a;
  });
  EXPECT_EQ(differing, "configuration");
  EXPECT_EQ(ours, theirs);
}

TEST(Fields, ReachesEveryFieldOfTheWidestAndOfLocalTypes) {
  Wide wide{};
  int visited = 0;
  ForEachField(wide, [&](std::string_view name, auto& field) {
    EXPECT_EQ(std::stoi(std::string(name.substr(1))), ++visited);
    if constexpr (std::is_same_v<decltype(field), std::string&>) field = name;
  });
  EXPECT_EQ(visited, 32);
  EXPECT_EQ(wide.f32, "f32");
  struct Local {
    std::string first = "1";
    std::optional<Nested> second;
  };
  EXPECT_EQ(FieldNames<Local>()[1], "second");
  Empty empty;
  ForEachField(empty, [](std::string_view, auto&) { FAIL(); });
}

TEST(Fields, WorksWithFieldsThatCannotBeCopied) {
  Tricky tricky;
  VisitFields(tricky, [&](auto&... fields) { EXPECT_EQ(sizeof...(fields), 14U); });
  EXPECT_EQ(static_cast<const void*>(&std::get<8>(TieFields(tricky))), &tricky.owned);
}

TEST(Fields, ListsTheNamesOfAnEnum) {
  EXPECT_EQ(EnumNames<Colour>(), "red, dark_blue, http_error, v2_beta, plain, last");
  EXPECT_EQ(EnumNames<Unscoped>(), "first_one, second_one");
}

}  // namespace
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
// One struct with a field of every kind that can travel, and a value of it in which nothing is left at its default.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "millrace/base/bytes.h"
#include "millrace/base/digest.h"
#include "millrace/base/ids.h"

namespace millrace::wire {

enum class Colour : std::uint8_t { kRed, kDarkBlue, kGreen = 5 };
enum class Sign : std::int8_t { kMinus = 0, kPlus = 1 };

struct Nothing {
  friend bool operator==(const Nothing&, const Nothing&) = default;
};

struct Point {
  static constexpr std::string_view kName = "point";
  int x = 1;
  double y = 2.5;
  friend bool operator==(const Point&, const Point&) = default;
};

struct Tree {
  std::string name;
  std::vector<Tree> children{};
  friend bool operator==(const Tree&, const Tree&) = default;
};

using Choice = std::variant<std::monostate, std::int64_t, std::string, Point, std::vector<Point>>;

struct Sample {
  bool flag = false;
  std::int8_t i8 = 0;
  std::uint16_t u16 = 0;
  std::int64_t i64 = 0;
  std::uint64_t u64 = 0;
  float f32 = 0;
  double f64 = 0;
  std::string text;
  Bytes bytes;
  std::vector<std::uint8_t> octets;
  Colour colour = Colour::kRed;
  std::filesystem::path path;
  std::chrono::milliseconds duration{};
  RunId run;
  Digest digest;
  std::vector<bool> bits;
  std::vector<Point> points;
  std::array<Point, 2> pair_of_points{};
  std::map<std::string, std::vector<int>> by_name;
  std::unordered_map<int, std::string> by_number;
  absl::flat_hash_map<std::string, Point> flat;
  std::map<Colour, std::uint64_t> by_colour;
  std::set<std::string> names;
  absl::flat_hash_set<std::int32_t> numbers;
  std::pair<std::string, Sign> labelled{"", Sign::kMinus};
  std::optional<Point> maybe;
  std::optional<std::string> absent;
  Choice choice;
  std::vector<Choice> choices;
  Nothing nothing;
  Tree tree;
  friend bool operator==(const Sample&, const Sample&) = default;
};

inline Sample FullSample() {
  Sample s;
  s.flag = true;
  s.i8 = -128;
  s.u16 = 65535;
  s.i64 = INT64_MIN;
  s.u64 = UINT64_MAX;
  s.f32 = -0.0F;
  s.f64 = 2.0;
  s.text = std::string("caf\xc3\xa9 \0 \xff", 10);
  s.bytes = Bytes::Copy("\x00\x01\xff payload");
  s.octets = {0, 128, 255};
  s.colour = Colour::kGreen;
  s.path = "build/app";
  s.duration = std::chrono::milliseconds(-1500);
  s.run = RunId{EpochQualified(3, 17)};
  s.digest = Sha256("x");
  s.bits = {true, false, true};
  s.points = {{.x = -1, .y = 0.1}, {}};
  s.pair_of_points = {Point{.x = 7, .y = 8}, Point{.x = 9, .y = 1e300}};
  s.by_name = {{"a", {1, 2}}, {"b", {}}};
  s.by_number = {{3, "three"}, {-1, "minus one"}, {200, "two hundred"}, {70000, "many"}};
  s.flat = {{"left", {.x = 1, .y = 1}}, {"right", {.x = 2, .y = 2}}};
  s.by_colour = {{Colour::kDarkBlue, 1}, {Colour::kGreen, 2}};
  s.names = {"x", "y"};
  s.numbers = {5, -5, 500000};
  s.labelled = {"plus", Sign::kPlus};
  s.maybe = Point{.x = 3, .y = -3};
  s.choice = std::string("chosen");
  s.choices = {std::int64_t{-7}, Point{.x = 4, .y = 4}, std::monostate(), std::vector<Point>{{}, {}}};
  s.tree = {"root", {{"left", {{"leaf", {}}}}, {"right", {}}}};
  return s;
}

}  // namespace millrace::wire

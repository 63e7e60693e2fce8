// SPDX-License-Identifier: Apache-2.0
// The modules that the conformance suite runs: each does one thing that a run must survive.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "millrace/api/api.h"
#include "tests/conformance/steps.h"

namespace millrace::testing {

struct Shape {
  std::string text;
  std::vector<double> numbers;
  std::optional<std::int64_t> maybe;
  std::map<std::string, std::variant<std::int64_t, std::string>> named;
  std::vector<std::uint8_t> bytes;
  friend bool operator==(const Shape&, const Shape&) = default;
};

inline Shape ShapeOf(std::int64_t bytes) {
  Shape shape;
  shape.text = std::string("a\0b\xff", 4);
  shape.numbers = {0.5, -0.0, 1e300};
  shape.maybe = -7;
  shape.named = {{"n", std::int64_t{1}}, {"t", std::string("x")}};
  for (std::int64_t i = 0; i < bytes; ++i) shape.bytes.push_back(static_cast<std::uint8_t>((i * 2654435761U) >> 13));
  return shape;
}

struct Produce {
  static constexpr std::string_view kName = "produce";
  std::int64_t bytes = 16;
  absl::StatusOr<Shape> Run(Context&) const { return ShapeOf(bytes); }
};

struct Consume {
  static constexpr std::string_view kName = "consume";
  absl::StatusOr<std::int64_t> Run(Context&, FromAll<Produce> shapes) const {
    std::int64_t same = 0;
    for (const auto& shape : shapes) same += shape.result.value() == ShapeOf(shape.module.bytes) ? 1 : 0;
    return same;
  }
};

// Inputs of any size, which its dependants see too.
struct Carry {
  static constexpr std::string_view kName = "carry";
  std::vector<std::uint8_t> load;
  absl::StatusOr<std::int64_t> Run(Context&) const {
    std::int64_t sum = 0;
    for (const std::uint8_t byte : load) sum = sum * 31 % 1'000'003 + byte;
    return sum;
  }
};

// How many of its dependencies' own inputs give the result that they gave.
struct Recount {
  static constexpr std::string_view kName = "recount";
  absl::StatusOr<std::int64_t> Run(Context& context, FromAll<Carry> all) const {
    std::int64_t same = 0;
    for (const auto& one : all) same += *one.module.Run(context) == one.result.value() ? 1 : 0;
    return same;
  }
};

// Gives back what it was given.
struct Echo {
  static constexpr std::string_view kName = "echo";
  Shape shape{};
  std::filesystem::path path{};
  Duration duration{};
  struct Given {
    Shape shape;
    std::filesystem::path path;
    Duration duration{};
    friend bool operator==(const Given&, const Given&) = default;
  };
  absl::StatusOr<Given> Run(Context&) const { return Given{shape, path, duration}; }
};

// The names of the variables that its process has, and those that its commands have.
struct Surroundings {
  static constexpr std::string_view kName = "surroundings";
  struct Names {
    std::vector<std::string> own;
    std::vector<std::string> of_commands;
  };
  absl::StatusOr<Names> Run(Context& context) const {
    Names names;
    for (char** entry = environ; *entry != nullptr; ++entry) names.own.push_back(NameOf(*entry));
    auto printed = context.Execute({.program = "env"});
    if (!printed.ok()) return printed.status();
    std::istringstream lines(printed->output);
    for (std::string line; std::getline(lines, line);) names.of_commands.push_back(NameOf(line));
    return names;
  }

 private:
  static std::string NameOf(const std::string& entry) { return entry.substr(0, entry.find('=')); }
};

struct Place {
  std::filesystem::path file;
  std::vector<std::filesystem::path> elsewhere;
};

// Leaves a file in its work directory, and says where in full.
struct Leave {
  static constexpr std::string_view kName = "leave";
  absl::StatusOr<Place> Run(Context&) const {
    const std::filesystem::path file = std::filesystem::current_path() / "left.txt";
    std::ofstream(file) << "here";
    return Place{file, {"/etc/hosts"}};
  }
};

struct Find {
  static constexpr std::string_view kName = "find";
  absl::StatusOr<std::string> Run(Context&, From<Leave> left) const {
    std::ifstream in(left->file);
    std::string text;
    in >> text;
    return left->file.string() + " " + text + " " + left->elsewhere.at(0).string();
  }
};

// Ends in the way that `how` says.
struct End {
  static constexpr std::string_view kName = "end";
  std::string how = "well";
  bool ignored = false;
  std::optional<std::int32_t> tries{};  // after the first
  Policy policy() const {
    Policy policy;
    policy.retries = tries;
    policy.ignore_failure = ignored;
    policy.backoff = std::chrono::milliseconds(10);
    if (how == "spin") policy.timeout = std::chrono::milliseconds(300);
    if (how == "eat" || how == "eat-in-a-shell") policy.memory_limit = 64 << 20;
    if (how == "sleep") policy.timeout = std::chrono::seconds(2);  // by then its commands have started
    return policy;
  }
  absl::StatusOr<std::string> Run(Context& context) const {
    if (how == "error") return absl::InvalidArgumentError("the sky is green");
    if (how == "epic") return absl::InvalidArgumentError(std::string(6 << 20, 'e'));
    if (how == "throw") throw std::runtime_error("thrown on purpose");
    if (how == "exit") std::_Exit(3);
    if (how == "crash") raise(SIGKILL);
    if (how == "quit") std::exit(3);
    if (how == "abort") std::abort();
    if (how == "segfault") std::signal(SIGSEGV, SIG_DFL), raise(SIGSEGV);
    if (how == "throw-aside") std::thread([] { throw std::runtime_error("thrown where nobody catches"); }).join();
    volatile bool spinning = how == "spin";
    while (spinning) {
    }
    if (how == "eat") return std::to_string(Eat());
    if (how == "eat-in-a-shell") {  // `tail` waits for the end of the line, and keeps it
      auto eaten = context.Shell("head -c 512M /dev/zero | tail > /dev/null; sleep 1000");
      if (!eaten.ok()) return eaten.status();
    }
    if (how == "skip") return Skip("not today");
    if (how == "sleep" || how == "nap") {
      auto slept = context.Shell("setsid sleep 1000 & a=$!; sleep 1000 & echo $$ $a $! > pid; wait");
      if (!slept.ok()) return slept.status();
    }
    if (how == "second") {  // fails until it has been tried once
      const std::filesystem::path mark = "tried-" + std::to_string(context.run().value);
      if (!std::filesystem::exists(mark)) {
        std::ofstream(mark) << "x";
        return absl::UnavailableError("try again");
      }
    }
    return how;
  }

 private:
  // Half a gibibyte at most, whatever is wrong with the limit.
  static std::size_t Eat() {
    std::vector<std::string> eaten;
    while (eaten.size() < 512) eaten.emplace_back(std::size_t{1} << 20, 'x');
    while (true) pause();  // to be killed is the only way out
    return eaten.size();
  }
};

struct After {
  static constexpr std::string_view kName = "after";
  bool always = false;
  bool fails = false;
  Policy policy() const { return {.always_run = always}; }
  absl::StatusOr<std::int64_t> Run(Context&, FromAll<End> ends) const {
    if (fails) return absl::InvalidArgumentError("the broom is broken");
    std::int64_t good = 0;
    for (const auto& end : ends) good += end.result.ok() ? 1 : 0;
    return good;
  }
};

inline const Registry& TestModules() {
  static const Registry registry = [] {
    Registry all;
    all.Add<Produce>()
        .Add<Consume>()
        .Add<Carry>()
        .Add<Recount>()
        .Add<Leave>()
        .Add<Find>()
        .Add<Echo>()
        .Add<Surroundings>();
    all.Add<End>().Add<After>().Add<Step>();
    return all;
  }();
  return registry;
}

}  // namespace millrace::testing

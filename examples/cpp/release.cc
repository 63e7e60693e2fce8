// SPDX-License-Identifier: Apache-2.0
// The classic restore -> build -> test -> publish in C++. One program, every mode:
//   example-release run | plan | orchestrator --port 8080 | worker --orchestrator URL | submit --orchestrator URL
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/millrace.h"

namespace {

using namespace std::chrono_literals;

// Results are plain structs: what `run` prints and `zmqctl result` shows, and what dependants receive.
struct Dependencies {
  std::vector<std::string> packages;
};

struct Restore {
  static constexpr std::string_view kName = "restore";
  // Tries after the first, for every kind of failure.
  millrace::Policy policy() const { return {.retries = 2, .timeout = 1min}; }
  absl::StatusOr<Dependencies> Run(millrace::Context& context) const {
    context.Print("fetching dependencies\n");
    return Dependencies{{"abseil", "zeromq", "msgpack"}};
  }
};

struct Binary {
  std::string name;
  std::int64_t bytes = 0;
};

struct Build {
  static constexpr std::string_view kName = "build";
  std::string configuration = "Release";  // an input: each value of it is a task of its own
  // Only a worker that has this runs it; what a worker has, it finds out by itself.
  millrace::Requirements requirements() const { return {.tools = {"bash"}}; }
  // Not run again while the program, the inputs and the results of what it needs are the same.
  millrace::Policy policy() const { return {.timeout = 1min, .cached = true}; }
  absl::StatusOr<Binary> Run(millrace::Context& context, millrace::From<Restore> restored) const {
    auto built = context.Shell("echo building $configuration", {.env = {{"configuration", configuration}}});
    if (!built.ok()) return built.status();
    return Binary{"app-" + configuration, static_cast<std::int64_t>(1024 * restored->packages.size())};
  }
};

struct TestReport {
  std::int32_t shard = 0;
  std::int32_t passed = 0;
};

struct Test {
  static constexpr std::string_view kName = "test";
  std::int32_t shard = 1;
  absl::StatusOr<TestReport> Run(millrace::Context& context, millrace::FromAll<Build> builds) const {
    for (const auto& build : builds) context.Print("testing " + build.result->name + "\n");
    return TestReport{shard, 25};
  }
};

struct Publish {
  static constexpr std::string_view kName = "publish";
  // Never started twice, not even when its worker is lost half-way.
  millrace::Policy policy() const { return {.idempotent = false}; }
  absl::StatusOr<std::string> Run(millrace::Context&, millrace::FromAll<Test> tests) const {
    std::int32_t passed = 0;
    for (const auto& test : tests) passed += test.result->passed;
    return "published after " + std::to_string(passed) + " passing tests";
  }
};

// Runs after failures and cancels too; Maybe takes whatever became of Publish.
struct CleanUp {
  static constexpr std::string_view kName = "clean-up";
  millrace::Policy policy() const { return {.always_run = true}; }
  absl::Status Run(millrace::Context& context, millrace::Maybe<Publish> published) const {
    context.Print(published ? *published + ", temporary files removed\n"
                            : "nothing published, temporary files removed\n");
    return absl::OkStatus();
  }
};

}  // namespace

int main(int argc, char** argv) {
  millrace::Pipeline pipeline{Restore{}, Build{}, Build{.configuration = "Debug"}, Test{}, Publish{}, CleanUp{}};
  for (std::int32_t shard = 2; shard <= 4; ++shard) pipeline.Add(Test{.shard = shard});  // a matrix
  return millrace::Main(argc, argv, pipeline.Named("release"));
}

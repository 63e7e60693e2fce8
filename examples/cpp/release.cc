// SPDX-License-Identifier: Apache-2.0
// The classic restore -> build -> test -> publish in C++. One program, every mode:
//   release run | plan | orchestrator --port 8080 | worker --orchestrator tcp://HOST:8080 | submit --orchestrator ...
#include <cstdint>
#include <string>
#include <vector>

#include "millrace/millrace.h"

namespace {

using namespace std::chrono_literals;

struct Dependencies {
  std::vector<std::string> packages;
};

struct Restore {
  static constexpr std::string_view kName = "restore";
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
  std::string configuration = "Release";
  millrace::Policy policy() const { return {.retries = 1, .timeout = 1min}; }
  absl::StatusOr<Binary> Run(millrace::Context& context, millrace::From<Restore> restored) const {
    auto listed = context.Shell("echo building " + configuration);
    if (!listed.ok()) return listed.status();
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
  absl::StatusOr<std::string> Run(millrace::Context&, millrace::FromAll<Test> tests) const {
    std::int32_t passed = 0;
    for (const auto& test : tests) passed += test.result->passed;
    return "published after " + std::to_string(passed) + " passing tests";
  }
};

}  // namespace

int main(int argc, char** argv) {
  millrace::Pipeline pipeline{Restore{},        Build{},          Build{.configuration = "Debug"},
                              Test{.shard = 1}, Test{.shard = 2}, Publish{}};
  return millrace::Main(argc, argv, pipeline.Named("release"));
}

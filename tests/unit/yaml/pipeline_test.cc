// SPDX-License-Identifier: Apache-2.0
// What pipeline files mean: keys, defaults, matrices, needs and the bytes that modules get.
#include "millrace/yaml/pipeline.h"

#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/wire/writer.h"

namespace millrace::yaml {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::Pair;

JobSpec Parse(std::string_view text, const ParseOptions& options = {}) {
  const absl::StatusOr<JobSpec> job = ParsePipeline(text, "dir/pipeline.yaml", options);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? *job : JobSpec{};
}

std::vector<std::string> Names(const JobSpec& job) {
  std::vector<std::string> names;
  for (const TaskSpec& task : job.tasks) names.push_back(task.name);
  return names;
}

const TaskSpec& TaskOf(const JobSpec& job, std::string_view name) {
  for (const TaskSpec& task : job.tasks) {
    if (task.name == name) return task;
  }
  ADD_FAILURE() << "no task " << name;
  static const TaskSpec kNone;
  return kNone;
}

// "build, lint?": optional ones with a question mark.
std::string NeedsOf(const JobSpec& job, std::string_view name) {
  std::string text;
  for (const Dependency& need : TaskOf(job, name).needs) {
    if (!text.empty()) text += ", ";
    text += job.tasks[need.task].name + (need.kind == DependencyKind::kOptional ? "?" : "");
    EXPECT_EQ(need.parameter, -1);
  }
  return text;
}

TEST(PipelineTest, A14_TheExampleOfTheDesign) {
  const JobSpec job = Parse(R"(name: release
defaults: {timeout: 10m, retries: 2}
modules:
  restore: {run: cmake -S . -B build}
  build:   {needs: [restore], run: cmake --build build -j2, requires: {tools: [cmake, g++], cpus: 2}}
  test:
    needs: [build]
    matrix: {shard: [1, 2, 3, 4]}
    run: ctest --test-dir build -I $shard,,4
  package: {needs: [test], module: archive, with: {from: build/app, to: app.tar.gz}}
)");
  EXPECT_EQ(job.name, "release");
  EXPECT_THAT(Names(job), ElementsAre("restore", "build", "test[shard=1]", "test[shard=2]", "test[shard=3]",
                                      "test[shard=4]", "package"));
  EXPECT_EQ(NeedsOf(job, "package"), "test[shard=1], test[shard=2], test[shard=3], test[shard=4]");
  EXPECT_EQ(NeedsOf(job, "test[shard=3]"), "build");
  EXPECT_THAT(TaskOf(job, "test[shard=3]").env, ElementsAre(Pair("shard", "3")));
  ASSERT_EQ(job.modules.size(), 2u);
  EXPECT_EQ(job.modules[0], (ModuleSpec{"command", 0, ""}));
  EXPECT_EQ(job.modules[1], (ModuleSpec{"archive", 0, ""}));
  ASSERT_EQ(job.policies.size(), 1u);
  EXPECT_EQ(job.policies[0].timeout, minutes(10));
  EXPECT_EQ(job.policies[0].retries, 2);
  ASSERT_EQ(job.requirements.size(), 2u);
  EXPECT_EQ(job.requirements[TaskOf(job, "build").requirements], (Requirements{.tools = {"cmake", "g++"}, .cpus = 2}));
}

TEST(PipelineTest, TopLevel) {
  const JobSpec job =
      Parse("version: 1\nfail_mode: keep-going\ncache: no\nenv: {A: 1, B: yes}\nmodules: {m: {run: x}}\n");
  EXPECT_EQ(job.name, "pipeline");
  EXPECT_EQ(job.fail_mode, FailMode::kKeepGoing);
  EXPECT_FALSE(job.use_cache);
  EXPECT_THAT(job.tasks[0].env, ElementsAre(Pair("A", "1"), Pair("B", "yes")));
  const JobSpec plain = Parse("modules: {m: {run: x}}\n");
  EXPECT_EQ(plain.fail_mode, FailMode::kFailFast);
  EXPECT_TRUE(plain.use_cache);
  EXPECT_EQ(plain.policies[0], Policy{});
  EXPECT_EQ(plain.requirements[0], Requirements{});
}

TEST(PipelineTest, EveryKeyOfAModule) {
  const JobSpec job = Parse(R"(modules:
  m:
    run: x
    requires:
      os: linux
      arch: [x86_64, aarch64]
      tools: ["cmake >= 3.20", g++]
      tags: [fast]
      cpus: 0
      memory: 2GiB
      resources: {gpu: 1}
    timeout: 90
    retries: 010
    retry_on: any
    backoff: 2s
    backoff_limit: 1m
    env: {K: v}
    ignore_failure: yes
    always_run: on
    cached: true
    idempotent: true
    priority: -5
    isolation: in-process
    version: 1.10
)");
  EXPECT_EQ(job.requirements[0], (Requirements{.os = {"linux"},
                                               .arch = {"x86_64", "aarch64"},
                                               .tools = {"cmake>=3.20", "g++"},
                                               .tags = {"fast"},
                                               .cpus = 0,
                                               .memory = std::int64_t{2} << 30,
                                               .resources = {{"gpu", 1}}}));
  EXPECT_EQ(job.policies[0], (Policy{.retries = 10,
                                     .retry_on = RetryOn::kAny,
                                     .timeout = seconds(90),
                                     .cached = true,
                                     .isolation = Isolation::kInProcess,
                                     .idempotent = true,
                                     .ignore_failure = true,
                                     .always_run = true,
                                     .priority = -5,
                                     .backoff = seconds(2),
                                     .backoff_limit = minutes(1)}));
  EXPECT_EQ(job.modules[0].version, "1.10");
  EXPECT_THAT(job.tasks[0].env, ElementsAre(Pair("K", "v")));
}

TEST(PipelineTest, AMemoryLimitMayBeSaidForAllAndForOne) {
  const JobSpec job = Parse(R"(defaults: {memory_limit: 2GiB}
modules:
  a: {run: x}
  b: {run: x, memory_limit: 64MiB}
  c: {run: x, memory_limit: 0}
)");
  const auto limit_of = [&](std::size_t task) { return job.policies[job.tasks[task].policy].memory_limit; };
  ASSERT_EQ(job.tasks.size(), 3u);
  EXPECT_EQ(limit_of(0), std::int64_t{2} << 30);
  EXPECT_EQ(limit_of(1), 64 << 20);
  EXPECT_EQ(limit_of(2), 0);
}

TEST(PipelineTest, WhatIsExpectedMayBeSaidForAllAndForOne) {
  const JobSpec job = Parse(R"(defaults: {expected: 10s}
modules:
  a: {run: x}
  b: {run: x, expected: 1h30m}
  c: {run: x, expected: 0}
)");
  const auto expected_of = [&](std::size_t task) { return job.policies[job.tasks[task].policy].expected; };
  ASSERT_EQ(job.tasks.size(), 3u);
  EXPECT_EQ(expected_of(0), seconds(10));
  EXPECT_EQ(expected_of(1), minutes(90));
  EXPECT_EQ(expected_of(2), Duration::zero());
}

TEST(PipelineTest, SecretsAreNames) {
  const JobSpec job = Parse(R"(defaults: {secrets: [TOKEN]}
modules:
  a: {run: x}
  b: {run: x, secrets: {PGPASSWORD: db-password, TOKEN: ci.token}}
  c: {run: x, secrets: []}
)");
  const auto secrets_of = [&](std::size_t task) { return job.policies[job.tasks[task].policy].secrets; };
  ASSERT_EQ(job.tasks.size(), 3u);
  EXPECT_EQ(secrets_of(0), (SecretNames{{"TOKEN", "TOKEN"}}));
  EXPECT_EQ(secrets_of(1), (SecretNames{{"PGPASSWORD", "db-password"}, {"TOKEN", "ci.token"}}));
  EXPECT_EQ(secrets_of(2), SecretNames());
}

TEST(PipelineTest, A36_ArtifactsAreMadeAndWanted) {
  const JobSpec job = Parse(R"(modules:
  build:
    run: x
    matrix: {os: [a, b]}
    produces: {app: "out/${matrix.os}/app", docs: {paths: [docs/**, README], may_be_empty: true}}
  take: {run: x, needs: [build], consumes: build/app}
  more: {run: x, needs: [build], consumes: [build, "build[os=a]", "build[os=b]/docs", {from: build, into: in}]}
)");
  const auto policy_of = [&](std::size_t task) { return job.policies[job.tasks[task].policy]; };
  ASSERT_EQ(job.tasks.size(), 4u);
  EXPECT_THAT(policy_of(0).produces,
              ElementsAre(Produce{.name = "app", .paths = {"out/a/app"}},
                          Produce{.name = "docs", .paths = {"docs/**", "README"}, .may_be_empty = true}));
  EXPECT_EQ(policy_of(1).produces[0].paths[0], "out/b/app");
  EXPECT_THAT(policy_of(2).consumes, ElementsAre(Consume{.from = "build", .artifact = "app"}));
  EXPECT_THAT(policy_of(3).consumes,
              ElementsAre(Consume{.from = "build"}, Consume{.from = "build[os=a]"},
                          Consume{.from = "build[os=b]", .artifact = "docs"}, Consume{.from = "build", .into = "in"}));
}

TEST(PipelineTest, DefaultsAreMergedByKey) {
  const JobSpec job = Parse(R"(env: {A: top, B: top, C: top}
defaults:
  env: {B: defaults, C: defaults}
  requires: {tags: [x], cpus: 2}
  retries: 1
modules:
  plain: {run: x}
  own: {run: x, env: {C: own}, requires: {cpus: 3}, retries: 0}
)");
  EXPECT_THAT(TaskOf(job, "plain").env, ElementsAre(Pair("A", "top"), Pair("B", "defaults"), Pair("C", "defaults")));
  EXPECT_THAT(TaskOf(job, "own").env, ElementsAre(Pair("A", "top"), Pair("B", "defaults"), Pair("C", "own")));
  EXPECT_EQ(job.requirements[TaskOf(job, "own").requirements], (Requirements{.tags = {"x"}, .cpus = 3}));
  EXPECT_EQ(job.policies[TaskOf(job, "plain").policy].retries, 1);
  EXPECT_EQ(job.policies[TaskOf(job, "own").policy].retries, 0);
}

TEST(PipelineTest, SharedThingsStandOnce) {
  const JobSpec job = Parse(R"(modules:
  a: {run: x, requires: {cpus: 2}}
  b: {run: y, requires: {cpus: 2}, timeout: 1m}
  c: {module: n}
  d: {module: n, version: 2}
)");
  EXPECT_EQ(job.modules.size(), 3u);
  EXPECT_EQ(job.requirements.size(), 2u);
  EXPECT_EQ(job.policies.size(), 2u);
}

TEST(PipelineTest, A23_MatrixIsAProductInTheOrderOfTheFile) {
  const JobSpec job = Parse("modules:\n  t: {matrix: {os: [linux, macos], Shard: [2, 1]}, run: x}\n");
  EXPECT_THAT(Names(job),
              ElementsAre("t[os=linux,Shard=2]", "t[os=linux,Shard=1]", "t[os=macos,Shard=2]", "t[os=macos,Shard=1]"));
  EXPECT_THAT(job.tasks[1].env, ElementsAre(Pair("Shard", "1"), Pair("os", "linux")));
}

TEST(PipelineTest, A23_NeedsJoinAllOneOrTheMatchingInstance) {
  const JobSpec job = Parse(R"(modules:
  build: {matrix: {config: [Debug, Release]}, run: x}
  all: {needs: [build], run: x}
  one: {needs: ["build[config=Release]"], run: x}
  same: {matrix: {config: [Debug, Release]}, needs: ["build[config=${matrix.config}]"], run: x}
  joined: {matrix: {config: [Debug, Release]}, needs: build, run: x}
  chain: {matrix: {n: [1, 2]}, run: x}
)");
  EXPECT_EQ(NeedsOf(job, "all"), "build[config=Debug], build[config=Release]");
  EXPECT_EQ(NeedsOf(job, "one"), "build[config=Release]");
  EXPECT_EQ(NeedsOf(job, "same[config=Debug]"), "build[config=Debug]");
  EXPECT_EQ(NeedsOf(job, "joined[config=Debug]"), "build[config=Debug], build[config=Release]");
}

TEST(PipelineTest, A13_OptionalNeeds) {
  const JobSpec job = Parse(R"(modules:
  a: {run: x}
  b: {run: x}
  c: {run: x, needs: [a, b: optional]}
  d: {run: x, needs: {a: optional, b: required}}
  e: {run: x, needs: a, needs_optional: [b]}
  f: {matrix: {n: [1, 2]}, run: x}
  g: {run: x, needs_optional: [f], needs: ["f[n=1]"]}
)");
  EXPECT_EQ(NeedsOf(job, "c"), "a, b?");
  EXPECT_EQ(NeedsOf(job, "d"), "a?, b");
  EXPECT_EQ(NeedsOf(job, "e"), "a, b?");
  EXPECT_EQ(NeedsOf(job, "g"), "f[n=1], f[n=2]?");
}

TEST(PipelineTest, RunBecomesInputsOfCommand) {
  const JobSpec job = Parse("modules:\n  s: {run: echo $HOME}\n  a: {run: [echo, $HOME, 5]}\n  m: {module: x}\n");
  std::string shell;
  wire::Writer shell_writer(shell);
  shell_writer.MapHeader(1);
  shell_writer.String("shell");
  shell_writer.String("echo $HOME");
  EXPECT_EQ(job.tasks[0].inputs.view(), shell);
  std::string argv;
  wire::Writer argv_writer(argv);
  argv_writer.MapHeader(1);
  argv_writer.String("argv");
  argv_writer.ArrayHeader(3);
  for (const char* item : {"echo", "$HOME", "5"}) argv_writer.String(item);
  EXPECT_EQ(job.tasks[1].inputs.view(), argv);
  EXPECT_TRUE(job.tasks[2].inputs.empty());
}

TEST(PipelineTest, WithIsReadAsJsonWould) {
  const JobSpec job = Parse(R"(modules:
  m:
    module: x
    with:
      list: [1, -2, 1.5, 18446744073709551615, 99999999999999999999, 1e3]
      text: [yes, 010, 0x1F, 1.2.3, "5", 'true', .5, 5., -]
      other: [true, false, ~, ]
      map: {k: v}
)");
  std::string expected;
  wire::Writer writer(expected);
  writer.MapHeader(4);
  writer.String("list");
  writer.ArrayHeader(6);
  writer.Signed(1);
  writer.Signed(-2);
  writer.Double(1.5);
  writer.Unsigned(18446744073709551615u);
  writer.String("99999999999999999999");
  writer.Double(1000);
  writer.String("text");
  writer.ArrayHeader(9);
  for (const char* item : {"yes", "010", "0x1F", "1.2.3", "5", "true", ".5", "5.", "-"}) writer.String(item);
  writer.String("other");
  writer.ArrayHeader(3);
  writer.Bool(true);
  writer.Bool(false);
  writer.Nil();
  writer.String("map");
  writer.MapHeader(1);
  writer.String("k");
  writer.String("v");
  EXPECT_EQ(job.tasks[0].inputs.view(), expected);
}

TEST(PipelineTest, MatrixValuesAreSubstitutedOutsideOfShellText) {
  const JobSpec job = Parse(R"(modules:
  m:
    matrix: {os: [linux, macos], n: [7]}
    module: x
    with:
      label: on-${matrix.os}
      count: "${matrix.n}"
      number: ${matrix.n}
      other: ${HOME}
    requires: {os: ["${matrix.os}"], tags: ["t-${matrix.n}"]}
    env: {TARGET: "${matrix.os}-${matrix.n}"}
  a:
    matrix: {n: [7]}
    run: [echo, "${matrix.n} x"]
)");
  EXPECT_EQ(job.requirements[job.tasks[1].requirements], (Requirements{.os = {"macos"}, .tags = {"t-7"}}));
  EXPECT_EQ(job.tasks[1].env.at("TARGET"), "macos-7");
  std::string expected;
  wire::Writer writer(expected);
  writer.MapHeader(4);
  writer.String("label");
  writer.String("on-macos");
  writer.String("count");
  writer.String("7");
  writer.String("number");
  writer.Signed(7);
  writer.String("other");
  writer.String("${HOME}");
  EXPECT_EQ(job.tasks[1].inputs.view(), expected);
  EXPECT_THAT(job.tasks[2].inputs.str(), testing::HasSubstr("7 x"));
}

TEST(PipelineTest, AnchorsAndMergeKeysWork) {
  const JobSpec job = Parse(R"(modules:
  a: &base {run: x, timeout: 1m}
  b: {<<: *base, timeout: 2m}
)");
  EXPECT_EQ(job.policies[TaskOf(job, "b").policy].timeout, minutes(2));
}

TEST(PipelineTest, LoadsFiles) {
  const std::string path = testing::TempDir() + "/nightly.yaml";
  std::ofstream(path) << "modules: {m: {run: x}}\n";
  const absl::StatusOr<JobSpec> job = LoadPipeline(path);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->name, "nightly");
  EXPECT_EQ(LoadPipeline(path + ".gone").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(LoadPipeline(testing::TempDir()).ok());
}

}  // namespace
}  // namespace millrace::yaml

// SPDX-License-Identifier: Apache-2.0
// Everything that can be wrong with a pipeline is refused before anything starts, with file, line and column (A14).
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/yaml/pipeline.h"

namespace millrace::yaml {
namespace {

std::string ErrorOf(std::string_view text, const ParseOptions& options = {}) {
  const absl::Status status = ParsePipeline(text, "p.yaml", options).status();
  EXPECT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
  return TextOf(status);
}

struct Case {
  std::string_view text;
  std::string_view error;
};

TEST(PipelineErrorsTest, A14_TopLevel) {
  const Case kCases[] = {
      {"", "p.yaml:1:1: a pipeline is a map with at least 'modules'; the file is empty"},
      {"- a\n", "p.yaml:1:1: a pipeline is a map with at least 'modules'; found a list"},
      {"name: x\n", "p.yaml:1:1: the pipeline has no 'modules'"},
      {"modules: {}\n", "p.yaml:1:10: 'modules' must be a map of at least one module, not an empty one"},
      {"modules:\n- a\n", "p.yaml:2:1: 'modules' must be a map of at least one module, not a list"},
      {"modules: {m: {run: x}}\nmodles: {}\n",
       "p.yaml:2:1: unknown key 'modles' in the pipeline; did you mean 'modules'?"},
      {"version: 2\nmodules: {m: {run: x}}\n", "p.yaml:1:10: 'version' (of the file format) is 2; allowed are 1 to 1"},
      {"fail_mode: fail-last\nmodules: {m: {run: x}}\n",
       "p.yaml:1:12: 'fail_mode' must be one of fail-fast, keep-going, not 'fail-last'; did you mean 'fail-fast'?"},
      {"cache: maybe\nmodules: {m: {run: x}}\n", "p.yaml:1:8: 'cache' must be true or false, not 'maybe'"},
      {"env: {A-B: 1}\nmodules: {m: {run: x}}\n",
       "p.yaml:1:7: 'A-B' cannot name an environment variable; use letters, digits and '_'"},
      {"env: {MILLRACE_X: 1}\nmodules: {m: {run: x}}\n",
       "p.yaml:1:7: 'MILLRACE_X': names that begin with MILLRACE_ are set by Millrace"},
      {"env: {A: }\nmodules: {m: {run: x}}\n", "p.yaml:1:10: 'A' in 'env' has no value; write '' for an empty one"},
      {"defaults: {needs: [a]}\nmodules: {m: {run: x}}\n",
       "p.yaml:1:12: 'needs' cannot have a default; say it in each module"},
      {"defaults: {retires: 1}\nmodules: {m: {run: x}}\n",
       "p.yaml:1:12: unknown key 'retires' in 'defaults'; did you mean 'retries'?"},
      {"defaults: {env: {A: '${matrix.a}'}}\nmodules: {m: {run: x}}\n",
       "p.yaml:1:21: '${matrix.a}' in 'defaults': there is no matrix"},
      {"modules:\n  a: {run: x}\n  a: {run: y}\n", "p.yaml:3:3: key 'a' stands here twice"},
  };
  for (const Case& item : kCases) EXPECT_EQ(ErrorOf(item.text), item.error) << item.text;
}

TEST(PipelineErrorsTest, A36_Artifacts) {
  const Case kCases[] = {
      {"a: {run: x, produces: y}",
       "p.yaml:2:25: 'produces' of module 'a' must be a map of names and paths such as {app: build/app}, not 'y'"},
      {"a: {run: x, produces: {a/b: y}}",
       "p.yaml:2:26: 'a/b' cannot name an artifact; use 1 to 100 letters, digits, "
       "'_', '-' and '.', beginning with a letter, a digit or '_'"},
      {"a: {run: x, produces: {b: {path: y}}}",
       "p.yaml:2:26: the artifact 'b' of module 'a' has no 'paths'\n"
       "p.yaml:2:30: unknown key 'path' in the artifact 'b' of module 'a'; did you mean 'paths'?"},
      {"a: {run: x, produces: {b: []}}", "p.yaml:2:29: the artifact 'b' of module 'a' has no paths"},
      {"a: {run: x, produces: {b: y}}\n  c: {run: x, needs: [a], consumes: [{artifact: b}]}",
       "p.yaml:3:38: an item of 'consumes' of module 'c' does not say 'from' which module"},
      {"a: {run: x, produces: {b: y}}\n  c: {run: x, needs: [a], consumes: [{from: a, artefact: b}]}",
       "p.yaml:3:48: unknown key 'artefact' in an item of 'consumes' of module 'c'; did you mean 'artifact'?"},
      {"a: {run: x, produces: {docs: y}}\n  c: {run: x, needs: [a], consumes: [a/dosc]}",
       "p.yaml:3:27: 'c' consumes the artifact 'dosc' of 'a', which has none of that name; did you mean 'docs'?"},
      {"a: {run: x}\n  c: {run: x, needs: [a], consumes: [a]}",
       "p.yaml:3:27: 'c' consumes artifacts of 'a', which produces none"},
      {"a: {run: x, produces: {docs: y}}\n  c: {run: x, consumes: [a]}",
       "p.yaml:3:15: 'c' consumes artifacts of 'a', which it does not need; add it to 'needs'"},
      {"build: {run: x, produces: {docs: y}}\n  c: {run: x, needs: [build], consumes: [biuld]}",
       "p.yaml:3:31: 'c' consumes artifacts of 'biuld', which it does not need; did you mean 'build'?"},
  };
  for (const Case& item : kCases) {
    EXPECT_EQ(ErrorOf("modules:\n  " + std::string(item.text) + "\n"), item.error) << item.text;
  }
}

TEST(PipelineErrorsTest, A14_Modules) {
  const Case kCases[] = {
      {"m: x", "p.yaml:2:6: module 'm' must be a map such as {run: make}, not 'x'"},
      {"m: {}", "p.yaml:2:3: module 'm' has neither 'run' nor 'module'"},
      {"m: {run: x, module: y}", "p.yaml:2:15: module 'm' has both 'run' and 'module'; it can do one thing"},
      {"m: {run: ''}", "p.yaml:2:12: 'run' of module 'm' is empty"},
      {"m: {run: []}", "p.yaml:2:12: 'run' of module 'm' is empty"},
      {"m: {run: {a: b}}", "p.yaml:2:12: 'run' of module 'm' must be a list, not a map"},
      {"m: {run: x, with: {a: 1}}",
       "p.yaml:2:15: 'with' of module 'm' belongs to 'module', but it has 'run'; use 'env'"},
      {"m: {module: x, with: [a]}",
       "p.yaml:2:24: 'with' of module 'm' must be a map of the module's inputs, not a list"},
      {"m: {run: x, neds: [a]}", "p.yaml:2:15: unknown key 'neds' in module 'm'; did you mean 'needs'?"},
      {"a b: {run: x}",
       "p.yaml:2:3: 'a b' cannot name a module; use 1 to 128 letters, digits, '_', '-' and '.', beginning with a "
       "letter, a digit or '_'"},
      {"m: {run: x, timeout: soon}",
       "p.yaml:2:24: 'timeout' of module 'm': 'soon' is not a duration; write e.g. 250ms, 90s, 10m, 1h30m"},
      {"m: {run: x, timeout: 0}", "p.yaml:2:24: 'timeout' of module 'm' is 0; allowed are 1ms to 720h00m"},
      {"m: {run: x, retries: -1}", "p.yaml:2:24: 'retries' of module 'm' is -1; allowed are 0 to 1000"},
      {"m: {run: x, retries: two}", "p.yaml:2:24: 'retries' of module 'm' must be a whole number, not 'two'"},
      {"m: {run: x, retries: }", "p.yaml:2:24: 'retries' of module 'm' must be a whole number, not nothing"},
      {"m: {run: x, retry_on: al}",
       "p.yaml:2:25: 'retry_on' of module 'm' must be one of transient, any, never, not 'al'"},
      {"m: {run: x, cached: 1}", "p.yaml:2:23: 'cached' of module 'm' must be true or false, not '1'"},
      {"m: {run: x, idempotent: false, retries: 2}",
       "p.yaml:2:43: module 'm' is not idempotent, so it is never tried again and cannot have 'retries'"},
      {"m: {run: x, requires: {toolz: [a]}}",
       "p.yaml:2:26: unknown key 'toolz' in 'requires' of module 'm'; did you mean 'tools'?"},
      {"m: {run: x, requires: {cpus: -1}}",
       "p.yaml:2:32: 'cpus' of 'requires' of module 'm' is -1; allowed are 0 to 4096"},
      {"m: {run: x, requires: {memory: lots}}",
       "p.yaml:2:34: 'memory' of 'requires' of module 'm': 'lots' is not a size; write e.g. 4096, 64KiB, 100MiB, "
       "2GiB"},
      {"m: {run: x, requires: {tools: ['cmake=>3']}}",
       "p.yaml:2:33: 'tools' of 'requires' of module 'm': 'cmake=>3' is not a tool; write e.g. cmake, or cmake>=3.20 "
       "(also ==, >, <=, <)"},
      {"m: {run: x, requires: {resources: [gpu]}}",
       "p.yaml:2:37: 'resources' of 'requires' of module 'm' must be a map of names and amounts, not a list"},
      {"m: {run: x, memory_limit: 512}",
       "p.yaml:2:29: 'memory_limit' of module 'm' must be at least 16MiB, or 0 for none, not 512B"},
      {"m: {run: x, memory_limit: much}",
       "p.yaml:2:29: 'memory_limit' of module 'm': 'much' is not a size; write e.g. 4096, 64KiB, 100MiB, 2GiB"},
      {"m: {run: x, memory_limit: 1GiB, isolation: in-process}",
       "p.yaml:2:3: module 'm' has a 'memory_limit' and runs in the worker's process, where nothing can hold it to "
       "one; use isolation: process"},
      {"m: {run: x, secrets: TOKEN}",
       "p.yaml:2:24: 'secrets' of module 'm' must be a list of names or a map such as {PGPASSWORD: db-password}, not "
       "'TOKEN'"},
      {"m: {run: x, secrets: [db-password]}",
       "p.yaml:2:25: 'db-password' cannot name an environment variable; say which it is for: {DB_PASSWORD: "
       "db-password}"},
      {"m: {run: x, secrets: {TOKEN: ../token}}",
       "p.yaml:2:32: 'secrets' of module 'm': '../token' is no name of a secret; use 1 to 100 letters, digits, '_', "
       "'-' and '.', beginning with a letter, a digit or '_'"},
      {"m: {run: x, env: {TOKEN: x}, secrets: [TOKEN]}",
       "p.yaml:2:3: module 'm' has 'TOKEN' both in 'env' and in 'secrets'; it can have one value"},
      {"m: {run: x, matrix: {TOKEN: [1]}, secrets: [TOKEN]}",
       "p.yaml:2:3: module 'm' has 'TOKEN' both in 'matrix' and in 'secrets'; it can have one value"},
      {"m: {module: y, with: {a: '${matrix.x}'}}", "p.yaml:2:28: '${matrix.x}' in module 'm': there is no matrix"},
      {"m: {module: y, matrix: {shard: [1]}, with: {a: '${matrix.shrad}'}}",
       "p.yaml:2:50: '${matrix.shrad}' in module 'm': the matrix has no such key; did you mean 'shard'?"},
  };
  for (const Case& item : kCases) {
    EXPECT_EQ(ErrorOf("modules:\n  " + std::string(item.text) + "\n"), item.error) << item.text;
  }
}

TEST(PipelineErrorsTest, A14_Matrix) {
  const Case kCases[] = {
      {"[a]", "p.yaml:2:23: 'matrix' of module 'm' must be a map of lists such as {shard: [1, 2]}, not a list"},
      {"{}", "p.yaml:2:23: 'matrix' of module 'm' must be a map of lists such as {shard: [1, 2]}, not an empty one"},
      {"{a: 1}", "p.yaml:2:27: 'a' of 'matrix' of module 'm' must be a list of values, not '1'"},
      {"{a: []}", "p.yaml:2:27: 'a' of 'matrix' of module 'm' must be a list of values, not an empty one"},
      {"{a: [1, 1]}", "p.yaml:2:31: a value of 'a' of 'matrix' of module 'm': '1' stands here twice"},
      {"{a: [[1]]}", "p.yaml:2:28: a value of 'a' of 'matrix' of module 'm' must be text, not a list"},
      {"{a-b: [1]}", "p.yaml:2:24: 'a-b' cannot name an environment variable; use letters, digits and '_'"},
      {"{a: ['x', \"y\\n\"]}",
       "p.yaml:2:33: a value of 'a' of 'matrix' of module 'm' must be 1 to 256 printable characters, as it becomes "
       "part "
       "of a name"},
  };
  for (const Case& item : kCases) {
    EXPECT_EQ(ErrorOf("modules:\n  m: {run: x, matrix: " + std::string(item.text) + "}\n"), item.error) << item.text;
  }
  EXPECT_EQ(ErrorOf("modules:\n  m: {matrix: {a: [1]}, run: 'x ${matrix.a}'}\n"),
            "p.yaml:2:30: 'run' of module 'm': nothing is substituted in shell text; matrix values are environment "
            "variables, so write $KEY for ${matrix.KEY}");
}

TEST(PipelineErrorsTest, A14_UnknownNeeds) {
  EXPECT_EQ(ErrorOf("modules:\n  build: {run: x}\n  test:\n    needs: [biuld]\n    run: x\n"),
            "p.yaml:4:13: module 'test' needs 'biuld', which is not in this pipeline; did you mean 'build'?");
  EXPECT_EQ(ErrorOf("modules:\n  a: {run: x, matrix: {n: [1, 2]}}\n  b: {run: x, needs: ['a[n=3]']}\n"),
            "p.yaml:3:23: module 'b' needs 'a[n=3]', which is not in this pipeline; did you mean 'a[n=1]'?");
  EXPECT_EQ(ErrorOf("modules:\n  a: {run: x}\n  b: {run: x, needs: [a, a]}\n"),
            "p.yaml:3:26: module 'b' needs 'a' twice");
  EXPECT_EQ(ErrorOf("modules:\n  a: {run: x}\n  b: {run: x, needs: [a: maybe]}\n"),
            "p.yaml:3:26: the need for 'a' must be one of required, optional, not 'maybe'");
  EXPECT_EQ(ErrorOf("modules:\n  b: {run: x, needs: }\n"),
            "p.yaml:2:22: 'needs' of module 'b' must be a list of modules, not nothing");
}

TEST(PipelineErrorsTest, A14_SelfReferencesAndCycles) {
  EXPECT_EQ(ErrorOf("modules:\n  a: {run: x, needs: [a]}\n"), "p.yaml:2:23: module 'a' needs itself: a -> a");
  EXPECT_EQ(ErrorOf("modules:\n  a: {run: x, matrix: {n: [1, 2]}, needs: ['a[n=1]']}\n"),
            "p.yaml:2:44: module 'a' needs itself: a[n=1] -> a[n=1]");
  EXPECT_EQ(ErrorOf("modules:\n  a: {run: x, needs: [b]}\n  b: {run: x, needs: [c]}\n  c: {run: x, needs: [a]}\n"
                    "  d: {run: x, needs: [a]}\n"),
            "p.yaml:2:23: modules wait for each other: a -> b -> c -> a");
  EXPECT_EQ(ErrorOf("modules:\n  z: {run: x, needs: [b]}\n  a: {run: x, needs: [b: optional]}\n"
                    "  b: {run: x, matrix: {n: [1, 2]}, needs: [a]}\n"),
            "p.yaml:3:23: modules wait for each other: a -> b[n=1] -> a");
  EXPECT_EQ(ErrorOf("modules:\n  a: {run: x, needs: [b]}\n  b: {run: x, needs: [a]}\n"
                    "  c: {run: x, needs: [d]}\n  d: {run: x, needs: [c]}\n"),
            "p.yaml:2:23: modules wait for each other: a -> b -> a\n"
            "p.yaml:4:23: modules wait for each other: c -> d -> c");
}

TEST(PipelineErrorsTest, ChainsOfInstancesAreNoCycle) {
  const absl::StatusOr<JobSpec> job = ParsePipeline(
      "modules:\n  a: {run: x, matrix: {n: [1, 2]}}\n  b: {run: x, needs: ['a[n=1]']}\n"
      "  c: {run: x, matrix: {n: [1, 2]}, needs: [b]}\n",
      "p.yaml");
  EXPECT_TRUE(job.ok()) << job.status();
}

TEST(PipelineErrorsTest, A14_ADeepChainIsWalkedWithoutRecursion) {
  std::string text = "modules:\n";
  for (int i = 0; i < 10'000; ++i) {
    absl::StrAppendFormat(&text, "  m%d: {run: x, needs: [m%d]}\n", i, (i + 1) % 10'000);
  }
  EXPECT_THAT(ErrorOf(text), testing::StartsWith("p.yaml:2:24: modules wait for each other: m0 -> m1 -> "));
}

TEST(PipelineErrorsTest, SeveralProblemsAreToldTogether) {
  EXPECT_EQ(ErrorOf("nme: x\nmodules:\n  a: {run: x, needs: [q], retries: x}\n  b: {runn: x}\n"),
            "p.yaml:1:1: unknown key 'nme' in the pipeline; did you mean 'name'?\n"
            "p.yaml:3:23: module 'a' needs 'q', which is not in this pipeline\n"
            "p.yaml:3:36: 'retries' of module 'a' must be a whole number, not 'x'\n"
            "p.yaml:4:3: module 'b' has neither 'run' nor 'module'\n"
            "p.yaml:4:7: unknown key 'runn' in module 'b'; did you mean 'run'?");
}

TEST(PipelineErrorsTest, KnownModulesAreChecked) {
  const ParseOptions options{.known_modules = {"archive", "command"}};
  EXPECT_EQ(ErrorOf("modules:\n  a: {module: archve}\n", options),
            "p.yaml:2:15: module 'a' uses 'archve', which is not a known module; did you mean 'archive'?");
  EXPECT_EQ(ErrorOf("modules:\n  a: {module: archive}\n  b: {run: x}\n", options), "");
  EXPECT_EQ(ErrorOf("modules:\n  a: {module: archve}\n"), "");
}

TEST(PipelineErrorsTest, ExpansionIsBounded) {
  EXPECT_EQ(ErrorOf("modules:\n  m: {run: x, matrix: {a: [1, 2, 3], b: [1, 2, 3]}}\n", {.max_tasks = 8}),
            "p.yaml:2:3: with module 'm' the pipeline expands to over 8 tasks");
  EXPECT_EQ(ErrorOf("modules:\n  a: {run: x, matrix: {n: [1, 2, 3]}}\n  b: {run: x, matrix: {n: [1, 2]}, needs: a}\n",
                    {.max_dependencies = 5}),
            "p.yaml:3:43: the pipeline expands to over 5 dependencies");
  EXPECT_EQ(ErrorOf("modules:\n  m: {run: 0123456789, matrix: {n: [1, 2, 3]}}\n", {.max_expanded_bytes = 60}),
            "p.yaml:2:3: with module 'm' the pipeline expands to over 60 bytes");
  std::string huge = "modules:\n  m:\n    run: x\n    matrix:\n";
  for (char axis = 'a'; axis < 'i'; ++axis) {
    huge += absl::StrFormat("      %c: [0", axis);
    for (int i = 1; i < 100; ++i) huge += absl::StrFormat(", %d", i);
    huge += "]\n";
  }
  EXPECT_THAT(ErrorOf(huge, {.max_tasks = 1000}), testing::HasSubstr("over 1000 tasks"));
}

}  // namespace
}  // namespace millrace::yaml

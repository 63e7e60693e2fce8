// SPDX-License-Identifier: Apache-2.0
// The limits of a pipeline's file, each at its edge: exactly so much is accepted, and one more is refused with the
// limit. What counts while it reads stops at one too many, so that is all there is to say; else the value is said too.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/yaml/pipeline.h"

namespace millrace::yaml {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string TreeError(std::string_view text, const Limits& limits = {}) {
  Problems problems("f.yaml");
  Load(text, limits, problems);
  return TextOf(problems.ToStatus());
}

std::string ErrorOf(std::string_view text, const ParseOptions& options = {}) {
  return TextOf(ParsePipeline(text, "p.yaml", options).status());
}

// Of one module with these keys.
std::string ModuleError(const std::string& keys) { return ErrorOf("modules:\n  m: {run: x, " + keys + "}\n"); }

std::string Repeated(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

TEST(LimitsTest, Row27_BytesOfAFile) {
  const std::size_t limit = Limits{}.max_bytes;
  EXPECT_EQ(TreeError(std::string(limit, 'x')), "");
  EXPECT_THAT(TreeError(std::string(limit + 1, 'x')), HasSubstr("over 1048576 bytes"));
  // And of what aliases repeat: three times 2 bytes.
  EXPECT_EQ(TreeError("[&a xx,*a,*a,*a]", {.max_bytes = 16}), "");
  EXPECT_THAT(TreeError("[&a xxxxxxxx,*a,*a,*a]", {.max_bytes = 23}), HasSubstr("repeat over 23 bytes"));
}

TEST(LimitsTest, Row27_ValuesOfAFile) {
  const std::size_t limit = Limits{}.max_nodes;
  EXPECT_EQ(TreeError(Repeated("- a\n", limit - 1)), "") << "the list counts, too";
  EXPECT_THAT(TreeError(Repeated("- a\n", limit)), HasSubstr("over 100000 values"));
  EXPECT_EQ(TreeError("[&a [x, x], *a]", {.max_nodes = 7}), "");
  EXPECT_THAT(TreeError("[&a [x, x], *a]", {.max_nodes = 6}), HasSubstr("over 6 values"));
}

TEST(LimitsTest, Row27_LevelsOfAFile) {
  const std::size_t limit = Limits{}.max_depth;
  EXPECT_EQ(TreeError(std::string(limit, '[') + std::string(limit, ']')), "");
  EXPECT_THAT(TreeError(std::string(limit + 1, '[') + std::string(limit + 1, ']')), HasSubstr("over 64 levels"));
  EXPECT_EQ(TreeError("[&a [x], *a]", {.max_depth = 2}), "");
  EXPECT_THAT(TreeError("[&a [x], [*a]]", {.max_depth = 2}), HasSubstr("over 2 levels"));
}

TEST(LimitsTest, Row27_AliasesOfAFile) {
  const std::size_t limit = Limits{}.max_alias_expansions;
  EXPECT_EQ(TreeError("- &a x\n" + Repeated("- *a\n", limit)), "");
  EXPECT_THAT(TreeError("- &a x\n" + Repeated("- *a\n", limit + 1)), HasSubstr("over 1000 aliases"));
}

TEST(LimitsTest, Row27_OpenBracketsOfAFile) {
  const auto text = [](std::size_t open) { return "'" + std::string(open, '[') + "'"; };  // quoted: no level
  EXPECT_EQ(TreeError(text(10'000)), "");
  EXPECT_THAT(TreeError(text(10'001)), HasSubstr("over 10000 brackets are open"));
}

TEST(LimitsTest, A14_WhatAFileExpandsTo) {
  const std::string tasks = "modules:\n  m: {run: x, matrix: {a: [1, 2, 3], b: [1, 2, 3]}}\n";
  EXPECT_EQ(ErrorOf(tasks, {.max_tasks = 9}), "");
  EXPECT_THAT(ErrorOf(tasks, {.max_tasks = 8}), HasSubstr("over 8 tasks"));
  const std::string needs =
      "modules:\n  a: {run: x, matrix: {n: [1, 2, 3]}}\n  b: {run: x, matrix: {n: [1, 2]}, needs: a}\n";
  EXPECT_EQ(ErrorOf(needs, {.max_dependencies = 6}), "");
  EXPECT_THAT(ErrorOf(needs, {.max_dependencies = 5}), HasSubstr("over 5 dependencies"));
}

TEST(LimitsTest, A14_NamesInAFile) {
  EXPECT_EQ(ErrorOf("name: " + std::string(256, 'n') + "\nmodules: {m: {run: x}}\n"), "");
  EXPECT_THAT(ErrorOf("name: " + std::string(257, 'n') + "\nmodules: {m: {run: x}}\n"),
              HasSubstr("has 257 bytes; allowed are 1 to 256"));
  EXPECT_EQ(ErrorOf("modules:\n  " + std::string(128, 'm') + ": {run: x}\n"), "");
  EXPECT_THAT(ErrorOf("modules:\n  " + std::string(129, 'm') + ": {run: x}\n"), HasSubstr("use 1 to 128 letters"));
}

TEST(LimitsTest, A14_MatricesInAFile) {
  EXPECT_EQ(ModuleError("matrix: {a: [" + std::string(256, 'v') + "]}"), "");
  EXPECT_THAT(ModuleError("matrix: {a: [" + std::string(257, 'v') + "]}"), HasSubstr("1 to 256 printable"));
  const std::string eight = "a: [1], b: [1], c: [1], d: [1], e: [1], f: [1], g: [1], h: [1]";
  EXPECT_EQ(ModuleError("matrix: {" + eight + "}"), "");
  EXPECT_THAT(ModuleError("matrix: {" + eight + ", i: [1]}"), HasSubstr("has 9 keys; the limit is 8"));
}

TEST(LimitsTest, A14_AmountsInAFile) {
  EXPECT_EQ(ModuleError("retries: 1000"), "");
  EXPECT_THAT(ModuleError("retries: 1001"), HasSubstr("is 1001; allowed are 0 to 1000"));
  EXPECT_EQ(ModuleError("requires: {cpus: 4096}"), "");
  EXPECT_THAT(ModuleError("requires: {cpus: 4097}"), HasSubstr("is 4097; allowed are 0 to 4096"));
  EXPECT_EQ(ModuleError("requires: {resources: {gpu: 1000000000}}"), "");
  EXPECT_THAT(ModuleError("requires: {resources: {gpu: 1000000001}}"),
              AllOf(HasSubstr("is 1000000001"), HasSubstr("0 to 1000000000")));
  for (const std::string sign : {"", "-"}) {
    EXPECT_EQ(ModuleError("priority: " + sign + "1000000"), "");
    EXPECT_THAT(ModuleError("priority: " + sign + "1000001"),
                AllOf(HasSubstr("is " + sign + "1000001"), HasSubstr("-1000000 to 1000000")));
  }
}

TEST(LimitsTest, A14_TimesInAFile) {
  EXPECT_EQ(ModuleError("timeout: 30d"), "");
  EXPECT_EQ(ModuleError("timeout: 1ms"), "");
  EXPECT_THAT(ModuleError("timeout: 720h1ms"), HasSubstr("'timeout'"));
  EXPECT_THAT(ModuleError("timeout: 0.5ms"), HasSubstr("'timeout'"));
  EXPECT_EQ(ModuleError("backoff: 24h, backoff_limit: 24h"), "");
  EXPECT_THAT(ModuleError("backoff: 24h1ms"), HasSubstr("'backoff'"));
  EXPECT_EQ(ModuleError("expected: 30d"), "");
  EXPECT_EQ(ModuleError("expected: 0"), "");
  EXPECT_THAT(ModuleError("expected: 720h1ms"), HasSubstr("'expected'"));
}

TEST(LimitsTest, A14_MemoryLimitsInAFile) {
  EXPECT_EQ(ModuleError("memory_limit: 16MiB"), "");
  EXPECT_EQ(ModuleError("memory_limit: 0"), "");
  EXPECT_THAT(ModuleError("memory_limit: 16777215"), HasSubstr("at least 16MiB"));
}

}  // namespace
}  // namespace millrace::yaml

// SPDX-License-Identifier: Apache-2.0
// What people read about pipelines is true: the examples parse, and the JSON Schema knows exactly the keys that the
// parser knows.
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/yaml/common.h"
#include "millrace/yaml/pipeline.h"
#include "millrace/yaml/step.h"
#include "nlohmann/json.hpp"

namespace millrace::yaml {
namespace {

std::string ReadDocument(const std::string& path) {
  std::ifstream file(std::string(MILLRACE_DOCS) + "/" + path);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> AsSet(const std::vector<std::string>& keys) { return {keys.begin(), keys.end()}; }

std::set<std::string> KeysOf(const nlohmann::json& properties) {
  std::set<std::string> keys;
  for (const auto& item : properties.items()) keys.insert(item.key());
  return keys;
}

TEST(DocumentsTest, ExamplesParse) {
  const std::string text = ReadDocument("pipelines.md");
  constexpr std::string_view kFence = "```yaml\n";
  int examples = 0;
  for (std::size_t at = text.find(kFence); at != std::string::npos; at = text.find(kFence, at)) {
    at += kFence.size();
    const std::size_t end = text.find("```", at);
    const absl::StatusOr<JobSpec> job = ParsePipeline(text.substr(at, end - at), "example.yaml");
    EXPECT_TRUE(job.ok()) << text.substr(at, end - at) << job.status();
    ++examples;
    at = end + 3;
  }
  EXPECT_GE(examples, 6);
}

TEST(DocumentsTest, EveryKeyIsInTheReference) {
  const std::string text = ReadDocument("pipelines.md");
  for (const auto& keys : {PipelineKeys(), StepKeys(), RequiresKeys()}) {
    for (const std::string& key : keys) EXPECT_THAT(text, testing::HasSubstr("`" + key + "`"));
  }
}

TEST(DocumentsTest, SchemaAndParserKnowTheSameKeys) {
  const nlohmann::json schema = nlohmann::json::parse(ReadDocument("schema/pipeline.schema.json"));
  const nlohmann::json& definitions = schema.at("definitions");
  EXPECT_EQ(KeysOf(schema.at("properties")), AsSet(PipelineKeys()));
  EXPECT_EQ(KeysOf(definitions.at("module").at("properties")), AsSet(StepKeys()));
  EXPECT_EQ(KeysOf(definitions.at("defaults").at("properties")), AsSet(DefaultsKeys()));
  EXPECT_EQ(KeysOf(definitions.at("requires").at("properties")), AsSet(RequiresKeys()));
}

TEST(DocumentsTest, SchemaRefersOnlyToWhatItDefines) {
  const std::string text = ReadDocument("schema/pipeline.schema.json");
  const nlohmann::json definitions = nlohmann::json::parse(text).at("definitions");
  constexpr std::string_view kReference = "\"#/definitions/";
  for (std::size_t at = text.find(kReference); at != std::string::npos; at = text.find(kReference, at)) {
    at += kReference.size();
    const std::string name = text.substr(at, text.find('"', at) - at);
    EXPECT_TRUE(definitions.contains(name)) << name;
  }
}

}  // namespace
}  // namespace millrace::yaml

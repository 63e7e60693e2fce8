// SPDX-License-Identifier: Apache-2.0
// Config files as flat settings with places.
#include "millrace/yaml/settings_file.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace::yaml {
namespace {

TEST(SettingsFileTest, FlattensListsAndMaps) {
  const absl::StatusOr<std::vector<Setting>> settings =
      ParseSettings("log-level: debug\nretries: 010\ntags: [a, b]\nresources:\n  gpu: 2\n  port: 1\n", "c.yaml");
  ASSERT_TRUE(settings.ok()) << settings.status();
  ASSERT_EQ(settings->size(), 4u);
  EXPECT_EQ((*settings)[0].name, "log_level");
  EXPECT_EQ((*settings)[0].value, "debug");
  EXPECT_EQ((*settings)[0].value_mark, (Mark{1, 12}));
  EXPECT_EQ((*settings)[1].value, "010");
  EXPECT_EQ((*settings)[2].value, "a,b");
  EXPECT_EQ((*settings)[3].value, "gpu=2,port=1");
  EXPECT_EQ((*settings)[3].name_mark, (Mark{4, 1}));
}

TEST(SettingsFileTest, EmptyFileHasNone) { EXPECT_TRUE(ParseSettings("# nothing yet\n", "c.yaml")->empty()); }

TEST(SettingsFileTest, RefusesWhatIsNotFlat) {
  const struct {
    std::string_view text;
    std::string_view error;
  } kCases[] = {
      {"- a\n", "c.yaml:1:1: a config file is a map of options and values, not a list"},
      {"a: [[b]]\n", "c.yaml:1:5: an element of 'a' must be text without commas, not a list"},
      {"a: ['b,c']\n", "c.yaml:1:5: an element of 'a' must be text without commas, not 'b,c'"},
      {"a: {b: {c: 1}}\n", "c.yaml:1:8: an element of 'a' must be text without commas, not a map"},
      {"a:\n", "c.yaml:1:1: 'a' has no value; leave the line out for the default"},
      {"a_b: 1\na-b: 2\n", "c.yaml:2:1: 'a_b' stands here twice"},
  };
  for (const auto& item : kCases) {
    EXPECT_EQ(TextOf(ParseSettings(item.text, "c.yaml").status()), item.error) << item.text;
  }
}

TEST(SettingsFileTest, MissingFileIsNotFound) {
  const absl::Status status = LoadSettings("/nonexistent/config.yaml").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(TextOf(status), testing::HasSubstr("/nonexistent/config.yaml"));
}

}  // namespace
}  // namespace millrace::yaml

// SPDX-License-Identifier: Apache-2.0
// A config file: refused with a place, or a list of names and values without doubles.
#include <set>

#include "millrace/yaml/settings_file.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto settings = yaml::ParseSettings(std::string(fuzz::TextOf(data, size)), "fuzz.yaml");
  if (!settings.ok()) {
    const absl::string_view message = settings.status().message();
    fuzz::Require(message.find("fuzz.yaml") != absl::string_view::npos, "a refusal does not name the file",
                  std::string(message));
    return 0;
  }
  std::set<std::string> names;
  for (const yaml::Setting& setting : *settings) {
    fuzz::Require(names.insert(setting.name).second, "a setting stands twice", setting.name);
    fuzz::Require(setting.name_mark.line > 0 && setting.value_mark.line > 0, "a setting has no place", setting.name);
  }
  return 0;
}

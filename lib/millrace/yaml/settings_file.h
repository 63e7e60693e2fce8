// SPDX-License-Identifier: Apache-2.0
// A config file: a flat YAML map of option names and values. What the options mean is the business of their owner
// (host/options.h); here they are text with a place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/yaml/problems.h"

namespace millrace::yaml {

struct Setting {
  std::string name;   // as written, with '-' read as '_'
  std::string value;  // as written; a list is joined with ',' and a map becomes "key=value,key=value"
  Mark name_mark;
  Mark value_mark;
};

// In the order of the file. InvalidArgument with file, line and column for what is no YAML, names a setting twice or
// nests; an empty file has no settings.
absl::StatusOr<std::vector<Setting>> ParseSettings(std::string_view text, std::string_view file_name);
absl::StatusOr<std::vector<Setting>> LoadSettings(const std::string& path);

}  // namespace millrace::yaml

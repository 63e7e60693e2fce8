// SPDX-License-Identifier: Apache-2.0
// The keys that `defaults` may say for all steps, and each step for itself.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/model/policy.h"
#include "millrace/model/requirements.h"
#include "millrace/yaml/document.h"

namespace millrace::yaml {

struct Common {
  Requirements requirements;
  Policy policy;
  std::map<std::string, std::string> env;
  std::string version;  // part of the cache key
};

// Reads `entry` into `common` if it is a common key; false if it is not. `where` is "module 'build'" or "'defaults'".
bool ReadCommonKey(const Entry& entry, std::string_view where, Common& common, Problems& problems);
// A map of environment variables on top of `env`.
void ReadEnv(const Node& node, std::string_view what, std::map<std::string, std::string>& env, Problems& problems);

// What is known, for suggestions and for the JSON Schema.
std::vector<std::string> DefaultsKeys();
std::vector<std::string> RequiresKeys();

}  // namespace millrace::yaml

// SPDX-License-Identifier: Apache-2.0
// One entry of `modules:` as its author wrote it, read and checked on its own; what it has to do with other steps is
// expand.h's business.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "millrace/yaml/common.h"
#include "millrace/yaml/document.h"

namespace millrace::yaml {

struct Need {
  std::string name;  // of a step or of one instance; may hold ${matrix.KEY}
  Mark mark;
  bool optional = false;
};

struct Axis {
  std::string key;
  std::vector<std::string> values;
};

struct Step {
  enum class Kind { kShell, kArgv, kModule };
  std::string name;
  Mark mark;
  Kind kind = Kind::kShell;
  std::string module;  // the module that runs it: kCommandModule for `run`
  Mark module_mark;
  const Node* inputs = nullptr;  // the value of `run` or `with`, owned by the document; null = none
  std::vector<Need> needs;
  Mark consumes_mark{};
  std::vector<Axis> matrix;  // the first key varies slowest
  Common common;
};

// The module that `run` is handed to, with the inputs {"shell": text} or {"argv": [texts]}.
inline constexpr std::string_view kCommandModule = "command";

// Reads the keys of `defaults:` into `common`.
void ReadDefaults(const Node& node, Common& common, Problems& problems);
// Adds to `problems` for whatever is wrong and returns what could be read. Keeps a pointer into `entry`.
Step ReadStep(const Entry& entry, const Common& defaults, Problems& problems);

// What is known, for suggestions and for the JSON Schema.
std::vector<std::string> StepKeys();

}  // namespace millrace::yaml

// SPDX-License-Identifier: Apache-2.0
// ${matrix.KEY} in texts that are not handed to a shell: one text stays one text, so nothing can be injected. Shell
// text is never substituted; there the values arrive as environment variables.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "millrace/yaml/document.h"

namespace millrace::yaml {

using Variables = std::vector<std::pair<std::string, std::string>>;  // in the order of the matrix

// `text` with every ${matrix.KEY} replaced; unknown keys are left as they are (CheckTemplates has refused them).
std::string Substitute(std::string_view text, const Variables& variables);
bool HasTemplate(std::string_view text);
// A problem for each ${matrix.KEY} in the texts below `node` whose key is not among `keys`.
void CheckTemplates(const Node& node, std::string_view where, const std::vector<std::string>& keys, Problems& problems);

}  // namespace millrace::yaml

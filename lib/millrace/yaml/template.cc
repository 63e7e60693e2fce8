// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/template.h"

#include <algorithm>

#include "millrace/base/suggest.h"

namespace millrace::yaml {
namespace {

constexpr std::string_view kOpen = "${matrix.";

// Calls text(part) for what stands for itself and key(part, whole) for each template, from left to right.
template <class OnText, class OnKey>
void Scan(std::string_view text, OnText on_text, OnKey on_key) {
  while (true) {
    const std::size_t begin = text.find(kOpen);
    const std::size_t end = begin == std::string_view::npos ? begin : text.find('}', begin);
    if (end == std::string_view::npos) break;
    on_text(text.substr(0, begin));
    on_key(text.substr(begin + kOpen.size(), end - begin - kOpen.size()), text.substr(begin, end + 1 - begin));
    text.remove_prefix(end + 1);
  }
  on_text(text);
}

}  // namespace

std::string Substitute(std::string_view text, const Variables& variables) {
  std::string out;
  Scan(
      text, [&out](std::string_view part) { out += part; },
      [&](std::string_view key, std::string_view whole) {
        const auto found = std::find_if(variables.begin(), variables.end(),
                                        [key](const auto& variable) { return variable.first == key; });
        out += found == variables.end() ? whole : std::string_view(found->second);
      });
  return out;
}

bool HasTemplate(std::string_view text) { return text.find(kOpen) != std::string_view::npos; }

void CheckTemplates(const Node& node, std::string_view where, const std::vector<std::string>& keys,
                    Problems& problems) {
  Scan(
      node.text, [](std::string_view) {},
      [&](std::string_view key, std::string_view whole) {
        if (std::find(keys.begin(), keys.end(), key) != keys.end()) return;
        if (keys.empty()) {
          problems.Add(node.mark, "'%s' in %s: there is no matrix", whole, where);
        } else {
          problems.Add(node.mark, "'%s' in %s: the matrix has no such key%s", whole, where, DidYouMean(key, keys));
        }
      });
  for (const Node& item : node.items) CheckTemplates(item, where, keys, problems);
  for (const Entry& entry : node.entries) CheckTemplates(entry.value, where, keys, problems);
}

}  // namespace millrace::yaml

// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/problems.h"

#include <algorithm>

namespace millrace::yaml {

void Problems::Keep(Mark mark, std::string message) {
  std::pair<Mark, std::string> problem(mark, std::move(message));
  // A problem inside an anchor is met once per alias; it is one problem.
  if (std::find(problems_.begin(), problems_.end(), problem) != problems_.end()) return;
  if (full()) {
    ++untold_;
    return;
  }
  problems_.push_back(std::move(problem));
}

absl::Status Problems::ToStatus() const {
  if (problems_.empty()) return absl::OkStatus();
  auto sorted = problems_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string text;
  for (const auto& [mark, message] : sorted) {
    if (!text.empty()) text += '\n';
    text += mark.line > 0 ? absl::StrFormat("%s:%d:%d: %s", file_name_, mark.line, mark.column, message)
                          : absl::StrFormat("%s: %s", file_name_, message);
  }
  if (untold_ > 0) text += absl::StrFormat("\n%s: and %d more problems", file_name_, untold_);
  return InvalidArgument("%s", text);
}

}  // namespace millrace::yaml

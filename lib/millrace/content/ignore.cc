// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/ignore.h"

#include <algorithm>
#include <utility>

namespace millrace::content {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Without blanks at its end, unless a backslash stands in front of them.
std::string_view Trimmed(std::string_view line) {
  std::size_t end = 0;  // behind the last byte that counts
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == ' ') continue;
    if (line[i] == '\\') ++i;
    end = std::min(i + 1, line.size());
  }
  return line.substr(0, end);
}

}  // namespace

IgnoreList::IgnoreList(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.starts_with('#')) continue;
    if (line.ends_with('\r')) line.remove_suffix(1);
    Add(Trimmed(line));
  }
}

void IgnoreList::Add(std::string_view line) {
  const bool negated = line.starts_with('!');
  if (negated) line.remove_prefix(1);
  const bool directories_only = line.ends_with('/');
  if (directories_only) line.remove_suffix(1);
  const bool name_only = line.find('/') == std::string_view::npos;
  if (line.starts_with('/')) line.remove_prefix(1);
  if (line.empty()) return;
  // As in git, what follows the first wild byte is a pattern of its own: `a**/b` is `a` and `**/b`.
  const std::size_t literal = static_cast<std::size_t>(std::find_if(line.begin(), line.end(), IsWild) - line.begin());
  patterns_.push_back({.literal = std::string(line.substr(0, literal)),
                       .rest = Wildcard(line.substr(literal)),
                       .wild = literal < line.size(),
                       .negated = negated,
                       .directories_only = directories_only,
                       .name_only = name_only});
}

bool IgnoreList::Matches(const Pattern& pattern, std::string_view path) {
  if (pattern.name_only) path = NameOf(path);
  if (!pattern.wild) return path == pattern.literal;
  return path.starts_with(pattern.literal) && pattern.rest.Matches(path.substr(pattern.literal.size()));
}

std::optional<bool> IgnoreList::Ignores(std::string_view path, bool is_directory) const {
  for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
    if (pattern->directories_only && !is_directory) continue;
    if (Matches(*pattern, path)) return !pattern->negated;
  }
  return std::nullopt;
}

void IgnoreStack::Enter(std::string_view directory, IgnoreList list) {
  levels_.push_back({.prefix = directory.empty() ? 0 : directory.size() + 1, .list = std::move(list)});
}

bool IgnoreStack::Ignores(std::string_view path, bool is_directory) const {
  if (NameOf(path) == ".git") return true;
  if (const auto said = before_all_.Ignores(path, is_directory)) return *said;
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
    if (level->list.empty()) continue;
    if (const auto said = level->list.Ignores(path.substr(level->prefix), is_directory)) return *said;
  }
  return false;
}

}  // namespace millrace::content

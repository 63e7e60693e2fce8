// SPDX-License-Identifier: Apache-2.0
#include "millrace/yaml/read.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "millrace/base/size.h"
#include "millrace/base/suggest.h"

namespace millrace::yaml {
namespace {

bool IsScalar(const Node& node, std::string_view what, std::string_view wanted, Problems& problems) {
  if (node.is_scalar()) return true;
  problems.Add(node.mark, "%s must be %s, not %s", what, wanted, Describe(node));
  return false;
}

// Case and '_' for '-' make no difference.
bool SameName(std::string_view a, std::string_view b) {
  const auto fold = [](char c) { return c == '_' ? '-' : absl::ascii_tolower(static_cast<unsigned char>(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [fold](char x, char y) { return fold(x) == fold(y); });
}

}  // namespace

std::optional<std::string> ReadText(const Node& node, std::string_view what, Problems& problems) {
  if (!IsScalar(node, what, "text", problems)) return std::nullopt;
  return node.text;
}

std::optional<bool> ReadFlag(const Node& node, std::string_view what, Problems& problems) {
  if (!IsScalar(node, what, "true or false", problems)) return std::nullopt;
  const std::string text = absl::AsciiStrToLower(node.text);
  if (text == "true" || text == "yes" || text == "on") return true;
  if (text == "false" || text == "no" || text == "off") return false;
  problems.Add(node.mark, "%s must be true or false, not %s", what, Describe(node));
  return std::nullopt;
}

std::optional<std::int64_t> ReadInteger(const Node& node, std::string_view what, std::int64_t low, std::int64_t high,
                                        Problems& problems) {
  if (!IsScalar(node, what, "a whole number", problems)) return std::nullopt;
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(node.text, &value)) {
    problems.Add(node.mark, "%s must be a whole number, not %s", what, Describe(node));
    return std::nullopt;
  }
  if (value < low || value > high) {
    problems.Add(node.mark, "%s is %d; allowed are %d to %d", what, value, low, high);
    return std::nullopt;
  }
  return value;
}

std::optional<Duration> ReadDuration(const Node& node, std::string_view what, Duration low, Duration high,
                                     Problems& problems) {
  if (!IsScalar(node, what, "a duration such as 90s or 10m", problems)) return std::nullopt;
  const absl::StatusOr<Duration> value = ParseDuration(node.text);
  if (!value.ok()) {
    problems.Add(node.mark, "%s: %s", what, TextOf(value.status()));
    return std::nullopt;
  }
  if (*value < low || *value > high) {
    problems.Add(node.mark, "%s is %s; allowed are %s to %s", what, node.text, FormatDuration(low),
                 FormatDuration(high));
    return std::nullopt;
  }
  return *value;
}

std::optional<std::int64_t> ReadSize(const Node& node, std::string_view what, Problems& problems) {
  if (!IsScalar(node, what, "a size such as 512MiB or 2GiB", problems)) return std::nullopt;
  const absl::StatusOr<std::int64_t> value = ParseSize(node.text);
  if (value.ok()) return *value;
  problems.Add(node.mark, "%s: %s", what, TextOf(value.status()));
  return std::nullopt;
}

std::optional<std::size_t> ReadChoice(const Node& node, std::string_view what, std::span<const std::string> names,
                                      Problems& problems) {
  const std::string wanted = "one of " + absl::StrJoin(names, ", ");
  if (!IsScalar(node, what, wanted, problems)) return std::nullopt;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (SameName(node.text, names[i])) return i;
  }
  problems.Add(node.mark, "%s must be %s, not %s%s", what, wanted, Describe(node), DidYouMean(node.text, names));
  return std::nullopt;
}

std::optional<std::vector<std::string>> ReadTexts(const Node& node, std::string_view what, Problems& problems) {
  if (node.is_scalar()) return std::vector<std::string>{node.text};
  if (!node.is_list()) {
    problems.Add(node.mark, "%s must be a list, not %s", what, Describe(node));
    return std::nullopt;
  }
  std::vector<std::string> texts;
  bool good = true;
  for (const Node& item : node.items) {
    std::optional<std::string> text = ReadText(item, absl::StrFormat("an item of %s", what), problems);
    good = good && text.has_value();
    if (text.has_value()) texts.push_back(*std::move(text));
  }
  if (!good) return std::nullopt;
  return texts;
}

void RefuseKey(const Entry& entry, std::string_view where, std::span<const std::string> known, Problems& problems) {
  if (problems.full()) {
    problems.Add(entry.mark, "unknown key '%s' in %s", entry.key, where);
    return;
  }
  const std::string hint = DidYouMean(entry.key, known);
  problems.Add(entry.mark, "unknown key '%s' in %s%s", entry.key, where,
               hint.empty() ? "; known are " + absl::StrJoin(known, ", ") : hint);
}

bool CheckVariableName(std::string_view name, Mark mark, Problems& problems) {
  constexpr std::string_view kOurs = "MILLRACE_";
  bool good = !name.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(name.front()));
  for (const char c : name) good = good && (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_');
  if (!good) {
    problems.Add(mark, "'%s' cannot name an environment variable; use letters, digits and '_'", name);
    return false;
  }
  if (name.substr(0, kOurs.size()) == kOurs) {
    problems.Add(mark, "'%s': names that begin with %s are set by Millrace", name, kOurs);
    return false;
  }
  return true;
}

}  // namespace millrace::yaml

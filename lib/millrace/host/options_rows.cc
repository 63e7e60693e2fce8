// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/options_rows.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/exec/confinement.h"

namespace millrace::host::option_rows {
namespace {

constexpr std::int64_t kMostOfAResource = 1'000'000'000;
constexpr std::size_t kLongestText = 4096;

absl::Status Refuse(const std::string& text, const std::string& range) {
  return InvalidArgument("'%s'; allowed are %s", text, range);
}

std::vector<std::string> Elements(const std::string& text) {
  std::vector<std::string> elements;
  for (const absl::string_view element : absl::StrSplit(text, ',')) {
    const absl::string_view stripped = absl::StripAsciiWhitespace(element);
    if (!stripped.empty()) elements.emplace_back(stripped);
  }
  return elements;
}

absl::StatusOr<bool> ReadSwitch(const std::string& text) {
  const std::string lower = absl::AsciiStrToLower(text);
  for (const char* yes : {"true", "yes", "on", "1"}) {
    if (lower == yes) return true;
  }
  for (const char* no : {"false", "no", "off", "0"}) {
    if (lower == no) return false;
  }
  return Refuse(text, "true, false (also yes, no, on, off, 1, 0)");
}

// The short form where it says everything, else one that does.
std::string Exact(Duration duration) {
  std::string text = FormatDuration(duration);
  const absl::StatusOr<Duration> read = ParseDuration(text);
  if (read.ok() && *read == duration) return text;
  const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(duration);
  return whole == duration ? absl::StrFormat("%dms", whole.count()) : absl::StrFormat("%dns", duration.count());
}

std::string Exact(std::int64_t bytes) {
  std::string text = FormatSize(bytes);
  const absl::StatusOr<std::int64_t> read = ParseSize(text);
  return read.ok() && *read == bytes ? text : std::to_string(bytes);
}

}  // namespace

OptionRow Row(const std::string& name, const std::string& value_name, const std::string& help) {
  OptionRow row;
  row.name = name;
  row.flags = "--" + absl::StrReplaceAll(name, {{"_", "-"}});
  row.environment = "MILLRACE_" + absl::AsciiStrToUpper(name);
  row.value_name = value_name;
  row.help = help;
  return row;
}

OptionRow Switch(const std::string& name, bool Options::*field, const std::string& help) {
  OptionRow row = Row(name, "", help);
  row.flags += ",!--no-" + row.flags.substr(2);
  row.range = "true, false";
  row.choices = {"true", "false"};
  row.set = [field](const std::string& text, Options& options) {
    const absl::StatusOr<bool> value = ReadSwitch(text);
    if (value.ok()) options.*field = *value;
    return value.status();
  };
  row.get = [field](const Options& options) { return std::string(options.*field ? "true" : "false"); };
  row.default_text = row.get(Options{});
  return row;
}

OptionRow Text(const std::string& name, std::string Options::*field, const std::string& value_name,
               const std::string& help) {
  OptionRow row = Row(name, value_name, help);
  row.set = [field](const std::string& text, Options& options) {
    if (text.size() > kLongestText) return InvalidArgument("%d bytes; allowed are %d", text.size(), kLongestText);
    options.*field = text;
    return absl::OkStatus();
  };
  row.get = [field](const Options& options) { return options.*field; };
  row.default_text = row.get(Options{});
  return row;
}

OptionRow Span(const std::string& name, Duration Options::*field, Duration low, Duration high,
               const std::string& help) {
  OptionRow row = Row(name, "DURATION", help);
  row.range = FormatDuration(low) + " to " + FormatDuration(high);
  row.set = [field, low, high, range = row.range](const std::string& text, Options& options) {
    const absl::StatusOr<Duration> value = ParseDuration(text);
    if (!value.ok()) return Annotate(value.status(), "allowed are " + range);
    if (*value < low || *value > high) return Refuse(text, range);
    options.*field = *value;
    return absl::OkStatus();
  };
  row.get = [field](const Options& options) { return Exact(options.*field); };
  row.default_text = row.get(Options{});
  return row;
}

OptionRow Size(const std::string& name, std::int64_t Options::*field, std::int64_t low, std::int64_t high,
               const std::string& help) {
  OptionRow row = Row(name, "SIZE", help);
  row.range = FormatSize(low) + " to " + FormatSize(high);
  row.set = [field, low, high, range = row.range](const std::string& text, Options& options) {
    const absl::StatusOr<std::int64_t> value = ParseSize(text);
    if (!value.ok()) return Annotate(value.status(), "allowed are " + range);
    if (*value < low || *value > high) return Refuse(text, range);
    options.*field = *value;
    return absl::OkStatus();
  };
  row.get = [field](const Options& options) { return Exact(options.*field); };
  row.default_text = row.get(Options{});
  return row;
}

OptionRow Texts(const std::string& name, std::vector<std::string> Options::*field, const std::string& value_name,
                const std::string& help) {
  OptionRow row = Row(name, value_name, help);
  row.is_list = true;
  row.set = [field](const std::string& text, Options& options) {
    options.*field = Elements(text);
    return absl::OkStatus();
  };
  row.get = [field](const Options& options) { return absl::StrJoin(options.*field, ","); };
  row.default_text = row.get(Options{});
  return row;
}

OptionRow Amounts(const std::string& name, std::map<std::string, std::int64_t> Options::*field,
                  const std::string& help) {
  OptionRow row = Row(name, "NAME=AMOUNT", help);
  row.is_list = true;
  row.range = absl::StrFormat("NAME=AMOUNT with amounts from 0 to %d", kMostOfAResource);
  row.set = [field, range = row.range](const std::string& text, Options& options) {
    std::map<std::string, std::int64_t> amounts;
    for (const std::string& element : Elements(text)) {
      const std::size_t equals = element.find('=');
      std::int64_t amount = 0;
      if (equals == 0 || equals == std::string::npos || !absl::SimpleAtoi(element.substr(equals + 1), &amount) ||
          amount < 0 || amount > kMostOfAResource) {
        return Refuse(element, range);
      }
      amounts[element.substr(0, equals)] = amount;
    }
    options.*field = std::move(amounts);
    return absl::OkStatus();
  };
  row.get = [field](const Options& options) { return absl::StrJoin(options.*field, ",", absl::PairFormatter("=")); };
  row.default_text = row.get(Options{});
  return row;
}

OptionRow Limits(const std::string& name, std::map<std::string, std::int64_t> Options::*field,
                 const std::string& help) {
  OptionRow row = Row(name, "NAME=VALUE", help);
  row.is_list = true;
  row.range = absl::StrJoin(exec::TaskLimitNames(), ", ");
  row.set = [field](const std::string& text, Options& options) {
    exec::TaskLimits limits;
    for (const std::string& element : Elements(text)) {
      MILLRACE_ASSIGN_OR_RETURN(const auto limit, exec::ParseTaskLimit(element));
      limits[limit.first] = limit.second;
    }
    options.*field = std::move(limits);
    return absl::OkStatus();
  };
  row.get = [field](const Options& options) {
    std::vector<std::string> texts;
    for (const auto& [limit, value] : options.*field) texts.push_back(exec::TaskLimitText(limit, value));
    return absl::StrJoin(texts, ",");
  };
  row.default_text = row.get(Options{});
  return row;
}

absl::StatusOr<std::int64_t> ReadNumber(const std::string& text, std::int64_t low, std::int64_t high,
                                        const std::string& special) {
  if (!special.empty() && absl::EqualsIgnoreCase(text, special)) return low;
  std::int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value > high || value < low + (special.empty() ? 0 : 1)) {
    return Refuse(text, NumberRange(low, high, special));
  }
  return value;
}

absl::StatusOr<std::size_t> ReadChoice(const std::string& text, const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (absl::EqualsIgnoreCase(text, names[i])) return i;
  }
  return Refuse(text, JoinNames(names) + DidYouMean(text, names));
}

std::string NumberRange(std::int64_t low, std::int64_t high, const std::string& special) {
  if (special.empty()) return absl::StrFormat("%d to %d", low, high);
  return absl::StrFormat("%s and %d to %d", special, low + 1, high);
}

std::string NumberText(std::int64_t value, std::int64_t low, const std::string& special) {
  return !special.empty() && value == low ? special : std::to_string(value);
}

std::string JoinNames(const std::vector<std::string>& names) { return absl::StrJoin(names, ", "); }

}  // namespace millrace::host::option_rows

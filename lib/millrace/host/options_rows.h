// SPDX-License-Identifier: Apache-2.0
// Rows of the option table by the type of their field: how its text is read, checked and written.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "millrace/host/options_table.h"

namespace millrace::host::option_rows {

// Each takes the option's name, its field and its help; flags and environment name follow from the name
// (max_payload_size: --max-payload-size, MILLRACE_MAX_PAYLOAD_SIZE) unless the table says otherwise.
OptionRow Switch(const std::string& name, bool Options::*field, const std::string& help);
OptionRow Text(const std::string& name, std::string Options::*field, const std::string& value_name,
               const std::string& help);
OptionRow Span(const std::string& name, Duration Options::*field, Duration low, Duration high, const std::string& help);
OptionRow Size(const std::string& name, std::int64_t Options::*field, std::int64_t low, std::int64_t high,
               const std::string& help);
OptionRow Texts(const std::string& name, std::vector<std::string> Options::*field, const std::string& value_name,
                const std::string& help);
OptionRow Amounts(const std::string& name, std::map<std::string, std::int64_t> Options::*field,
                  const std::string& help);
OptionRow Limits(const std::string& name, std::map<std::string, std::int64_t> Options::*field, const std::string& help);
// `special` is a word that stands for `low`: "auto" for -1.
template <class T>
OptionRow Number(const std::string& name, T Options::*field, std::int64_t low, std::int64_t high,
                 const std::string& help, const std::string& special = "");
// `names` in the order of the enumerators.
template <class E>
OptionRow Choice(const std::string& name, E Options::*field, const std::vector<std::string>& names,
                 const std::string& help);

// What the templates rest on.
OptionRow Row(const std::string& name, const std::string& value_name, const std::string& help);
absl::StatusOr<std::int64_t> ReadNumber(const std::string& text, std::int64_t low, std::int64_t high,
                                        const std::string& special);
absl::StatusOr<std::size_t> ReadChoice(const std::string& text, const std::vector<std::string>& names);
std::string NumberRange(std::int64_t low, std::int64_t high, const std::string& special);
std::string NumberText(std::int64_t value, std::int64_t low, const std::string& special);
std::string JoinNames(const std::vector<std::string>& names);

template <class T>
OptionRow Number(const std::string& name, T Options::*field, std::int64_t low, std::int64_t high,
                 const std::string& help, const std::string& special) {
  OptionRow row = Row(name, "N", help);
  row.range = NumberRange(low, high, special);
  row.set = [field, low, high, special](const std::string& text, Options& options) {
    const absl::StatusOr<std::int64_t> value = ReadNumber(text, low, high, special);
    if (value.ok()) options.*field = static_cast<T>(*value);
    return value.status();
  };
  row.get = [field, low, special](const Options& options) {
    return NumberText(static_cast<std::int64_t>(options.*field), low, special);
  };
  row.default_text = row.get(Options{});
  return row;
}

template <class E>
OptionRow Choice(const std::string& name, E Options::*field, const std::vector<std::string>& names,
                 const std::string& help) {
  OptionRow row = Row(name, "NAME", help);
  row.range = JoinNames(names);
  row.choices = names;
  row.set = [field, names](const std::string& text, Options& options) {
    const absl::StatusOr<std::size_t> value = ReadChoice(text, names);
    if (value.ok()) options.*field = static_cast<E>(*value);
    return value.status();
  };
  row.get = [field, names](const Options& options) { return names[static_cast<std::size_t>(options.*field)]; };
  row.default_text = row.get(Options{});
  return row;
}

}  // namespace millrace::host::option_rows

// SPDX-License-Identifier: Apache-2.0
// Names that the compiler knows: of types and of enumerators, taken from the signature of a function template, without
// macros and without a table to keep in step.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace millrace {
namespace names_detail {

// g++ writes "consteval auto ...Signature() [with T = NAME]", clang "auto ...Signature() [T = NAME]".
template <class T>
consteval auto TypeSignature() {
  return std::string_view(__PRETTY_FUNCTION__);
}
// The same with "[with auto ...V = {A, (E)1}]" and "[V = <A, (E)1>]".
template <auto... V>
consteval auto ValuesSignature() {
  return std::string_view(__PRETTY_FUNCTION__);
}

constexpr bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsWord(char c) { return IsUpper(c) || IsDigit(c) || (c >= 'a' && c <= 'z') || c == '_'; }

// The identifier that `text` ends with once trailing punctuation is gone; "" when that is a number.
constexpr std::string_view LastWord(std::string_view text) {
  while (!text.empty() && !IsWord(text.back())) text.remove_suffix(1);
  std::size_t start = text.size();
  while (start > 0 && IsWord(text[start - 1])) --start;
  text.remove_prefix(start);
  return text.empty() || IsDigit(text.front()) ? std::string_view() : text;
}

// What follows " = " up to the closing bracket of a signature.
constexpr std::string_view Argument(std::string_view signature) {
  const std::size_t equals = signature.find(" = ");
  signature.remove_prefix(equals + 3);
  signature.remove_suffix(1);
  return signature;
}

constexpr char Lower(char c) { return IsUpper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// Appends `name` as snake_case to `out` and gives the end: a 'k' in front of a capital goes, a word starts at a capital
// behind a small letter or a digit, and at the last capital of a row that a small letter follows (HTTPError).
constexpr char* AppendSnake(std::string_view name, char* out) {
  if (name.size() > 1 && name[0] == 'k' && IsUpper(name[1])) name.remove_prefix(1);
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool after_small = i > 0 && !IsUpper(name[i - 1]) && name[i - 1] != '_';
    const bool before_small = i > 0 && i + 1 < name.size() && IsUpper(name[i - 1]) && !IsUpper(name[i + 1]) &&
                              !IsDigit(name[i + 1]) && name[i + 1] != '_';
    if (IsUpper(name[i]) && (after_small || before_small)) *out++ = '_';
    *out++ = Lower(name[i]);
  }
  return out;
}

inline constexpr std::size_t kMostEnumerators = 64;

template <class E, std::size_t... I>
consteval std::string_view EnumSignature(std::index_sequence<I...>) {
  return Argument(ValuesSignature<static_cast<E>(I)...>());
}

// The enumerators of E with values in [0, 64), in snake_case; "" where there is none.
template <class E>
class EnumTable {
 public:
  consteval EnumTable() {
    char* out = text_.data();
    std::size_t index = 0;
    std::size_t start = 0;
    int depth = 0;
    for (std::size_t i = 1; i <= kSignature.size(); ++i) {  // past the opening bracket
      const char c = i < kSignature.size() ? kSignature[i] : ',';
      if (c == '<' || c == '(' || c == '{') ++depth;
      if (c == '>' || c == ')' || c == '}') --depth;
      if (c != ',' || (depth > 0 && i < kSignature.size()) || index == kMostEnumerators) continue;
      char* const end = AppendSnake(LastWord(kSignature.substr(start, i - start)), out);
      begin_[index] = static_cast<std::uint16_t>(out - text_.data());
      size_[index++] = static_cast<std::uint16_t>(end - out);
      out = end;
      start = i;
    }
  }
  constexpr std::string_view operator[](std::size_t index) const {
    return index < kMostEnumerators ? std::string_view(text_.data() + begin_[index], size_[index]) : std::string_view();
  }

 private:
  static constexpr std::string_view kSignature = EnumSignature<E>(std::make_index_sequence<kMostEnumerators>());
  std::array<char, kSignature.size() * 2> text_{};
  std::array<std::uint16_t, kMostEnumerators> begin_{};
  std::array<std::uint16_t, kMostEnumerators> size_{};
};

template <class E>
inline constexpr EnumTable<E> kEnumTable{};

}  // namespace names_detail

// "millrace::Outcome", as this compiler spells it: for people. Compilers differ in the arguments of templates.
template <class T>
constexpr std::string_view TypeName() {
  return names_detail::Argument(names_detail::TypeSignature<T>());
}

// The last part of the name, without namespaces and template arguments: "Outcome". The same with every compiler for
// classes and enums.
template <class T>
constexpr std::string_view ShortTypeName() {
  std::string_view name = TypeName<T>();
  if (!name.empty() && name.back() == '>') {
    int depth = 0;
    std::size_t end = name.size();
    do {
      --end;
      depth += name[end] == '>' ? 1 : name[end] == '<' ? -1 : 0;
    } while (end > 0 && depth > 0);
    name = name.substr(0, end);
  }
  const std::size_t colon = name.rfind("::");
  return colon == std::string_view::npos ? name : name.substr(colon + 2);
}

// Whether E has enumerators that can be named at all: std::byte, for one, has none.
template <class E>
requires std::is_enum_v<E>
consteval bool HasEnumNames() {
  for (std::size_t i = 0; i < names_detail::kMostEnumerators; ++i) {
    if (!names_detail::kEnumTable<E>[i].empty()) return true;
  }
  return false;
}

// "timed_out" for Outcome::kTimedOut; "" for a value that is no enumerator, or one outside [0, 64).
template <class E>
requires std::is_enum_v<E>
constexpr std::string_view EnumName(E value) {
  const auto number = static_cast<std::underlying_type_t<E>>(value);
  if (std::cmp_less(number, 0) || std::cmp_greater_equal(number, names_detail::kMostEnumerators)) return {};
  return names_detail::kEnumTable<E>[static_cast<std::size_t>(number)];
}

// The enumerator of that name, spelled exactly.
template <class E>
requires std::is_enum_v<E>
constexpr std::optional<E> EnumFromName(std::string_view name) {
  for (std::size_t i = 0; i < names_detail::kMostEnumerators && !name.empty(); ++i) {
    if (names_detail::kEnumTable<E>[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

// "succeeded, failed, timed_out": for errors that list the choices.
template <class E>
requires std::is_enum_v<E> std::string EnumNames() {
  std::string list;
  for (std::size_t i = 0; i < names_detail::kMostEnumerators; ++i) {
    const std::string_view name = names_detail::kEnumTable<E>[i];
    if (name.empty()) continue;
    if (!list.empty()) list += ", ";
    list += name;
  }
  return list;
}

}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/wildcard.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace millrace::content {
namespace {

struct NamedClass {
  std::string_view name;
  int (*holds)(int);
};
constexpr std::array<NamedClass, 12> kNamed = {{{"alnum", &std::isalnum},
                                                {"alpha", &std::isalpha},
                                                {"blank", &std::isblank},
                                                {"cntrl", &std::iscntrl},
                                                {"digit", &std::isdigit},
                                                {"graph", &std::isgraph},
                                                {"lower", &std::islower},
                                                {"print", &std::isprint},
                                                {"punct", &std::ispunct},
                                                {"space", &std::isspace},
                                                {"upper", &std::isupper},
                                                {"xdigit", &std::isxdigit}}};

// The bytes of [:name:], of ASCII only; false when there is no such name.
bool AddNamed(std::string_view name, std::bitset<256>& bytes) {
  const auto named = std::find_if(kNamed.begin(), kNamed.end(), [&](const NamedClass& c) { return c.name == name; });
  if (named == kNamed.end()) return false;
  for (int byte = 0; byte < 128; ++byte) {
    if (named->holds(byte) != 0) bytes.set(static_cast<std::size_t>(byte));
  }
  return true;
}

void AddRange(unsigned char from, unsigned char to, std::bitset<256>& bytes) {
  for (unsigned byte = from; byte <= to; ++byte) bytes.set(byte);
}

}  // namespace

Wildcard::Wildcard(std::string_view pattern) {
  for (std::size_t at = 0; at < pattern.size() && sound_;) {
    switch (pattern[at]) {
      case '*': sound_ = AddStars(pattern, at); break;
      case '[': sound_ = AddClass(pattern, at); break;
      case '?':
        AddAnyOf(Class().set());
        ++at;
        break;
      case '\\':
        if (++at == pattern.size()) {
          sound_ = false;
          break;
        }
        [[fallthrough]];
      default: steps_.push_back({.byte = static_cast<unsigned char>(pattern[at++])});
    }
  }
  for (auto step = steps_.rbegin(); step != steps_.rend() && step->kind == Kind::kByte; ++step) {
    end_.insert(end_.begin(), static_cast<char>(step->byte));
  }
}

bool Wildcard::AddStars(std::string_view pattern, std::size_t& at) {
  const std::size_t begin = at;
  at = std::min(pattern.find_first_not_of('*', at), pattern.size());
  const std::string_view rest = pattern.substr(at);
  const bool alone = begin == 0 || pattern[begin - 1] == '/';
  if (at - begin >= 2 && alone && rest.starts_with('/')) {
    steps_.push_back({.kind = Kind::kDirectories});
    ++at;
  } else if (at - begin >= 2 && alone && (rest.empty() || rest.starts_with("\\/"))) {
    steps_.push_back({.kind = Kind::kAnything});
  } else {
    steps_.push_back({.kind = Kind::kStar});
  }
  return true;
}

// As wildmatch reads it: a ']' that comes first is meant, '-' at an end too, and what only looks like [:name:] is not.
bool Wildcard::AddClass(std::string_view pattern, std::size_t& at) {
  const auto byte_at = [&](std::size_t i) { return static_cast<unsigned char>(i < pattern.size() ? pattern[i] : 0); };
  std::size_t i = at + 1;
  const bool negated = byte_at(i) == '!' || byte_at(i) == '^';
  if (negated) ++i;
  Class bytes;
  unsigned char before = 0;  // what a range may begin with
  bool first = true;
  for (; first || byte_at(i) != ']'; ++i, first = false) {
    if (i >= pattern.size()) return false;
    unsigned char byte = byte_at(i);
    if (byte == '-' && before != 0 && i + 1 < pattern.size() && byte_at(i + 1) != ']') {
      byte = byte_at(++i);
      if (byte == '\\') byte = byte_at(++i);
      if (i >= pattern.size()) return false;
      AddRange(before, byte, bytes);
      before = 0;
      continue;
    }
    if (byte == '[' && byte_at(i + 1) == ':') {
      const std::size_t end = pattern.find(']', i + 2);
      if (end == std::string_view::npos) return false;
      if (end > i + 2 && pattern[end - 1] == ':') {
        if (!AddNamed(pattern.substr(i + 2, end - i - 3), bytes)) return false;
        i = end;
        before = 0;
        continue;
      }
    } else if (byte == '\\') {
      byte = byte_at(++i);
      if (i >= pattern.size()) return false;
    }
    bytes.set(byte);
    before = byte;
  }
  at = i + 1;
  AddAnyOf(negated ? ~bytes : bytes);
  return true;
}

void Wildcard::AddAnyOf(const Class& bytes) {
  Class kept = bytes;
  kept.reset('/');
  steps_.push_back({.kind = Kind::kClass, .number = static_cast<std::uint32_t>(classes_.size())});
  classes_.push_back(kept);
}

// Being in front of a step that may take nothing is being behind it as well.
void Wildcard::Enter(std::size_t step, std::vector<bool>& places) const {
  for (; !places[step]; ++step) {
    places[step] = true;
    if (step == steps_.size() || steps_[step].kind == Kind::kByte || steps_[step].kind == Kind::kClass) return;
  }
}

void Wildcard::Move(std::size_t step, unsigned char byte, std::vector<bool>& places) const {
  switch (steps_[step].kind) {
    case Kind::kByte:
      if (byte == steps_[step].byte) Enter(step + 1, places);
      break;
    case Kind::kClass:
      if (classes_[steps_[step].number].test(byte)) Enter(step + 1, places);
      break;
    case Kind::kStar:
      if (byte != '/') Enter(step, places);
      break;
    case Kind::kAnything: Enter(step, places); break;
    case Kind::kDirectories:
      // In the middle of a name there is no way on: only this place, and not the one behind it.
      places[step] = true;
      if (byte == '/') Enter(step + 1, places);
      break;
  }
}

bool Wildcard::Matches(std::string_view path) const {
  if (!sound_ || !path.ends_with(end_)) return false;
  std::vector<bool> places(steps_.size() + 1);
  std::vector<bool> next(steps_.size() + 1);
  Enter(0, places);
  for (const char c : path) {
    std::fill(next.begin(), next.end(), false);
    for (std::size_t step = 0; step < steps_.size(); ++step) {
      if (places[step]) Move(step, static_cast<unsigned char>(c), next);
    }
    places.swap(next);
  }
  return places[steps_.size()];
}

}  // namespace millrace::content

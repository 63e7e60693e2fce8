// SPDX-License-Identifier: Apache-2.0
// Patterns over paths as git writes them, one at a time: `*` and `?` within a name, `[...]`, `**` over directories.
//
// A pattern becomes a list of steps, and a text is matched against all of them at once (a set of places in the list
// moves along the text): time is the product of both lengths, whatever the pattern. git's own matcher, wildmatch, tries
// one way after the other, and needs exponential time where a pattern has many stars.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::content {

class Wildcard {
 public:
  // Of the whole pattern: without the marks that only .gitignore has.
  explicit Wildcard(std::string_view pattern);

  bool Matches(std::string_view path) const;
  // Something that ends in the middle of a class or behind a backslash matches nothing.
  bool sound() const { return sound_; }

 private:
  using Class = std::bitset<256>;
  enum class Kind : std::uint8_t {
    kByte,         // this one
    kClass,        // one of these, never '/'
    kStar,         // any number of any but '/'
    kAnything,     // any number of any
    kDirectories,  // nothing, or anything that ends in '/'
  };
  struct Step {
    Kind kind = Kind::kByte;
    unsigned char byte = 0;
    std::uint32_t number = 0;  // of the class
  };

  // Each takes what is at `at` and moves it on; false when the pattern is not sound.
  bool AddStars(std::string_view pattern, std::size_t& at);
  bool AddClass(std::string_view pattern, std::size_t& at);
  void AddAnyOf(const Class& bytes);
  void Enter(std::size_t step, std::vector<bool>& places) const;
  void Move(std::size_t step, unsigned char byte, std::vector<bool>& places) const;

  std::vector<Step> steps_;
  std::vector<Class> classes_;
  std::string end_;  // what every match ends with: most texts are told from it by this alone
  bool sound_ = true;
};

// Whether a byte stands for more than itself in a pattern.
inline bool IsWild(char c) { return c == '*' || c == '?' || c == '[' || c == '\\'; }

}  // namespace millrace::content

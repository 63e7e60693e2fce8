// SPDX-License-Identifier: Apache-2.0
// What is wrong with a file, collected so that its author hears everything at once: "pipeline.yaml:7:5: unknown key
// ...".
#pragma once

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "millrace/base/status.h"

namespace millrace::yaml {

// A place in a file, counted from 1; columns are bytes. {0, 0} = the file as a whole.
struct Mark {
  int line = 0;
  int column = 0;
  friend constexpr auto operator<=>(const Mark&, const Mark&) = default;
};

class Problems {
 public:
  static constexpr std::size_t kShown = 20;  // more than these are only counted

  explicit Problems(std::string_view file_name) : file_name_(file_name) {}

  template <class... Args>
  void Add(Mark mark, const absl::FormatSpec<Args...>& format, const Args&... args) {
    Keep(mark, absl::StrFormat(format, args...));
  }
  bool empty() const { return problems_.empty(); }
  // No further problem would be shown: what is costly to say (a suggestion) need not be found out.
  bool full() const { return problems_.size() >= kShown; }
  const std::string& file_name() const { return file_name_; }

  // OK, or InvalidArgument with one line per problem in the order of the file.
  absl::Status ToStatus() const;

 private:
  void Keep(Mark mark, std::string message);

  std::string file_name_;
  std::vector<std::pair<Mark, std::string>> problems_;
  std::size_t untold_ = 0;
};

}  // namespace millrace::yaml

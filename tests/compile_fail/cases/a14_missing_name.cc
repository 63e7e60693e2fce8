// SPDX-License-Identifier: Apache-2.0
// expect: a module needs `static constexpr std::string_view kName
struct Lint {
#ifndef MISTAKE
  static constexpr std::string_view kName = "lint";
#endif
  void Run() const {}
};
Pipeline Make() { return Pipeline{Lint{}}; }

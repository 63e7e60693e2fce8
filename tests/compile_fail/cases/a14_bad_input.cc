// SPDX-License-Identifier: Apache-2.0
// expect: a module is a plain aggregate with defaults for all of its fields
#ifdef MISTAKE
using Input = const char*;
#else
using Input = std::string;
#endif
struct Lint {
  static constexpr std::string_view kName = "lint";
  Input path = "src";
  void Run() const {}
};
Pipeline Make() { return Pipeline{Lint{}}; }

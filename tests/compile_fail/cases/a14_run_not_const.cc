// SPDX-License-Identifier: Apache-2.0
// expect: Run must be a const member function
#ifdef MISTAKE
#define CONST
#else
#define CONST const
#endif
struct Lint {
  static constexpr std::string_view kName = "lint";
  void Run() CONST {}
};
Pipeline Make() { return Pipeline{Lint{}}; }

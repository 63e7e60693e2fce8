// SPDX-License-Identifier: Apache-2.0
// expect: kName must be 1 to 100 letters
struct Lint {
#ifdef MISTAKE
  static constexpr std::string_view kName = "lint it";
#else
  static constexpr std::string_view kName = "lint-it";
#endif
  void Run() const {}
};
Pipeline Make() { return Pipeline{Lint{}}; }

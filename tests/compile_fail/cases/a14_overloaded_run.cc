// SPDX-License-Identifier: Apache-2.0
// expect: a module needs exactly one public Run
struct Lint {
  static constexpr std::string_view kName = "lint";
  void Run() const {}
#ifdef MISTAKE
  void Run(Context&) const {}
#endif
};
Pipeline Make() { return Pipeline{Lint{}}; }

// SPDX-License-Identifier: Apache-2.0
// expect: two module types have the same kName
struct Lint {
#ifdef MISTAKE
  static constexpr std::string_view kName = "restore";
#else
  static constexpr std::string_view kName = "lint";
#endif
  void Run() const {}
};
Pipeline Make() { return Pipeline{Restore{}, Lint{}}; }

// SPDX-License-Identifier: Apache-2.0
// expect: policy() must be `Policy policy() const`
struct Lint {
  static constexpr std::string_view kName = "lint";
#ifdef MISTAKE
  int policy() const { return 3; }
#else
  Policy policy() const { return {.retries = 3}; }
#endif
  void Run() const {}
};
Pipeline Make() { return Pipeline{Lint{}}; }

// SPDX-License-Identifier: Apache-2.0
// expect: a module needs a public `Run(...) const`
struct Lint {
  static constexpr std::string_view kName = "lint";
#ifndef MISTAKE
  void Run() const {}
#endif
};
Registry Make() { return Registry().Add<Lint>(); }

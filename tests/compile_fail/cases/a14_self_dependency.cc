// SPDX-License-Identifier: Apache-2.0
// expect: a module must not depend on itself
struct Lint {
  static constexpr std::string_view kName = "lint";
#ifdef MISTAKE
  void Run(From<Lint>) const;
#else
  void Run(From<Restore>) const;
#endif
};
Pipeline Make() { return Pipeline{Restore{}, Lint{}}; }

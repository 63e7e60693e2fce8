// SPDX-License-Identifier: Apache-2.0
// expect: Run takes Context& (first, or not at all), then only From<M>
#ifdef MISTAKE
using Parameter = Restore;
#else
using Parameter = From<Restore>;
#endif
struct Lint {
  static constexpr std::string_view kName = "lint";
  void Run(Context&, Parameter) const {}
};
Pipeline Make() { return Pipeline{Restore{}, Lint{}}; }

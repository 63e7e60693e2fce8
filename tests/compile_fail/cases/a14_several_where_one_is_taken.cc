// SPDX-License-Identifier: Apache-2.0
// expect: From<M> and Maybe<M> take one, and the pipeline has several M
struct Package {
  static constexpr std::string_view kName = "package";
#ifndef MISTAKE
  bool Takes(const Build& build) const { return build.configuration == "Release"; }
#endif
  void Run(From<Build>) const {}
};
Pipeline Make() { return Pipeline{Restore{}, Build{}, Build{.configuration = "Debug"}, Package{}}; }

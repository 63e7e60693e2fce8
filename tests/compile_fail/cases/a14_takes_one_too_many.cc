// SPDX-License-Identifier: Apache-2.0
// expect: Takes narrows a module that Run does not depend on
struct Report {
  static constexpr std::string_view kName = "report";
  bool Takes(const Build&) const { return true; }
#ifdef MISTAKE
  bool Takes(const Restore&) const { return true; }
#endif
  void Run(FromAll<Build>) const {}
};
Pipeline Make() { return Pipeline{Restore{}, Build{}, Report{}}; }

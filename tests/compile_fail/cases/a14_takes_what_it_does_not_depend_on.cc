// SPDX-License-Identifier: Apache-2.0
// expect: Takes must be `bool Takes(const M&) const` for a module M that Run depends on
struct Report {
  static constexpr std::string_view kName = "report";
#ifdef MISTAKE
  bool Takes(const Restore&) const { return true; }
#else
  bool Takes(const Build&) const { return true; }
#endif
  void Run(FromAll<Build>) const {}
};
Pipeline Make() { return Pipeline{Restore{}, Build{}, Report{}}; }

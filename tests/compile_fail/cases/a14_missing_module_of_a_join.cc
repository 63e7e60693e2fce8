// SPDX-License-Identifier: Apache-2.0
// expect: this module takes another that is not in the pipeline
struct Report {
  static constexpr std::string_view kName = "report";
  void Run(FromAll<Build>) const {}
};
Pipeline Make() {
#ifdef MISTAKE
  return Pipeline{Restore{}, Report{}};
#else
  return Pipeline{Restore{}, Report{}, Build{}};
#endif
}

// SPDX-License-Identifier: Apache-2.0
// expect: the result of Run cannot travel
struct Report {
#ifdef MISTAKE
  int* count = nullptr;
#else
  int count = 0;
#endif
};
struct Lint {
  static constexpr std::string_view kName = "lint";
  absl::StatusOr<Report> Run() const { return Report{}; }
};
Pipeline Make() { return Pipeline{Lint{}}; }

// SPDX-License-Identifier: Apache-2.0
// expect: this module takes another that is not in the pipeline
#ifdef MISTAKE
struct Config {
  int level = 0;
  int Run() const { return 0; }
};
#else
struct Config {
  static constexpr std::string_view kName = "config";
  int level = 0;
  int Run() const { return 0; }
};
#endif
struct Lint {
  static constexpr std::string_view kName = "lint";
  void Run(From<Config>) const {}
};
#ifdef MISTAKE
Pipeline Make() { return Pipeline{Lint{}}; }
#else
Pipeline Make() { return Pipeline{Config{}, Lint{}}; }
#endif

// SPDX-License-Identifier: Apache-2.0
// expect: these modules wait for each other
struct Second;
struct Third;
struct First {
  static constexpr std::string_view kName = "first";
  void Run(From<Second>) const;
};
struct Second {
  static constexpr std::string_view kName = "second";
  void Run(FromAll<Third>) const;
};
struct Third {
  static constexpr std::string_view kName = "third";
#ifdef MISTAKE
  void Run(Maybe<First>) const;
#else
  void Run() const;
#endif
};
void First::Run(From<Second>) const {}
void Second::Run(FromAll<Third>) const {}
Pipeline Make() { return Pipeline{First{}, Second{}, Third{}}; }

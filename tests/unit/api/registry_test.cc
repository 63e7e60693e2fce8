// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

struct Compile {
  static constexpr std::string_view kName = "compile";
  std::string source;
  int Run() const { return 1; }
};
struct Link {
  static constexpr std::string_view kName = "link";
  void Run(FromAll<Compile>) const {}
};

// The same names, with one thing changed each.
namespace renamed_field {
struct Compile {
  static constexpr std::string_view kName = "compile";
  std::string file;
  int Run() const { return 1; }
};
}  // namespace renamed_field
namespace other_result {
struct Compile {
  static constexpr std::string_view kName = "compile";
  std::string source;
  std::string Run() const { return ""; }
};
struct Link {
  static constexpr std::string_view kName = "link";
  void Run(FromAll<Compile>) const {}
};
}  // namespace other_result
namespace other_parameter {
struct Link {
  static constexpr std::string_view kName = "link";
  void Run(From<Compile>) const {}
};
}  // namespace other_parameter
namespace twin {
struct Compile {
  static constexpr std::string_view kName = "compile";
  std::string source;
  absl::StatusOr<int> Run(Context&) const { return 2; }
};
}  // namespace twin

template <class M>
std::uint64_t Fingerprint() {
  return detail::EntryOf<M>().fingerprint;
}

TEST(RegistryTest, A47_TheFingerprintFollowsTheTypesAtTheModulesEdges) {
  EXPECT_EQ(Fingerprint<Compile>(), Fingerprint<twin::Compile>()) << "how it is written inside does not matter";
  EXPECT_NE(Fingerprint<Compile>(), Fingerprint<renamed_field::Compile>());
  EXPECT_NE(Fingerprint<Compile>(), Fingerprint<other_result::Compile>());
  EXPECT_NE(Fingerprint<Link>(), Fingerprint<other_result::Link>()) << "a dependency's result is an edge too";
  EXPECT_NE(Fingerprint<Link>(), Fingerprint<other_parameter::Link>());
  EXPECT_NE(Fingerprint<Compile>(), 0U);
}

TEST(RegistryTest, OffersWhatWasAdded) {
  Registry registry;
  registry.Add<Link>().Add<Compile>().Add<Link>();
  EXPECT_THAT(registry.Offered(), ::testing::ElementsAre(OfferedModule{"compile", Fingerprint<Compile>()},
                                                         OfferedModule{"link", Fingerprint<Link>()}));
  EXPECT_TRUE(registry.Check().ok());
}

TEST(RegistryTest, AnUnknownNameIsAnsweredWithTheNearest) {
  Registry registry;
  registry.Add<Link>().Add<Compile>();
  EXPECT_EQ(registry.Find("compil").status().message(),
            "no module named 'compil' is compiled into this program; did you mean 'compile'? (it has: compile, link)");
  EXPECT_EQ(registry.Find("x").status().code(), absl::StatusCode::kNotFound);
}

TEST(RegistryTest, OneNameForTwoTypesIsFound) {
  Registry registry;
  registry.Add<Compile>().Add<twin::Compile>();
  EXPECT_EQ(registry.Check().code(), absl::StatusCode::kAlreadyExists);
}

TEST(RegistryTest, MergeKeepsOurs) {
  Registry ours;
  ours.Add<Compile>();
  Registry others;
  others.Add<other_result::Compile>().Add<Link>();
  ours.Merge(others);
  EXPECT_EQ(ours.size(), 2U);
  EXPECT_EQ(ours.Find("compile").value()->fingerprint, Fingerprint<Compile>());
  EXPECT_TRUE(ours.Check().ok());
}

}  // namespace
}  // namespace millrace

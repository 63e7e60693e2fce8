// SPDX-License-Identifier: Apache-2.0
// Artifacts from one machine to another: two couriers, a store and a directory each, and the broker's blobs between.
#include "millrace/serve/artifact_courier.h"

#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/content/bundle.h"
#include "millrace/content/tree.h"
#include "millrace/serve/artifact_blobs.h"
#include "tests/unit/serve/support.h"

namespace millrace::serve {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Blobs final : public net::BlobAccess {
 public:
  absl::StatusOr<Bytes> Fetch(const Digest& digest, std::uint64_t) override {
    ++fetches;
    const auto it = blobs.find(digest);
    if (it == blobs.end()) return NotFound("no blob %s", digest.Hex());
    return it->second;
  }
  absl::Status Store(const Digest& digest, const Bytes& bytes) override {
    blobs[digest] = bytes;
    return absl::OkStatus();
  }
  bool keeps_artifacts() const override { return keeps; }

  std::map<Digest, Bytes> blobs;
  int fetches = 0;
  bool keeps = true;
};

void Write(const std::filesystem::path& file, std::string_view text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}
std::string Read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class ArtifactCourierTest : public testing::Test {
 protected:
  ArtifactCourierTest() {
    Write(here() / "out/app", "elf");
    Write(here() / "out/copy", "elf");
    Write(here() / "out/nothing", "");
    std::filesystem::create_directories(there());
  }
  std::filesystem::path here() const { return folder_ / "here"; }
  std::filesystem::path there() const { return folder_ / "there"; }
  ArtifactStore StoreOf(const std::string& name) const { return {folder_ / name, std::uint64_t{1} << 30}; }

  absl::StatusOr<ArtifactTree> HandOver(std::vector<Produce> produces, std::uint64_t max_file = 1000) {
    return sender_.HandOver({std::move(produces), here(), max_file},
                            [this](const Digest& digest, const Bytes& bytes) { return blobs_.Store(digest, bytes); });
  }
  ArtifactTree MustHandOver(std::vector<Produce> produces) {
    const auto made = HandOver(std::move(produces));
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : ArtifactTree{};
  }
  absl::Status Bring(std::vector<agent::Consumed> consumed, bool may_place = true) {
    return receiver_.Bring(consumed, there(), [may_place] { return may_place; });
  }

  TemporaryDirectory folder_;
  Blobs blobs_;
  std::atomic<bool> stopping_ = false;
  ArtifactCourier sender_{StoreOf("store-1"), blobs_, stopping_};
  ArtifactCourier receiver_{StoreOf("store-2"), blobs_, stopping_};
};

// Somebody else may be at work there by then.
TEST_F(ArtifactCourierTest, A36_WhatIsGivenUpPutsNothingIntoTheWorkDirectory) {
  const ArtifactTree made = MustHandOver({{.name = "all", .paths = {"out"}}});
  EXPECT_EQ(Bring({{.task = "make", .tree = made}}, false).code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(std::filesystem::is_empty(there()));
  ASSERT_EQ(Bring({{.task = "make", .tree = made}}), absl::OkStatus());
  EXPECT_EQ(Read(there() / "out/app"), "elf");
}

TEST_F(ArtifactCourierTest, A36_WhatIsHandedOverIsBroughtAndEqualContentGoesOnce) {
  const ArtifactTree made = MustHandOver({{.name = "all", .paths = {"out"}}});
  EXPECT_EQ(made.files, 3u);
  EXPECT_EQ(made.bytes, 6u);
  EXPECT_EQ(blobs_.blobs.size(), 2u) << "the tree and one content: what is empty needs none";
  ASSERT_EQ(Bring({{.task = "make", .tree = made}}), absl::OkStatus());
  EXPECT_EQ(Read(there() / "out/app"), "elf");
  EXPECT_EQ(Read(there() / "out/copy"), "elf");
  EXPECT_TRUE(std::filesystem::exists(there() / "out/nothing"));
  EXPECT_EQ(blobs_.fetches, 2);
  ASSERT_EQ(Bring({{.task = "make", .tree = made, .artifact = "all", .into = "again"}}), absl::OkStatus());
  EXPECT_EQ(Read(there() / "again/out/app"), "elf");
  EXPECT_EQ(blobs_.fetches, 2) << "the store had all of it";
}

TEST_F(ArtifactCourierTest, A36_WhatIsMissingOrEmptyIsTheTasksFault) {
  const auto missing = HandOver({{.name = "app", .paths = {"out/apps"}}});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(TextOf(missing.status()), AllOf(HasSubstr("artifact 'app'"), HasSubstr("did you mean 'app'?")));
  const auto empty = HandOver({{.name = "void", .paths = {"out/nothing"}}});
  EXPECT_EQ(empty.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(empty.status()), AllOf(HasSubstr("artifact 'void'"), HasSubstr("may_be_empty")));
  EXPECT_TRUE(blobs_.blobs.empty());
  EXPECT_TRUE(HandOver({{.name = "void", .paths = {"out/nothing", "none"}, .may_be_empty = true}}).ok());
}

TEST_F(ArtifactCourierTest, A36_AFileOverTheBrokersLimitIsRefusedWithBoth) {
  EXPECT_TRUE(HandOver({{.name = "app", .paths = {"out/app"}}}, 3).ok());
  const auto refused = HandOver({{.name = "app", .paths = {"out/app"}}}, 2);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(refused.status()), AllOf(HasSubstr("out/app"), HasSubstr("3"), HasSubstr("2")));
  std::filesystem::resize_file(here() / "out/app", std::uintmax_t{1} << 39);  // sparse: reading it would take long
  EXPECT_EQ(HandOver({{.name = "app", .paths = {"out"}}}).status().code(), absl::StatusCode::kFailedPrecondition);
}

// So that nothing is tidied away for it.
TEST_F(ArtifactCourierTest, A36_WhatCannotBeReadForNowIsToldApartFromWhatIsGone) {
  const store::BlobStore blobs = *store::BlobStore::Open(folder_ / "blobs");
  const ArtifactTree gone{.digest = Sha256("gone"), .size = 4};
  std::set<Digest> named;
  EXPECT_TRUE(NameArtifacts(blobs, gone, named));
  const std::string hex = gone.digest.Hex();
  std::filesystem::create_directories(folder_ / "blobs" / hex.substr(0, 2) / hex);  // no file can be read there
  EXPECT_FALSE(NameArtifacts(blobs, gone, named));
  EXPECT_TRUE(named.empty());
}

TEST_F(ArtifactCourierTest, A36_AStoreThatIsRemovedMeanwhileIsMadeAnew) {
  const ArtifactTree made = MustHandOver({{.name = "app", .paths = {"out/app"}}});
  std::filesystem::remove_all(folder_ / "store-1");
  EXPECT_EQ(MustHandOver({{.name = "app", .paths = {"out/app"}}}), made);
  ASSERT_EQ(Bring({{.task = "make", .tree = made}}), absl::OkStatus());
}

TEST_F(ArtifactCourierTest, A36_DamageIsNoticedAndWhatIsDamagedHereIsFetchedAnew) {
  const ArtifactTree made = MustHandOver({{.name = "app", .paths = {"out/app"}}});
  ASSERT_EQ(Bring({{.task = "make", .tree = made}}), absl::OkStatus());
  std::filesystem::remove(there() / "out/app");
  const std::string name = content::ContentStore::NameOf(Sha256("elf"));
  const std::filesystem::path kept = folder_ / "store-2" / "objects" / name;
  ASSERT_TRUE(std::filesystem::exists(kept)) << kept;
  std::filesystem::permissions(kept, std::filesystem::perms::owner_all);
  Write(kept, "fle");
  ASSERT_EQ(Bring({{.task = "make", .tree = made}}), absl::OkStatus());
  EXPECT_EQ(Read(there() / "out/app"), "elf");
  // What comes is looked at, too.
  std::filesystem::remove(there() / "out/app");
  std::filesystem::permissions(kept, std::filesystem::perms::owner_all);
  Write(kept, "fle");
  blobs_.blobs[Sha256("elf")] = Bytes::Copy("ELF");
  EXPECT_EQ(Bring({{.task = "make", .tree = made}}).code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(there() / "out/app"));
}

TEST_F(ArtifactCourierTest, A36_AHostileTreeIsRefused) {
  using content::EntryKind;
  const content::Tree leaves{{{.path = "a", .kind = EntryKind::kDirectory},
                              {.path = "a/x", .kind = EntryKind::kSymlink, .target = "../b"},
                              {.path = "b", .kind = EntryKind::kDirectory}}};
  std::string bytes = content::EncodeTree(leaves);
  blobs_.blobs[Sha256(bytes)] = Bytes::Copy(bytes);
  const ArtifactTree tree{.digest = Sha256(bytes), .size = bytes.size(), .bytes = 0, .files = 0};
  EXPECT_EQ(Bring({{.task = "make", .tree = tree}}).code(), absl::StatusCode::kInvalidArgument);
  bytes = "rubbish";
  blobs_.blobs[Sha256(bytes)] = Bytes::Copy(bytes);
  const ArtifactTree rubbish{.digest = Sha256(bytes), .size = bytes.size(), .bytes = 0, .files = 0};
  EXPECT_EQ(Bring({{.task = "make", .tree = rubbish}}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::is_empty(there()));
}

TEST_F(ArtifactCourierTest, A36_TwoThatDoNotGoTogetherAreRefusedAndNothingIsWritten) {
  const ArtifactTree one = MustHandOver({{.name = "app", .paths = {"out/app"}}});
  Write(here() / "out/app", "other");
  const ArtifactTree two = MustHandOver({{.name = "app", .paths = {"out/app"}}});
  const absl::Status status = Bring({{.task = "one", .tree = one}, {.task = "two", .tree = two}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(TextOf(status), AllOf(HasSubstr("'one' and 'two'"), HasSubstr("out/app")));
  EXPECT_TRUE(std::filesystem::is_empty(there()));
  EXPECT_EQ(Bring({{.task = "one", .tree = one}, {.task = "two", .tree = two, .artifact = "", .into = "two"}}),
            absl::OkStatus());
  EXPECT_EQ(Read(there() / "two/out/app"), "other");
}

TEST_F(ArtifactCourierTest, A36_AloneNothingGoesAnywhere) {
  blobs_.keeps = false;
  const ArtifactTree made = MustHandOver({{.name = "app", .paths = {"out"}}});
  EXPECT_TRUE(blobs_.blobs.empty());
  std::filesystem::remove_all(here());
  const std::vector<agent::Consumed> consumed = {{.task = "make", .tree = made}};
  ASSERT_EQ(sender_.Bring(consumed, there(), [] { return true; }), absl::OkStatus());
  EXPECT_EQ(Read(there() / "out/app"), "elf");
  EXPECT_EQ(blobs_.fetches, 0);
  // What is gone is said to be gone.
  EXPECT_EQ(receiver_.Bring(consumed, there(), [] { return true; }).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ArtifactCourierTest, WhoStopsDoesNotGoOn) {
  const ArtifactTree made = MustHandOver({{.name = "app", .paths = {"out"}}});
  stopping_ = true;
  EXPECT_EQ(HandOver({{.name = "app", .paths = {"out"}}}).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Bring({{.task = "make", .tree = made}}).code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace millrace::serve

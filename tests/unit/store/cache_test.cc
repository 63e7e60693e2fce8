// SPDX-License-Identifier: Apache-2.0
// What is remembered comes back under its key and under no other, and trouble is a value, never an end.
#include "millrace/store/cache.h"

#include <sqlite3.h>

#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

Digest Key(std::string_view text) { return Sha256(text); }
Payload Inline(std::string_view bytes) {
  return {.bytes = Bytes::Copy(bytes), .digest = std::nullopt, .size = bytes.size()};
}
ResultCache MustOpen(const fs::path& file) {
  auto cache = ResultCache::Open(file);
  EXPECT_TRUE(cache.ok()) << cache.status();
  return *std::move(cache);
}
void RunElsewhere(const fs::path& file, const char* sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(handle);
  sqlite3_close(handle);
}

TEST(CacheTest, A38_WhatIsRememberedIsFoundUnderItsKeyOnlyAndByTheNextOpener) {
  const Folder folder;
  const Payload by_digest{.bytes = {}, .digest = Sha256("large"), .size = 1 << 30};
  {
    ResultCache cache = MustOpen(folder / "cache");
    EXPECT_FALSE(cache.Look(Key("a")).value());
    ASSERT_TRUE(cache.Remember(Key("a"), "build", Inline("result"), 1).ok());
    ASSERT_TRUE(cache.Remember(Key("b"), "build", by_digest, 2).ok());
    ASSERT_TRUE(cache.Remember(Key("c"), "a task without a result", {}, 3).ok());
    EXPECT_EQ(cache.Look(Key("a")).value(), Inline("result"));
    EXPECT_FALSE(cache.Look(Key("d")).value());
  }
  ResultCache again = MustOpen(folder / "cache");
  EXPECT_EQ(again.Look(Key("a")).value(), Inline("result"));
  EXPECT_EQ(again.Look(Key("b")).value(), by_digest);
  EXPECT_EQ(again.Look(Key("c")).value(), Payload());
  EXPECT_FALSE(again.Look(Key("d")).value());
}

TEST(CacheTest, A38_TheNewerResultReplacesAndAForgottenOneIsGone) {
  const Folder folder;
  ResultCache cache = MustOpen(folder / "cache");
  ASSERT_TRUE(cache.Remember(Key("a"), "t", {.bytes = {}, .digest = Sha256("old"), .size = 9}, 1).ok());
  ASSERT_TRUE(cache.Remember(Key("a"), "t", Inline("new"), 2).ok());
  EXPECT_EQ(cache.Look(Key("a")).value(), Inline("new"));
  ASSERT_TRUE(cache.Remember(Key("b"), "t", Inline("other"), 3).ok());
  ASSERT_TRUE(cache.Forget(Key("a")).ok());
  ASSERT_TRUE(cache.Forget(Key("a")).ok());
  EXPECT_FALSE(cache.Look(Key("a")).value());
  EXPECT_EQ(cache.Look(Key("b")).value(), Inline("other"));
}

TEST(CacheTest, A38_AResultLooksTheSameHoweverOftenItIsLookedAt) {
  const Folder folder;
  ResultCache cache = MustOpen(folder / "cache");
  const std::string odd("\0\xff'", 3);
  ASSERT_TRUE(cache.Remember(Key("a"), odd, Inline(odd), 1).ok());
  for (int i = 0; i < 600; ++i) {  // over the number of uses after which sizes are summed up
    ASSERT_TRUE(cache.Remember(Key(std::to_string(i)), "t", Inline("x"), 1).ok());
    ASSERT_EQ(cache.Look(Key("a")).value(), Inline(odd));
  }
}

TEST(CacheTest, A38_AFileThatIsNoCacheIsAnErrorWithItsName) {
  const Folder folder;
  Write(folder / "rubbish", std::string(5000, 'r'));
  Write(folder / "torn", std::string("SQLite format 3\0", 16) + std::string(500, '\0'));
  RunElsewhere(folder / "foreign", "CREATE TABLE results(theirs)");
  fs::create_directory(folder / "folder");
  for (const fs::path& file :
       {folder / "rubbish", folder / "torn", folder / "foreign", folder / "folder", folder / "missing/cache"}) {
    const absl::Status refused = ResultCache::Open(file).status();
    EXPECT_FALSE(refused.ok()) << file;
    EXPECT_THAT(TextOf(refused), HasSubstr(file.string()));
  }
}

TEST(CacheTest, A38_ACacheOfANewerVersionIsRefusedAndLeftAlone) {
  const Folder folder;
  ASSERT_TRUE(MustOpen(folder / "cache").Remember(Key("a"), "t", Inline("result"), 1).ok());
  RunElsewhere(folder / "cache", "PRAGMA user_version=7");
  const absl::Status refused = ResultCache::Open(folder / "cache").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(TextOf(refused), AllOf(HasSubstr("newer"), HasSubstr("schema 7"), HasSubstr("up to 1")));
  RunElsewhere(folder / "cache", "PRAGMA user_version=1");
  EXPECT_EQ(MustOpen(folder / "cache").Look(Key("a")).value(), Inline("result"));
}

// Each leaves an open cache with files that are not what they were. (The third one, -shm, is memory: who shortens that
// takes memory away, and there is no guarding against it.)
TEST(CacheTest, A38_TroubleWhileItIsOpenIsAnErrorAndNoCrash) {
  const std::vector<std::function<void(const Folder&)>> troubles = {
      [](const Folder& folder) { fs::remove_all(folder.path()); },
      [](const Folder& folder) {
        for (const fs::path& file : {folder / "cache", folder / "cache-wal"}) Write(file, std::string(5000, 'r'));
      },
      [](const Folder& folder) {
        for (const fs::path& file : {folder / "cache", folder / "cache-wal"}) fs::resize_file(file, 100);
      },
      [](const Folder& folder) { RunElsewhere(folder / "cache", "DROP TABLE results"); },
  };
  for (const auto& trouble : troubles) {
    const Folder folder;
    ResultCache cache = MustOpen(folder / "cache");
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(cache.Remember(Key(std::to_string(i)), "t", Inline(std::string(1000, 'x')), 1).ok());
    }
    trouble(folder);
    for (int i = 0; i < 100; ++i) {
      // What still comes is either the result, nothing, or an error with words; never another result.
      const auto found = cache.Look(Key(std::to_string(i)));
      if (!found.ok()) {
        EXPECT_THAT(TextOf(found.status()), HasSubstr("SQLite error"));
      } else if (*found) {
        EXPECT_EQ(**found, Inline(std::string(1000, 'x')));
      }
    }
    const absl::Status remembered = cache.Remember(Key("new"), "t", Inline("result"), 1);
    if (!remembered.ok()) {
      EXPECT_THAT(TextOf(remembered), HasSubstr("SQLite error"));
    }
    cache.Forget(Key("new")).IgnoreError();
  }
}

TEST(CacheTest, A38_ADroppedTableIsAnErrorForEveryUse) {
  const Folder folder;
  ResultCache cache = MustOpen(folder / "cache");
  ASSERT_TRUE(cache.Remember(Key("a"), "t", Inline("result"), 1).ok());
  RunElsewhere(folder / "cache", "DROP TABLE results");
  EXPECT_FALSE(cache.Look(Key("a")).ok());
  EXPECT_FALSE(cache.Remember(Key("a"), "t", Inline("result"), 1).ok());
  EXPECT_FALSE(cache.Forget(Key("a")).ok());
}

TEST(CacheTest, A38_ACacheThatAnotherHoldsIsAnErrorAndUsableAfterwards) {
  const Folder folder;
  ResultCache cache = MustOpen(folder / "cache");
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((folder / "cache").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(cache.Remember(Key("a"), "t", Inline("result"), 1).code(), absl::StatusCode::kUnavailable);
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_FALSE(cache.Look(Key("a")).value());
  ASSERT_TRUE(cache.Remember(Key("a"), "t", Inline("result"), 1).ok());
  EXPECT_TRUE(cache.Look(Key("a")).value());
}

// Everything that a task sees of the world changes the key.
TEST(CacheTest, A38_WhateverATaskIsComputedFromIsInItsKey) {
  struct Seen {
    ModuleSpec module{.name = "build", .fingerprint = 7, .version = "1"};
    std::string inputs = "in";
    std::map<std::string, std::string> env = {{"SHARD", "1"}};
    std::vector<Datum> data = std::vector<Datum>(2);
    Digest Key() const { return CacheKey(module, inputs, env, data); }
  };
  const auto seen = [](const std::function<void(Seen&)>& change) {
    Seen result;
    for (std::size_t i = 0; i < 2; ++i) {
      result.data[i].name = "need" + std::to_string(i);
      result.data[i].module = "restore";
      result.data[i].outcome = Outcome::kSucceeded;
      result.data[i].result = Inline("value" + std::to_string(i));
    }
    change(result);
    return result.Key();
  };
  const std::vector<std::function<void(Seen&)>> changes = {
      [](Seen&) {},
      [](Seen& s) { s.module.name = "built"; },
      [](Seen& s) { s.module.version = "2"; },
      [](Seen& s) { s.module.fingerprint = 8; },
      [](Seen& s) { s.inputs = "on"; },
      [](Seen& s) { s.env["SHARD"] = "2"; },
      [](Seen& s) {
        s.env = {{"SHARE", "1"}};
      },
      [](Seen& s) { s.env.clear(); },
      [](Seen& s) { s.env["OTHER"] = ""; },
      [](Seen& s) { s.data.pop_back(); },
      [](Seen& s) { std::swap(s.data[0], s.data[1]); },
      [](Seen& s) { s.data[0].name = "another"; },
      [](Seen& s) { s.data[0].module = "another"; },
      [](Seen& s) { s.data[0].result = Inline("another"); },
      [](Seen& s) { s.data[0].inputs = Inline("another"); },
      [](Seen& s) { s.data[0].outcome = Outcome::kFailed; },
      [](Seen& s) { s.data[0].outcome = Outcome::kSkipped; },
      [](Seen& s) {
        s.data[0].outcome = Outcome::kFailed;
        s.data[0].failure.message = "why";
      },
      // The same letters, cut elsewhere.
      [](Seen& s) {
        s.module.name = "buil";
        s.module.version = "d1";
      },
  };
  std::set<Digest> keys;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    EXPECT_TRUE(keys.insert(seen(changes[i])).second) << "change " << i << " gives a key of another";
    EXPECT_EQ(seen(changes[i]), seen(changes[i]));
  }
}

TEST(CacheTest, A38_WhereAResultCameFromIsNotInTheKey) {
  Datum ran;
  ran.name = "need";
  ran.outcome = Outcome::kSucceeded;
  ran.result = Inline("value");
  Datum cached = ran;
  cached.task = {RunId{9}, 4};  // another run
  cached.outcome = Outcome::kCached;
  cached.result = {.bytes = {}, .digest = Sha256("value"), .size = 5};  // on the bulk plane
  EXPECT_EQ(CacheKey({}, "", {}, {{ran}}), CacheKey({}, "", {}, {{cached}}));
}

}  // namespace
}  // namespace millrace::store

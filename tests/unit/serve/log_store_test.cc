// SPDX-License-Identifier: Apache-2.0
// What tasks have printed: whole while there is room, in pages, and honest about what had to go.
#include "millrace/serve/log_store.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace millrace::serve {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kAmple = 64u << 20;
constexpr RunId kFirst{1};
constexpr RunId kSecond{2};

Output Printed(RunId run, const std::string& task, const std::string& text, std::uint32_t try_number = 1,
               bool is_stderr = false) {
  Output output;
  OutputChunk& chunk = output.chunks.emplace_back();
  chunk.task = {run, 0};
  chunk.name = task;
  chunk.text = text;
  chunk.try_number = try_number;
  chunk.is_stderr = is_stderr;
  return output;
}

Query Logs(RunId run = {}, std::string task = "", std::uint64_t since = 0, std::uint32_t limit = 0) {
  Query query;
  query.request = 7;
  query.kind = QueryKind::kLogs;
  query.run = run;
  query.task = std::move(task);
  query.since = since;
  query.limit = limit;
  return query;
}

std::vector<std::string> Texts(const Answer& answer) {
  std::vector<std::string> texts;
  for (const LogLine& line : answer.logs) texts.push_back(line.text);
  return texts;
}

TEST(LogStoreTest, NothingPrintedIsAnEmptyAnswer) {
  const LogStore store(kAmple);
  const Answer newest = store.Ask(Logs({}, "", 5));
  EXPECT_EQ(newest.request, 7u);
  EXPECT_EQ(newest.code, 0);
  EXPECT_FALSE(newest.run.valid());
  EXPECT_THAT(newest.logs, IsEmpty());
  EXPECT_EQ(newest.next, 5u);
  EXPECT_FALSE(newest.more);
  EXPECT_THAT(store.Ask(Logs(kFirst)).logs, IsEmpty());
}

TEST(LogStoreTest, ALineSaysWhoPrintedIt) {
  LogStore store(kAmple);
  store.Add("w1", Printed(kFirst, "build", "hello\n", 2, true));
  const Answer answer = store.Ask(Logs(kFirst));
  ASSERT_THAT(answer.logs, SizeIs(1));
  EXPECT_EQ(answer.logs[0].task, "build");
  EXPECT_EQ(answer.logs[0].try_number, 2u);
  EXPECT_EQ(answer.logs[0].worker, "w1");
  EXPECT_TRUE(answer.logs[0].is_stderr);
  EXPECT_EQ(answer.logs[0].text, "hello\n");
  EXPECT_THAT(answer.lines, IsEmpty());
}

TEST(LogStoreTest, WithoutARunItIsTheNewestThatPrinted) {
  LogStore store(kAmple);
  store.Add("w1", Printed(kSecond, "build", "new"));
  store.Add("w1", Printed(kFirst, "build", "old, and printed later"));
  EXPECT_EQ(store.Ask(Logs()).run, kSecond);
  EXPECT_THAT(Texts(store.Ask(Logs())), ElementsAre("new"));
  EXPECT_THAT(Texts(store.Ask(Logs(kFirst))), ElementsAre("old, and printed later"));
}

TEST(LogStoreTest, PagesGoOnWhereTheLastOneEnded) {
  LogStore store(kAmple);
  std::vector<std::string> all;
  for (int i = 0; i < 25; ++i) {
    all.push_back(std::to_string(i));
    store.Add("w1", Printed(kFirst, "build", all.back()));
    store.Add("w1", Printed(kSecond, "build", "of another run"));
  }
  std::vector<std::string> got;
  std::uint64_t since = 0;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    const Answer page = store.Ask(Logs(kFirst, "", since, 10));
    for (const std::string& text : Texts(page)) got.push_back(text);
    more = page.more;
    since = page.next;
    ASSERT_LT(pages, 10);
  }
  EXPECT_EQ(got, all);
  EXPECT_EQ(pages, 3);
  // Whoever follows sees what comes, once.
  EXPECT_THAT(store.Ask(Logs(kFirst, "", since)).logs, IsEmpty());
  store.Add("w1", Printed(kFirst, "build", "later"));
  const Answer later = store.Ask(Logs(kFirst, "", since));
  EXPECT_THAT(Texts(later), ElementsAre("later"));
  EXPECT_GT(later.next, since);
}

TEST(LogStoreTest, AnAnswerFitsAMessageHoweverMuchWasPrinted) {
  LogStore store(kAmple);
  for (int i = 0; i < 50; ++i) store.Add("w1", Printed(kFirst, "build", std::string(100'000, 'x')));
  std::size_t lines = 0;
  std::uint64_t since = 0;
  for (bool more = true; more;) {
    const Answer page = store.Ask(Logs(kFirst, "", since));
    std::size_t bytes = 0;
    for (const LogLine& line : page.logs) bytes += line.text.size();
    EXPECT_LT(bytes, std::size_t{2} << 20);
    ASSERT_GT(page.logs.size(), 0u);
    lines += page.logs.size();
    more = page.more;
    since = page.next;
  }
  EXPECT_EQ(lines, 50u);
}

TEST(LogStoreTest, OneTaskAlone) {
  LogStore store(kAmple);
  for (int i = 0; i < 5; ++i) {
    store.Add("w1", Printed(kFirst, "build", "b" + std::to_string(i)));
    store.Add("w2", Printed(kFirst, "build[debug]", "of a task whose name begins the same"));
  }
  const Answer first = store.Ask(Logs(kFirst, "build", 0, 3));
  EXPECT_THAT(Texts(first), ElementsAre("b0", "b1", "b2"));
  EXPECT_TRUE(first.more);
  const Answer second = store.Ask(Logs(kFirst, "build", first.next, 3));
  EXPECT_THAT(Texts(second), ElementsAre("b3", "b4"));
  EXPECT_FALSE(second.more);
  EXPECT_THAT(store.Ask(Logs(kFirst, "no such task")).logs, IsEmpty());
}

TEST(LogStoreTest, TheOldestRunGivesFirstAndSaysSo) {
  LogStore store(std::uint64_t{3} << 20);
  const std::string half_mib(512u << 10, 'x');
  for (int i = 0; i < 4; ++i) store.Add("w1", Printed(kFirst, "build", std::to_string(i) + half_mib));
  EXPECT_THAT(store.Ask(Logs(kFirst)).lines, IsEmpty());
  for (int i = 0; i < 4; ++i) store.Add("w1", Printed(kSecond, "build", half_mib));
  const Answer old = store.Ask(Logs(kFirst));
  ASSERT_THAT(old.logs, SizeIs(1));
  EXPECT_EQ(old.logs[0].text[0], '3');  // its newest
  EXPECT_THAT(old.lines, ElementsAre(AllOf(HasSubstr("3 earlier pieces"), HasSubstr("3 MiB"))));
  EXPECT_THAT(store.Ask(Logs(kSecond)).lines, IsEmpty());
  // It is said once, at the start, not with every page.
  EXPECT_THAT(store.Ask(Logs(kFirst, "", old.next)).lines, IsEmpty());
}

TEST(LogStoreTest, ARunOfWhichNothingIsLeftSaysSoToo) {
  LogStore store(1u << 20);
  store.Add("w1", Printed(kFirst, "build", "gone"));
  for (int i = 0; i < 3; ++i) store.Add("w1", Printed(kSecond, "build", std::string(600'000, 'x')));
  const Answer gone = store.Ask(Logs(kFirst));
  EXPECT_THAT(gone.logs, IsEmpty());
  EXPECT_THAT(gone.lines, ElementsAre(AllOf(HasSubstr("dropped"), HasSubstr("1 MiB"))));
  EXPECT_THAT(store.Ask(Logs(RunId{3})).lines, IsEmpty());  // which has not printed yet
}

TEST(LogStoreTest, ARunThatFillsTheStoreAloneKeepsItsNewest) {
  LogStore store(1u << 20);
  for (int i = 0; i < 100; ++i) store.Add("w1", Printed(kFirst, "build", std::to_string(i) + std::string(50'000, 'x')));
  const Answer answer = store.Ask(Logs());
  ASSERT_GT(answer.logs.size(), 15u);
  EXPECT_THAT(answer.logs.back().text, testing::StartsWith("99x"));
  EXPECT_THAT(answer.lines, SizeIs(1));
}

TEST(LogStoreTest, APieceOverTheLimitDoesNotStayAndTheStoreGoesOn) {
  LogStore store(10'000);
  store.Add("w1", Printed(kFirst, "build", "small"));
  store.Add("w1", Printed(kFirst, "build", std::string(20'000, 'x')));
  EXPECT_THAT(store.Ask(Logs(kFirst)).logs, IsEmpty());
  store.Add("w1", Printed(kFirst, "build", "after"));
  EXPECT_THAT(Texts(store.Ask(Logs(kFirst))), ElementsAre("after"));
}

TEST(LogStoreTest, EmptyLinesAreNotFree) {
  LogStore store(100'000);
  for (int i = 0; i < 10'000; ++i) store.Add("w1", Printed(kFirst, "", ""));
  EXPECT_LT(store.Ask(Logs(kFirst)).logs.size(), 1'000u);
}

TEST(LogStoreTest, WhatBelongsToNoRunIsNotKept) {
  LogStore store(kAmple);
  store.Add("w1", Printed({}, "build", "whose?"));
  EXPECT_THAT(store.Ask(Logs()).logs, IsEmpty());
}

}  // namespace
}  // namespace millrace::serve

// SPDX-License-Identifier: Apache-2.0
// Every form of a report holds what it promises, and names of others stay names in it. Whether other programs can read
// them is seen by the end-to-end tests.
#include "millrace/report/formats.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sample.h"

#include <nlohmann/json.hpp>

namespace millrace::report {
namespace {

using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::size_t CountOf(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}
std::vector<std::string> Keys(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

// Readers rely on these: one may be added, none may go without a new number.
TEST(FormatsTest, A42_TheJsonReportHasItsSchemaAndItsKeys) {
  const Json json = Json::parse(JsonReport(OfEachKind().Report()));
  EXPECT_EQ(json["schema"], kJsonSchema);
  EXPECT_THAT(Keys(json), ElementsAre("schema", "generator", "run", "why", "lanes", "tasks"));
  EXPECT_THAT(Keys(json["tasks"][3]),
              ElementsAre("name", "module", "template", "outcome", "ignored", "reason", "cache", "worker", "try",
                          "ready_s", "started_s", "ended_s", "execution_s", "split", "on_critical_path", "needs_known",
                          "needs", "needs_left_out", "failure", "attempts", "attempts_left_out"));
  EXPECT_EQ(json["run"]["run"], "3.17");
  EXPECT_EQ(json["tasks"][1]["attempts"][1]["worker"], "w2");
  EXPECT_EQ(json["tasks"][1]["attempts"][1]["slot"], 0);
  EXPECT_EQ(json["tasks"][2]["cache"], "hit");
  EXPECT_EQ(json["tasks"][3]["failure"]["exit_code"], 7);
  EXPECT_EQ(json["tasks"][3]["needs"][1], Json({{"task", 2}, {"optional", false}}));
  EXPECT_EQ(json["tasks"][6]["ready_s"], nullptr);
  EXPECT_EQ(json["why"]["critical_path"].size(), 3u);
}

TEST(FormatsTest, A42_HostileNamesComeBackFromJsonAsTheyWere) {
  const Json json = Json::parse(JsonReport(OfEachKind(kHostile).Report()));
  const std::string name = json["tasks"][0]["name"];
  EXPECT_THAT(name, AllOf(HasSubstr("a</script><b>\"'&`\\\n\t\x01"), HasSubstr("\xc3\xa9"), HasSubstr("\xef\xbf\xbd")));
}

TEST(FormatsTest, JunitCountsWhatItHasAndEscapesIt) {
  const std::string xml = JunitReport(OfEachKind(kHostile).Report());
  EXPECT_THAT(xml, HasSubstr("tests=\"7\" failures=\"1\" errors=\"1\" skipped=\"2\" time=\"0.500\""));
  EXPECT_EQ(CountOf(xml, "<testcase "), 7u);
  EXPECT_EQ(CountOf(xml, "<failure "), 1u);
  EXPECT_EQ(CountOf(xml, "<error "), 1u);
  EXPECT_EQ(CountOf(xml, "<skipped "), 2u);
  EXPECT_EQ(CountOf(xml, "<system-out>try 1 on w1: failed"), 1u);
  EXPECT_THAT(xml, Not(AnyOf(HasSubstr("</script"), HasSubstr("]]>"), HasSubstr("\x01"), HasSubstr("\xff"))));
  EXPECT_THAT(xml, AllOf(HasSubstr("timestamp=\"2023-11-14T22:13:20\""), HasSubstr("last words")));
}

TEST(FormatsTest, A42_TheGraphsHaveEveryTaskItsStateAndEveryNeed) {
  const RunReport report = OfEachKind(kHostile).Report();
  const std::string mermaid = MermaidGraph(report);
  const std::string dot = DotGraph(report);
  EXPECT_EQ(CountOf(mermaid, "[\""), 7u);
  EXPECT_EQ(CountOf(mermaid, "\"]:::"), 7u);
  EXPECT_EQ(CountOf(mermaid, "\""), 14u) << "no name ends its string";
  EXPECT_EQ(CountOf(mermaid, " --> "), 4u);
  EXPECT_EQ(CountOf(mermaid, " -.-> "), 1u);
  EXPECT_THAT(mermaid, AllOf(HasSubstr(":::failed\n"), HasSubstr(":::cached\n"), HasSubstr("classDef ignored "),
                             HasSubstr("linkStyle 0,2 ")));
  EXPECT_EQ(CountOf(dot, " -> "), 5u);
  EXPECT_EQ(CountOf(dot, "[label=\""), 7u);
  EXPECT_EQ(CountOf(dot, "style=dashed"), 1u);
  EXPECT_THAT(dot, AllOf(HasSubstr("cached"), HasSubstr("penwidth=3")));
  EXPECT_EQ(CountOf(dot, "\n"), 4u + 7u + 5u + 1u) << "a line per node and edge, whatever names hold";
}

TEST(FormatsTest, A42_TheTraceHasALanePerWorkerAndSlotAndASpanPerTry) {
  const Json trace = Json::parse(TraceEvents(OfEachKind(kHostile).Report()));
  std::set<std::pair<int, int>> named;
  std::set<std::string> workers;
  std::size_t tries = 0;
  for (const Json& event : trace["traceEvents"]) {
    const std::pair<int, int> lane = {event["pid"], event["tid"]};
    if (event["name"] == "thread_name") named.insert(lane);
    if (event["name"] == "process_name") workers.insert(event["args"]["name"]);
    if (event["ph"] != "X") continue;
    EXPECT_TRUE(named.contains(lane)) << event;
    EXPECT_GE(event["dur"].get<double>(), 0);
    if (!event.contains("args")) continue;
    ++tries;
    if (event["name"].get<std::string>().ends_with(" bad")) {
      EXPECT_EQ(event["ts"], 420'000.0);
      EXPECT_EQ(event["dur"], 80'000.0);
      EXPECT_EQ(event["args"]["outcome"], "failed");
    }
  }
  EXPECT_EQ(tries, 6u);
  EXPECT_THAT(workers, AllOf(testing::Contains("worker w1"), testing::Contains("worker w3"), testing::SizeIs(4)));
}

TEST(FormatsTest, A42_ThePageIsOneFileThatMayLoadNothingAndThatNamesCannotBreak) {
  const std::string page = HtmlPage(OfEachKind(kHostile).Report());
  EXPECT_EQ(CountOf(page, "<script"), 2u);
  EXPECT_EQ(CountOf(page, "</script"), 2u);
  EXPECT_EQ(CountOf(page, "<style"), 1u);
  EXPECT_EQ(CountOf(page, "<b"), 1u) << "the body";
  EXPECT_THAT(page, AllOf(HasSubstr("default-src 'none'"), HasSubstr("script-src 'sha256-"),
                          HasSubstr("style-src 'sha256-"), Not(HasSubstr("unsafe"))));
  EXPECT_EQ(CountOf(page, "://"), 1u) << "the name space of SVG and nothing else";
  EXPECT_THAT(page, Not(AnyOf(HasSubstr("innerHTML"), HasSubstr(" src="), HasSubstr(" href="), HasSubstr("@import"))));
  const std::string from = "id=\"data\">";
  const std::size_t begin = page.find(from) + from.size();
  const std::string data = page.substr(begin, page.find("</script>", begin) - begin);
  EXPECT_EQ(Json::parse(data), Json::parse(JsonReport(OfEachKind(kHostile).Report())));
}

TEST(FormatsTest, ARunWithoutTasksHasEveryForm) {
  Sample sample;
  sample.run.without_tasks = true;
  const RunReport report = sample.Report();
  EXPECT_EQ(Json::parse(JsonReport(report))["tasks"].size(), 0u);
  EXPECT_THAT(JunitReport(report), HasSubstr("tests=\"0\""));
  EXPECT_THAT(HtmlPage(report), HasSubstr("It had too many tasks"));
  EXPECT_THAT(DotGraph(report), HasSubstr("digraph"));
  EXPECT_THAT(MermaidGraph(report), HasSubstr("flowchart"));
  EXPECT_TRUE(Json::parse(TraceEvents(report)).contains("traceEvents"));
}

}  // namespace
}  // namespace millrace::report

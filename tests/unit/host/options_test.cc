// SPDX-License-Identifier: Apache-2.0
// Every option: its names, its range, and that the stronger source wins (A45).
#include "millrace/host/options.h"

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "millrace/base/status.h"
#include "millrace/host/options_table.h"

namespace millrace::host {
namespace {

using testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

OptionSources Sources(const Variables& environment) {
  OptionSources sources;
  sources.environment = [environment](const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
  return sources;
}

std::string WriteConfig(const std::string& name, const std::string& text) {
  std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

std::string ErrorOf(const OptionSources& sources) { return TextOf(ResolveOptions(sources).status()); }

// Four good texts per option, all different from the default and from each other where that is possible, in the form
// that the getter prints; and a bad one, "" where any text will do.
struct Sample {
  std::string code;
  std::string file;
  std::string environment;
  std::string flag;
  std::string bad;
};
const std::map<std::string, Sample>& Samples() {
  static const std::map<std::string, Sample> samples = {
      {"mode", {"orchestrator", "standalone", "orchestrator", "standalone", "master"}},
      {"orchestrator_url", {"tcp://a:1", "tcp://b:2", "ipc:///c", "http://d:4", "build-1:8080"}},
      {"bind", {"lo", "::1", "*", "ipc:///tmp/x", ""}},
      {"orchestrator_port", {"1", "0", "9000", "65525", "65526"}},
      {"http", {"false", "true", "false", "true", "maybe"}},
      {"http_port", {"1", "auto", "0", "65535", "-1"}},
      {"http_bind", {"lo", "::1", "0.0.0.0", "10.0.0.1", ""}},
      {"key_file", {"/a", "/b", "/c", "/d", ""}},
      {"insecure_allow_plaintext_on", {"a", "b", "c", "d", ""}},
      {"keys_dir", {"/a", "/b", "/c", "/d", ""}},
      {"join_token", {"@/a", "@/b", "@/c", "@/d", ""}},
      {"data_dir", {"/a", "/b", "/c", "/d", ""}},
      {"durability", {"async", "off", "async", "off", "never"}},
      {"expect_workers", {"1", "2", "3", "4", "-1"}},
      {"worker_heartbeat_interval", {"1.0s", "2.0s", "3.0s", "100ms", "1ms"}},
      {"worker_heartbeat_timeout", {"10.0s", "20.0s", "1m05s", "40.0s", "25h"}},
      {"capability_timeout", {"1.0s", "2.0s", "0s", "4.0s", "soon"}},
      {"remote_execution_timeout", {"1.0s", "2.0s", "3.0s", "4.0s", "0"}},
      {"max_retry_attempts", {"1", "2", "0", "4", "1001"}},
      {"crash_limit", {"1", "2", "4", "5", "0"}},
      {"prefetch_limit", {"1", "2", "0", "4", "100001"}},
      {"run_retention", {"1.0s", "2.0s", "0s", "4.0s", "-1s"}},
      {"runs_kept", {"1", "2", "3", "4", "0"}},
      {"history", {"false", "true", "false", "true", "x"}},
      {"history_age", {"1.0s", "2.0s", "0s", "4.0s", "-1s"}},
      {"history_runs", {"1", "2", "0", "4", "-1"}},
      {"history_size", {"1MiB", "1KiB", "0B", "1234567", "-1"}},
      {"worker_id", {"a", "b.1", "c-2", "d_3", "a b"}},
      {"max_parallel_modules", {"1", "2", "cores", "4096", "0"}},
      {"tags", {"a", "b,c", "d", "e", ""}},
      {"installed_tools", {"a", "b=1.2,c", "d", "e", ""}},
      {"detect_tools", {"false", "true", "false", "true", "2"}},
      {"os", {"linux", "macos", "windows", "plan9", ""}},
      {"arch", {"x86_64", "aarch64", "riscv64", "s390x", ""}},
      {"memory", {"1GiB", "1.5GiB", "3GiB", "123456789", "lots"}},
      {"resources", {"gpu=1", "gpu=2,port=3", "a=0", "b=1", "gpu"}},
      {"broker_lost_timeout", {"1.0s", "2.0s", "3.0s", "4.0s", "1ms"}},
      {"drain_timeout", {"1.0s", "2.0s", "0s", "4.0s", "x"}},
      {"state_dir", {"/a", "/b", "/c", "/d", ""}},
      {"work_dir", {"/a", "/b", "/c", "/d", ""}},
      {"store", {"/a", "/b", "/c", "/d", ""}},
      {"store_limit", {"1MiB", "2GiB", "3GiB", "12345678", "1KiB"}},
      {"prefer_local_execution", {"true", "false", "true", "false", "x"}},
      {"in_process", {"true", "false", "true", "false", "x"}},
      {"new_privileges", {"true", "false", "true", "false", "x"}},
      {"secrets_dir", {"/a", "/b", "/c", "/d", ""}},
      {"secrets_from_env", {"A_", "B_", "C_", "D_", "no-prefix"}},
      {"task_limits", {"cpu=60s", "files=100,memory=1.5GiB", "core=0B", "stack=1234567", "memroy=1GiB"}},
      {"no_cache", {"true", "false", "true", "false", "x"}},
      {"kill_grace", {"1.0s", "2.0s", "0s", "90061ms", "2h"}},
      {"enable_compression", {"false", "true", "false", "true", "x"}},
      {"max_payload_size", {"1MiB", "1KiB", "10MiB", "1234567", "100"}},
      {"log_level", {"debug", "warning", "error", "off", "loud"}},
      {"color", {"always", "never", "always", "never", "yes"}},
  };
  return samples;
}

TEST(OptionsTest, A45_EveryOptionHasASample) {
  for (const OptionRow& row : OptionTable()) EXPECT_TRUE(Samples().contains(row.name)) << row.name;
  EXPECT_EQ(Samples().size(), OptionTable().size());
}

TEST(OptionsTest, A45_FlagsBeatEnvironmentBeatsFileBeatsCodeBeatsDefaults) {
  for (const OptionRow& row : OptionTable()) {
    SCOPED_TRACE(row.name);
    const Sample& sample = Samples().at(row.name);
    const auto expect = [&row](const OptionSources& sources, const std::string& value, const std::string& origin) {
      const absl::StatusOr<ResolvedOptions> resolved = ResolveOptions(sources);
      ASSERT_TRUE(resolved.ok()) << resolved.status();
      EXPECT_EQ(row.get(resolved->options), value);
      EXPECT_THAT(resolved->origins.at(row.name), testing::StartsWith(origin));
    };
    OptionSources sources = Sources({{"HOME", "/nonexistent"}});
    const bool is_place = row.name == "data_dir" || row.name == "state_dir" || row.name == "store";
    if (!is_place) expect(sources, row.get(Options{}), "default");
    ASSERT_TRUE(row.set(sample.code, sources.code).ok());
    expect(sources, sample.code, "code");
    const std::string file = WriteConfig("options.yaml", "# a comment\n" + row.name + ": '" + sample.file + "'\n");
    sources.config_file = file;
    expect(sources, sample.file, file + ":2:");
    sources.environment = Sources({{row.environment, sample.environment}}).environment;
    expect(sources, sample.environment, row.environment);
    sources.flags.push_back({row.name, sample.flag, MainFlag(row)});
    expect(sources, sample.flag, MainFlag(row));
  }
}

TEST(OptionsTest, LimitsAndThreadsExcludeEachOther) {
  OptionSources sources = Sources({});
  sources.flags = {{"in_process", "true", "--in-process"},
                   {"task_limits", "cpu=1m", "--task-limit"},
                   {"task_limits", "files=64", "--task-limit"}};
  EXPECT_THAT(TextOf(ResolveOptions(sources).status()), testing::HasSubstr("leave out one of them"));
  sources.flags.erase(sources.flags.begin());
  const absl::StatusOr<ResolvedOptions> resolved = ResolveOptions(sources);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->options.task_limits, (std::map<std::string, std::int64_t>{{"cpu", 60}, {"files", 64}}));
}

TEST(OptionsTest, A45_BadValuesAreRefusedNamingOptionPlaceValueAndRange) {
  for (const OptionRow& row : OptionTable()) {
    SCOPED_TRACE(row.name);
    const Sample& sample = Samples().at(row.name);
    EXPECT_EQ(row.range.empty(), sample.bad.empty());
    if (sample.bad.empty()) continue;
    OptionSources sources = Sources({{row.environment, sample.bad}});
    sources.config_file = WriteConfig("bad.yaml", row.name + ": '" + sample.bad + "'\n");
    sources.flags.push_back({row.name, sample.bad, MainFlag(row)});
    const std::string error = ErrorOf(sources);
    const std::vector<std::string> lines = absl::StrSplit(error, '\n');
    ASSERT_EQ(lines.size(), 3u) << error;
    EXPECT_THAT(lines[0], testing::StartsWith(sources.config_file + ":1:" + std::to_string(row.name.size() + 3)));
    EXPECT_THAT(lines[1], testing::StartsWith(row.environment + ": bad value for " + row.name + ": "));
    EXPECT_THAT(lines[2], testing::StartsWith(MainFlag(row) + ": bad value for " + row.name + ": "));
    for (const std::string& line : lines) {
      EXPECT_THAT(line, HasSubstr(sample.bad));
      EXPECT_THAT(line, HasSubstr(row.range));
    }
  }
}

TEST(OptionsTest, ValuesOfCodeAreCheckedToo) {
  OptionSources sources = Sources({});
  sources.code.orchestrator_port = 70000;
  EXPECT_EQ(ErrorOf(sources), "code: bad value for orchestrator_port: '70000'; allowed are 0 to 65525");
}

TEST(OptionsTest, NamesAreUniqueAndFollowTheRules) {
  std::set<std::string> seen;
  for (const OptionRow& row : OptionTable()) {
    EXPECT_TRUE(seen.insert(row.name).second) << row.name;
    EXPECT_TRUE(seen.insert(row.environment).second) << row.environment;
    for (const absl::string_view flag : absl::StrSplit(row.flags, absl::ByAnyChar(",!"), absl::SkipEmpty())) {
      EXPECT_TRUE(seen.insert(std::string(flag)).second) << std::string(flag);
    }
    EXPECT_FALSE(row.help.empty()) << row.name;
  }
  for (const char* name : {"ORCHESTRATOR_URL", "ORCHESTRATOR_PORT", "WORKER_ID", "WORKER_MAX_PARALLEL", "LOG_LEVEL",
                           "MILLRACE_KILL_GRACE"}) {
    EXPECT_TRUE(seen.contains(name)) << name;
  }
}

TEST(OptionsTest, TheDefaultsAreTheDocumentedOnes) {
  const absl::StatusOr<ResolvedOptions> resolved = ResolveOptions(Sources({{"HOME", "/nonexistent"}}));
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const Options& options = resolved->options;
  EXPECT_EQ(options.mode, Mode::kStandalone);
  EXPECT_EQ(options.bind, "127.0.0.1");
  EXPECT_EQ(options.orchestrator_port, 8080);
  EXPECT_EQ(options.worker_heartbeat_interval, std::chrono::seconds(5));
  EXPECT_EQ(options.worker_heartbeat_timeout, std::chrono::seconds(30));
  EXPECT_EQ(options.broker_lost_timeout, std::chrono::minutes(10));
  EXPECT_EQ(options.remote_execution_timeout, std::chrono::hours(1));
  EXPECT_EQ(options.capability_timeout, std::chrono::minutes(5));
  EXPECT_EQ(options.max_retry_attempts, 3);
  EXPECT_EQ(options.crash_limit, 3u);
  EXPECT_EQ(options.kill_grace, std::chrono::seconds(5));
  EXPECT_TRUE(options.enable_compression);
  EXPECT_EQ(options.max_payload_size, 100 << 20);
  EXPECT_FALSE(options.prefer_local_execution);
  EXPECT_EQ(options.data_dir, "/nonexistent/.local/state/millrace");
  EXPECT_EQ(options.state_dir, "/nonexistent/.local/state/millrace");
  EXPECT_EQ(options.store, "/nonexistent/.cache/millrace/store");
  EXPECT_EQ(resolved->config_file, "");
}

TEST(OptionsTest, TheUsersConfigFileIsReadWhenItIsThere) {
  const std::string dir = testing::TempDir() + "/xdg";
  ASSERT_EQ(std::system(("mkdir -p " + dir + "/millrace").c_str()), 0);
  WriteConfig("xdg/millrace/config.yaml", "log-level: debug\ntags: [a, b]\nresources: {gpu: 2}\n");
  const absl::StatusOr<ResolvedOptions> resolved =
      ResolveOptions(Sources({{"XDG_CONFIG_HOME", dir}, {"XDG_STATE_HOME", "relative"}, {"HOME", "/h"}}));
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->config_file, dir + "/millrace/config.yaml");
  EXPECT_EQ(resolved->options.log_level, LogLevel::kDebug);
  EXPECT_THAT(resolved->options.tags, testing::ElementsAre("a", "b"));
  EXPECT_EQ(resolved->options.resources.at("gpu"), 2);
  EXPECT_EQ(resolved->options.data_dir, "/h/.local/state/millrace");
}

TEST(OptionsTest, A45_ConfigFilesAreChecked) {
  OptionSources sources = Sources({});
  sources.config_file = WriteConfig("c.yaml", "kill_grase: 5s\norchestrator_port: 99999\nlog_level: loud\n");
  EXPECT_EQ(ErrorOf(sources),
            sources.config_file + ":1:1: unknown option 'kill_grase'; did you mean 'kill_grace'?\n" +
                sources.config_file + ":2:20: bad value for orchestrator_port: '99999'; allowed are 0 to 65525\n" +
                sources.config_file +
                ":3:12: bad value for log_level: 'loud'; allowed are debug, info, warning, error, off");
  sources.config_file = WriteConfig("c.yaml", "a: [\n");
  EXPECT_THAT(ErrorOf(sources), testing::StartsWith(sources.config_file + ":"));
  sources.config_file = "/nonexistent/c.yaml";
  EXPECT_THAT(ErrorOf(sources), HasSubstr("/nonexistent/c.yaml"));
}

TEST(OptionsTest, AnEmptyVariableCountsAsAbsent) {
  EXPECT_TRUE(ResolveOptions(Sources({{"ORCHESTRATOR_PORT", ""}, {"LOG_LEVEL", ""}})).ok());
}

TEST(OptionsTest, RepeatedListsAreOneListAndReplaceWeakerOnes) {
  OptionSources sources = Sources({{"MILLRACE_TAGS", "env"}});
  sources.flags = {{"tags", "a", "--tag"},
                   {"tags", "b,c", "--tag"},
                   {"orchestrator_port", "1", "--port"},
                   {"orchestrator_port", "2", "--port"}};
  const absl::StatusOr<ResolvedOptions> resolved = ResolveOptions(sources);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_THAT(resolved->options.tags, testing::ElementsAre("a", "b", "c"));
  EXPECT_EQ(resolved->options.orchestrator_port, 2);
}

TEST(OptionsTest, CombinationsAreChecked) {
  EXPECT_THAT(ErrorOf(Sources({{"MILLRACE_WORKER_HEARTBEAT_INTERVAL", "20s"}})),
              HasSubstr("the timeout must be at least twice the interval"));
  EXPECT_THAT(ErrorOf(Sources({{"MILLRACE_MODE", "worker"}})), HasSubstr("--orchestrator tcp://HOST:PORT"));
  EXPECT_TRUE(ResolveOptions(Sources({{"MILLRACE_MODE", "worker"}, {"ORCHESTRATOR_URL", "tcp://h:1"}})).ok());
}

TEST(OptionsTest, DescribeShowsValueAndOriginOfEverySetting) {
  const absl::StatusOr<ResolvedOptions> resolved = ResolveOptions(Sources({{"LOG_LEVEL", "debug"}}));
  ASSERT_TRUE(resolved.ok());
  const std::string text = Describe(*resolved);
  for (const OptionRow& row : OptionTable()) EXPECT_THAT(text, HasSubstr(row.name + " "));
  EXPECT_THAT(text, testing::ContainsRegex("log_level +debug +LOG_LEVEL\n"));
  EXPECT_THAT(text, testing::ContainsRegex("orchestrator_port +8080 +default\n"));
  EXPECT_THAT(text, testing::ContainsRegex("worker_id +- +default\n"));
}

TEST(OptionsTest, TheProcessEnvironmentIsRead) {
  EXPECT_TRUE(ProcessEnvironment("PATH").has_value());
  EXPECT_FALSE(ProcessEnvironment("MILLRACE_SURELY_NOT_SET").has_value());
}

}  // namespace
}  // namespace millrace::host

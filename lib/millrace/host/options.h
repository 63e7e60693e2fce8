// SPDX-License-Identifier: Apache-2.0
// Every setting of a program, and where it comes from: command line > environment > config file > code > defaults.
// options_table.h has the one table that says how each is named, read, checked and explained.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/base/time.h"
#include "millrace/model/durability.h"

namespace millrace::host {

enum class Mode : std::uint8_t { kStandalone, kOrchestrator, kWorker };
enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError, kOff };  // the order of log::Level
enum class Color : std::uint8_t { kAuto, kAlways, kNever };

struct Options {
  // The network.
  Mode mode = Mode::kStandalone;
  std::string orchestrator_url{};
  std::string bind = "127.0.0.1";
  int orchestrator_port = 8080;  // 0 = all planes get ephemeral ports
  bool http = true;
  int http_port = -1;  // -1 = orchestrator_port + 10, or an ephemeral one if that is 0
  std::string http_bind = "127.0.0.1";
  std::string insecure_allow_plaintext_on{};  // the bind address, repeated
  std::string key_file{};                     // of a worker or a client

  // The broker.
  std::string keys_dir{};  // "" = without keys
  std::string data_dir{};  // "" = $XDG_STATE_HOME/millrace; filled in when resolved
  Durability durability = Durability::kSync;
  std::uint32_t expect_workers = 0;
  Duration worker_heartbeat_interval = std::chrono::seconds(5);
  Duration worker_heartbeat_timeout = std::chrono::seconds(30);
  Duration capability_timeout = std::chrono::minutes(5);
  Duration remote_execution_timeout = std::chrono::hours(1);
  std::int32_t max_retry_attempts = 3;
  std::uint32_t crash_limit = 3;
  std::uint32_t prefetch_limit = 1024;
  Duration run_retention = std::chrono::hours(24);
  std::uint32_t runs_kept = 1000;
  bool history = true;
  Duration history_age = std::chrono::hours(24 * 90);  // 0 = no limit, of these three
  std::uint32_t history_runs = 10'000;
  std::int64_t history_size = std::int64_t{1} << 30;  // bytes

  // A worker.
  std::string join_token{};                // or @FILE
  std::string worker_id{};                 // "" = host name and process id
  std::uint32_t max_parallel_modules = 0;  // 0 = as many as there are cores
  std::vector<std::string> tags{};
  std::vector<std::string> installed_tools{};  // "docker" or "cmake=3.25.1", besides those that are found
  bool detect_tools = true;
  std::string os{};         // "" = detected
  std::string arch{};       // "" = detected
  std::int64_t memory = 0;  // bytes; 0 = detected
  std::map<std::string, std::int64_t> resources{};
  Duration broker_lost_timeout = std::chrono::minutes(10);
  Duration drain_timeout = std::chrono::seconds(60);
  std::string state_dir{};  // "" = $XDG_STATE_HOME/millrace; filled in when resolved

  // Running.
  std::string work_dir = ".";
  std::string store{};                                // of files by content; "" = $XDG_CACHE_HOME/millrace/store
  std::int64_t store_limit = std::int64_t{20} << 30;  // bytes
  bool prefer_local_execution = false;
  bool in_process = false;
  std::string secrets_dir{};                          // where their values are: exec/secret_source.h
  std::string secrets_from_env{};                     // or a prefix of environment variables
  bool new_privileges = false;                        // of tasks: by setuid programs
  std::map<std::string, std::int64_t> task_limits{};  // of each of their processes: exec/confinement.h
  bool no_cache = false;
  Duration kill_grace = std::chrono::seconds(5);
  bool enable_compression = true;
  std::int64_t max_payload_size = 100 << 20;  // bytes

  // Output.
  LogLevel log_level = LogLevel::kInfo;
  Color color = Color::kAuto;
};

// The text of a setting as somebody gave it.
struct OptionText {
  std::string name;  // as in the table
  std::string text;
  std::string place;  // for errors: "--port"
};

struct OptionSources {
  Options code{};                   // what a program sets itself; ranks just above the defaults
  std::vector<OptionText> flags{};  // a list that stands here several times is one list
  std::string config_file{};        // of --config; "" = $XDG_CONFIG_HOME/millrace/config.yaml when it is there
  // The environment; a variable that is empty counts as absent. Also HOME and XDG_* for default places.
  std::function<std::optional<std::string>(const std::string&)> environment{};
};

struct ResolvedOptions {
  Options options;
  std::map<std::string, std::string> origins;  // name -> "default", "code", "--port", "ORCHESTRATOR_PORT", "FILE:3:7"
  std::string config_file;                     // the one that was read, if any
};

// The environment of this process.
std::optional<std::string> ProcessEnvironment(const std::string& name);

// InvalidArgument with all bad values, one per line: which option, where from, the value and what is allowed.
absl::StatusOr<ResolvedOptions> ResolveOptions(const OptionSources& sources);

// All settings with value and origin, a line each, for --print-settings.
std::string Describe(const ResolvedOptions& resolved);

}  // namespace millrace::host

namespace millrace {
using host::Mode;
using host::Options;  // what programs written with the library hand to Main and Run
}  // namespace millrace

// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/options_table.h"

#include <utility>

#include "millrace/base/status.h"
#include "millrace/host/options_rows.h"

namespace millrace::host {
namespace {

using option_rows::Amounts;
using option_rows::Choice;
using option_rows::Limits;
using option_rows::Number;
using option_rows::Size;
using option_rows::Span;
using option_rows::Switch;
using option_rows::Text;
using option_rows::Texts;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::int64_t kHighestPort = 65525;  // the farthest plane lies 10 above it
constexpr std::int64_t kMany = 1'000'000;
constexpr Duration kDay = hours(24);

OptionRow Flags(OptionRow row, std::string flags) {
  row.flags = std::move(flags);
  return row;
}
OptionRow Environment(OptionRow row, std::string name) {
  row.environment = std::move(name);
  return row;
}
OptionRow ByDefault(OptionRow row, std::string text) {
  row.default_text = std::move(text);
  return row;
}

OptionRow Secret(OptionRow row) {
  row.is_secret = true;
  return row;
}

// A check of what any text would otherwise pass.
OptionRow Checked(OptionRow row, std::string range, bool (*good)(const std::string& text)) {
  row.range = range;
  row.set = [set = row.set, range = std::move(range), good](const std::string& text, Options& options) {
    if (!good(text)) return InvalidArgument("'%s'; allowed are %s", text, range);
    return set(text, options);
  };
  return row;
}

bool IsUrl(const std::string& text) {
  for (const std::string_view scheme : {"tcp://", "ipc://", "inproc://", "http://"}) {
    if (text.size() > scheme.size() && std::string_view(text).substr(0, scheme.size()) == scheme) return true;
  }
  return false;
}

// A name that may stand in files, logs and metrics.
bool IsWorkerId(const std::string& text) {
  constexpr std::size_t kLongest = 64;
  const bool plain =
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == std::string::npos;
  return plain && !text.empty() && text.size() <= kLongest && text.front() != '.';
}

bool IsVariablePrefix(const std::string& text) {
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == std::string::npos;
}

void AddNetwork(std::vector<OptionRow>& rows) {
  rows.push_back(Choice("mode", &Options::mode, {"standalone", "orchestrator", "worker"},
                        "what this process is: all in one, the broker with this pipeline, or a worker"));
  rows.push_back(
      Checked(Environment(Flags(Text("orchestrator_url", &Options::orchestrator_url, "URL", "the broker to attach to"),
                                "--orchestrator,--orchestrator-url"),
                          "ORCHESTRATOR_URL"),
              "tcp://HOST:PORT, ipc://PATH, inproc://NAME", IsUrl));
  rows.push_back(Text("bind", &Options::bind, "ADDRESS",
                      "where the broker listens: an address, an interface, * for all, or ipc://PATH"));
  rows.push_back(Environment(
      Flags(Number("orchestrator_port", &Options::orchestrator_port, 0, kHighestPort,
                   "control channel; heartbeats in +1, events +2, bulk +3, HTTP +10; 0: the system chooses all"),
            "--port,--orchestrator-port"),
      "ORCHESTRATOR_PORT"));
  rows.push_back(Switch("http", &Options::http, "serve health, status, workers and runs over HTTP"));
  rows.push_back(Number("http_port", &Options::http_port, -1, 65535,
                        "where; auto is 10 above the control channel, 0 lets the system choose", "auto"));
  rows.push_back(Text("http_bind", &Options::http_bind, "ADDRESS",
                      "where HTTP listens; beyond loopback with keys only, and without encryption of its own"));
  rows.push_back(Flags(Text("key_file", &Options::key_file, "FILE",
                            "the key of this worker or client, for a broker with keys: of `zmqctl keys add`"),
                       "--key,--key-file"));
  rows.push_back(Text("insecure_allow_plaintext_on", &Options::insecure_allow_plaintext_on, "ADDRESS",
                      "the bind address again: tolerate plaintext there, beyond loopback"));
}

void AddBroker(std::vector<OptionRow>& rows) {
  rows.push_back(ByDefault(Flags(Text("keys_dir", &Options::keys_dir, "DIR",
                                      "encrypt everything, and admit only whom the keys there are for: of `zmqctl keys "
                                      "init`"),
                                 "--keys,--keys-dir"),
                           "none: plaintext, on loopback"));
  rows.push_back(ByDefault(
      Text("data_dir", &Options::data_dir, "DIR", "journal, large results, cache and epoch; locked by one broker"),
      "$XDG_STATE_HOME/millrace"));
  rows.push_back(Choice("durability", &Options::durability, {"sync", "async", "off"},
                        "sync: nothing is acknowledged before it is on disk; async: the journal is written, not waited "
                        "for; off: none is kept"));
  rows.push_back(Number("expect_workers", &Options::expect_workers, 0, kMany,
                        "fewer attached workers than this are reported as degraded"));
  rows.push_back(Span("worker_heartbeat_interval", &Options::worker_heartbeat_interval, milliseconds(10), hours(1),
                      "how often a worker says that it lives; scaled up with many workers"));
  rows.push_back(Span("worker_heartbeat_timeout", &Options::worker_heartbeat_timeout, milliseconds(50), kDay,
                      "the lease: a worker silent for longer is lost; at least twice the interval"));
  rows.push_back(Span("capability_timeout", &Options::capability_timeout, Duration::zero(), 30 * kDay,
                      "how long a task waits for a worker that could ever run it"));
  rows.push_back(Span("remote_execution_timeout", &Options::remote_execution_timeout, milliseconds(1), 30 * kDay,
                      "for tasks without a timeout of their own; counts execution only"));
  rows.push_back(Number("max_retry_attempts", &Options::max_retry_attempts, 0, 1000,
                        "tries after the first for transient failures"));
  rows.push_back(
      Number("crash_limit", &Options::crash_limit, 1, 1000, "workers that a task may take down before it is poison"));
  rows.push_back(Number("prefetch_limit", &Options::prefetch_limit, 0, 100'000,
                        "attempts that one worker may hold beyond those it can run"));
  rows.push_back(Span("run_retention", &Options::run_retention, Duration::zero(), 3650 * kDay,
                      "ended runs can be asked about for this long"));
  rows.push_back(Number("runs_kept", &Options::runs_kept, 1, kMany, "and this many of them at most"));
  rows.push_back(Switch("history", &Options::history, "keep what became of ended runs, for zmqctl history"));
  rows.push_back(ByDefault(Span("history_age", &Options::history_age, Duration::zero(), 3650 * kDay,
                                "the history lets go of runs that ended longer ago; 0: of none"),
                           "90d"));
  rows.push_back(
      Number("history_runs", &Options::history_runs, 0, 100 * kMany, "it keeps this many runs at most; 0: any number"));
  rows.push_back(Size("history_size", &Options::history_size, 0, std::int64_t{1} << 50,
                      "and this many bytes of them; 0: any number"));
}

void AddWorker(std::vector<OptionRow>& rows) {
  rows.push_back(Secret(Flags(Text("join_token", &Options::join_token, "TOKEN",
                                   "of `zmqctl keys token`: join the broker that it names; @FILE reads it there"),
                              "--join,--join-token")));
  rows.push_back(ByDefault(
      Checked(Environment(Text("worker_id", &Options::worker_id, "NAME", "the name of this worker; one holder each"),
                          "WORKER_ID"),
              "1 to 64 letters, digits, '_', '-' and '.'", IsWorkerId),
      "host name and process id"));
  rows.push_back(Environment(Flags(Number("max_parallel_modules", &Options::max_parallel_modules, 0, 4096,
                                          "slots: how many tasks of one cpu run at once", "cores"),
                                   "--slots,--max-parallel-modules"),
                             "WORKER_MAX_PARALLEL"));
  rows.push_back(Flags(Texts("tags", &Options::tags, "NAME", "what this worker is good for; tasks may require it"),
                       "--tag,--tags"));
  rows.push_back(Flags(Texts("installed_tools", &Options::installed_tools, "NAME[=VERSION]",
                             "tools besides those that are found on PATH"),
                       "--tool,--installed-tools"));
  rows.push_back(Switch("detect_tools", &Options::detect_tools, "look for well-known tools on PATH"));
  rows.push_back(ByDefault(Text("os", &Options::os, "NAME", "linux, macos, windows"), "detected"));
  rows.push_back(ByDefault(Text("arch", &Options::arch, "NAME", "x86_64, aarch64"), "detected"));
  rows.push_back(ByDefault(
      Size("memory", &Options::memory, 0, std::int64_t{1} << 60, "what tasks may take together; 0: all there is"),
      "detected"));
  rows.push_back(Flags(Amounts("resources", &Options::resources, "countable things that tasks may require"),
                       "--resource,--resources"));
  rows.push_back(Span("broker_lost_timeout", &Options::broker_lost_timeout, milliseconds(100), 30 * kDay,
                      "without a broker for longer, stop the children and exit 75"));
  rows.push_back(Span("drain_timeout", &Options::drain_timeout, Duration::zero(), 30 * kDay,
                      "after SIGTERM, how long running tasks may go on"));
  rows.push_back(ByDefault(Text("state_dir", &Options::state_dir, "DIR",
                                "where a worker with an id keeps the outcomes that its broker has not recorded yet"),
                           "$XDG_STATE_HOME/millrace"));
}

void AddRunning(std::vector<OptionRow>& rows) {
  rows.push_back(Text("work_dir", &Options::work_dir, "DIR", "where tasks run; shared between workers"));
  rows.push_back(ByDefault(Text("store", &Options::store, "DIR",
                                "where files of artifacts are kept by content; workers of a machine may share it"),
                           "$XDG_CACHE_HOME/millrace/store"));
  rows.push_back(Size("store_limit", &Options::store_limit, 1 << 20, std::int64_t{1} << 50,
                      "of that folder; what was used longest ago goes first"));
  rows.push_back(Flags(Switch("prefer_local_execution", &Options::prefer_local_execution,
                              "the orchestrator's own slots come first where nothing else decides"),
                       "--prefer-local,--prefer-local-execution,!--no-prefer-local"));
  rows.push_back(Switch("in_process", &Options::in_process, "run modules on threads: for debugging"));
  rows.push_back(
      Switch("new_privileges", &Options::new_privileges, "let tasks gain privileges by setuid programs such as sudo"));
  rows.push_back(Flags(Limits("task_limits", &Options::task_limits,
                              "of each process of a task, as --task-limit memory=4GiB --task-limit cpu=10m"),
                       "--task-limit,--task-limits"));
  rows.push_back(ByDefault(Text("secrets_dir", &Options::secrets_dir, "DIR",
                                "the secrets that tasks ask for by name: a file each, mode 600"),
                           "none"));
  rows.push_back(Checked(ByDefault(Text("secrets_from_env", &Options::secrets_from_env, "PREFIX",
                                        "those that are not there from our environment: db-password is "
                                        "PREFIX + DB_PASSWORD"),
                                   "none"),
                         "the beginning of a variable's name, such as CI_SECRET_", IsVariablePrefix));
  rows.push_back(
      Flags(Switch("no_cache", &Options::no_cache, "take nothing from the result cache"), "--no-cache,!--cache"));
  rows.push_back(
      Span("kill_grace", &Options::kill_grace, Duration::zero(), hours(1), "between TERM and KILL of a process tree"));
  rows.push_back(Flags(Switch("enable_compression", &Options::enable_compression, "LZ4 for payloads over 1 KiB"),
                       "--compression,--enable-compression,!--no-compression"));
  rows.push_back(Size("max_payload_size", &Options::max_payload_size, 1 << 10, std::int64_t{1} << 40,
                      "a result or an argument over it fails its task"));
}

void AddOutput(std::vector<OptionRow>& rows) {
  rows.push_back(Environment(Choice("log_level", &Options::log_level, {"debug", "info", "warning", "error", "off"},
                                    "lines below it are dropped"),
                             "LOG_LEVEL"));
  rows.push_back(Choice("color", &Options::color, {"auto", "always", "never"}, "auto: when it is a terminal"));
}

std::vector<OptionRow> MakeTable() {
  std::vector<OptionRow> table;
  const auto add = [&table](OptionGroup group, void (*rows_of)(std::vector<OptionRow>&)) {
    std::vector<OptionRow> rows;
    rows_of(rows);
    for (OptionRow& row : rows) {
      row.group = group;
      table.push_back(std::move(row));
    }
  };
  add(OptionGroup::kNetwork, AddNetwork);
  add(OptionGroup::kBroker, AddBroker);
  add(OptionGroup::kWorker, AddWorker);
  add(OptionGroup::kRunning, AddRunning);
  add(OptionGroup::kOutput, AddOutput);
  return table;
}

}  // namespace

std::string_view HeadingOf(OptionGroup group) {
  switch (group) {
    case OptionGroup::kNetwork: return "Network";
    case OptionGroup::kBroker: return "Broker";
    case OptionGroup::kWorker: return "Worker";
    case OptionGroup::kRunning: return "Running";
    case OptionGroup::kOutput: break;
  }
  return "Output";
}

const std::vector<OptionRow>& OptionTable() {
  static const std::vector<OptionRow>* const kTable = new std::vector<OptionRow>(MakeTable());
  return *kTable;
}

const OptionRow* FindOption(std::string_view name) {
  for (const OptionRow& row : OptionTable()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string MainFlag(const OptionRow& row) { return row.flags.substr(0, row.flags.find(',')); }

}  // namespace millrace::host

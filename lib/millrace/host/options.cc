// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/options.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/host/options_table.h"
#include "millrace/yaml/settings_file.h"

namespace millrace::host {
namespace {

// Collects values from the weakest source to the strongest; every value is checked, also those that lose.
class Resolution {
 public:
  explicit Resolution(const OptionSources& sources) : sources_(sources) { resolved_.options = sources.code; }

  absl::StatusOr<ResolvedOptions> Run() {
    const Options defaults;
    for (const OptionRow& row : OptionTable()) {
      const std::string text = row.get(sources_.code);
      resolved_.origins[row.name] = "default";
      if (text != row.get(defaults)) Take(row, text, "code");
    }
    TakeFile();
    for (const OptionRow& row : OptionTable()) {
      const std::optional<std::string> text = Environment(row.environment);
      if (text.has_value()) Take(row, *text, row.environment);
    }
    TakeFlags();
    FillPlaces();
    if (errors_.empty()) CheckTogether();
    if (!errors_.empty()) return InvalidArgument("%s", errors_);
    return std::move(resolved_);
  }

 private:
  void Fail(const std::string& error) { errors_ += (errors_.empty() ? "" : "\n") + error; }

  void Take(const OptionRow& row, const std::string& text, const std::string& place) {
    const absl::Status status = row.set(text, resolved_.options);
    if (!status.ok()) {
      Fail(absl::StrFormat("%s: bad value for %s: %s", place, row.name, TextOf(status)));
      return;
    }
    resolved_.origins[row.name] = place;
  }

  std::optional<std::string> Environment(const std::string& name) const {
    if (!sources_.environment) return std::nullopt;
    std::optional<std::string> value = sources_.environment(name);
    if (value.has_value() && value->empty()) return std::nullopt;
    return value;
  }

  // A directory of the XDG specification: "$XDG_CONFIG_HOME" or "~/.config".
  std::string UserDir(const std::string& variable, const std::string& below_home) const {
    const std::optional<std::string> dir = Environment(variable);
    if (dir.has_value() && dir->front() == '/') return *dir;  // relative ones are to be ignored
    const std::optional<std::string> home = Environment("HOME");
    return home.has_value() ? *home + below_home : "";
  }

  void TakeFile() {
    std::string path = sources_.config_file;
    if (path.empty()) {
      const std::string dir = UserDir("XDG_CONFIG_HOME", "/.config");
      path = dir + "/millrace/config.yaml";
      struct stat found {};
      if (dir.empty() || ::stat(path.c_str(), &found) != 0) return;
    }
    const absl::StatusOr<std::vector<yaml::Setting>> settings = yaml::LoadSettings(path);
    if (!settings.ok()) {
      Fail(TextOf(settings.status()));
      return;
    }
    resolved_.config_file = path;
    for (const yaml::Setting& setting : *settings) {
      const OptionRow* const row = FindOption(setting.name);
      if (row != nullptr) {
        Take(*row, setting.value,
             absl::StrFormat("%s:%d:%d", path, setting.value_mark.line, setting.value_mark.column));
        continue;
      }
      std::vector<std::string> known;
      for (const OptionRow& other : OptionTable()) known.push_back(other.name);
      Fail(absl::StrFormat("%s:%d:%d: unknown option '%s'%s", path, setting.name_mark.line, setting.name_mark.column,
                           setting.name, DidYouMean(setting.name, known)));
    }
  }

  void TakeFlags() {
    std::map<std::string, OptionText> joined;
    for (const OptionText& flag : sources_.flags) {
      const auto [found, is_new] = joined.emplace(flag.name, flag);
      if (is_new) continue;
      const OptionRow* const row = FindOption(flag.name);
      found->second.text = row != nullptr && row->is_list ? found->second.text + "," + flag.text : flag.text;
    }
    for (const auto& [name, flag] : joined) {
      const OptionRow* const row = FindOption(name);
      if (row != nullptr) {
        Take(*row, flag.text, flag.place);
      } else {
        Fail(absl::StrFormat("%s: there is no option '%s'", flag.place, name));
      }
    }
  }

  // Places whose defaults depend on who runs this.
  void FillPlaces() {
    Options& options = resolved_.options;
    const std::string dir = UserDir("XDG_STATE_HOME", "/.local/state");
    const std::string place = dir.empty() ? ".millrace" : dir + "/millrace";
    if (options.data_dir.empty()) options.data_dir = place;
    if (options.state_dir.empty()) options.state_dir = place;
    const std::string cache = UserDir("XDG_CACHE_HOME", "/.cache");
    if (options.store.empty()) options.store = cache.empty() ? place + "/store" : cache + "/millrace/store";
  }

  // What is wrong only in combination.
  void CheckTogether() {
    const Options& options = resolved_.options;
    if (options.worker_heartbeat_timeout < 2 * options.worker_heartbeat_interval) {
      Fail(absl::StrFormat(
          "worker_heartbeat_timeout is %s (%s) and worker_heartbeat_interval is %s (%s); the timeout "
          "must be at least twice the interval",
          FormatDuration(options.worker_heartbeat_timeout), resolved_.origins["worker_heartbeat_timeout"],
          FormatDuration(options.worker_heartbeat_interval), resolved_.origins["worker_heartbeat_interval"]));
    }
    if (options.in_process && !options.task_limits.empty()) {
      Fail("in_process runs modules on threads, which task_limits cannot bind; leave out one of them");
    }
    if (options.mode == Mode::kWorker && options.orchestrator_url.empty() && options.join_token.empty()) {
      Fail("a worker needs orchestrator_url; give --orchestrator tcp://HOST:PORT or set ORCHESTRATOR_URL, or --join");
    }
  }

  const OptionSources& sources_;
  ResolvedOptions resolved_;
  std::string errors_;
};

}  // namespace

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

absl::StatusOr<ResolvedOptions> ResolveOptions(const OptionSources& sources) { return Resolution(sources).Run(); }

std::string Describe(const ResolvedOptions& resolved) {
  std::size_t name_width = 0;
  std::size_t value_width = 0;
  for (const OptionRow& row : OptionTable()) {
    name_width = std::max(name_width, row.name.size());
    value_width = std::max(value_width, std::min<std::size_t>(row.get(resolved.options).size(), 40));
  }
  std::string text;
  for (const OptionRow& row : OptionTable()) {
    const std::string real = row.get(resolved.options);
    const std::string value = row.is_secret && !real.empty() ? "(hidden)" : real;
    const auto origin = resolved.origins.find(row.name);
    text += absl::StrFormat("%-*s  %-*s  %s\n", static_cast<int>(name_width), row.name, static_cast<int>(value_width),
                            value.empty() ? "-" : value, origin == resolved.origins.end() ? "" : origin->second);
  }
  return text;
}

}  // namespace millrace::host

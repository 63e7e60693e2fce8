// SPDX-License-Identifier: Apache-2.0
// The keys that `defaults` and every step share: requires, env and the policy.
#include "millrace/yaml/common.h"

#include <cctype>
#include <utility>

#include "absl/strings/str_cat.h"
#include "millrace/base/size.h"
#include "millrace/yaml/read.h"
#include "millrace/yaml/template.h"

namespace millrace::yaml {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr Duration kShortestTimeout = milliseconds(1);
constexpr Duration kLongestTimeout = hours(24 * 30);
constexpr Duration kLongestBackoff = hours(24);
constexpr std::int64_t kMostRetries = 1000;
constexpr std::int64_t kMostCpus = 4096;  // as many as a worker may offer, and a broker accepts
constexpr std::int64_t kMostResources = 1'000'000'000;
constexpr std::int64_t kHighestPriority = 1'000'000;

// A value under its key, and how errors call it.
struct Item {
  const Node& node;
  std::string what;
  Problems& problems;
};

template <class T, class U>
void Set(std::optional<T> value, U& target) {
  if (value.has_value()) target = *std::move(value);
}

// "cmake>=3.20": a name, and then nothing or a comparison with a dotted number. Spaces are dropped.
std::optional<std::string> ReadTool(const std::string& text) {
  std::string tool;
  for (const char c : text) {
    if (c != ' ') tool += c;
  }
  if (HasTemplate(tool)) return tool;  // what it becomes is up to the matrix
  const std::size_t name_end = tool.find_first_of("<>=!~^");
  if (name_end == 0 || tool.empty()) return std::nullopt;
  if (name_end == std::string::npos) return text.find(' ') == std::string::npos ? std::optional(tool) : std::nullopt;
  std::size_t version = name_end + 1;
  if (tool[name_end] == '!' || tool[name_end] == '~' || tool[name_end] == '^') return std::nullopt;
  if (tool[name_end] == '=' && tool.substr(name_end, 2) != "==") return std::nullopt;
  if (version < tool.size() && tool[version] == '=') ++version;
  if (version >= tool.size() || std::isdigit(static_cast<unsigned char>(tool[version])) == 0) return std::nullopt;
  if (tool.find_first_of("<>=!~^", version) != std::string::npos) return std::nullopt;
  return tool;
}

void ReadTools(const Item& item, std::vector<std::string>& tools) {
  const std::optional<std::vector<std::string>> texts = ReadTexts(item.node, item.what, item.problems);
  if (!texts.has_value()) return;
  tools.clear();
  for (const std::string& text : *texts) {
    const std::optional<std::string> tool = ReadTool(text);
    if (!tool.has_value()) {
      item.problems.Add(item.node.mark, "%s: '%s' is not a tool; write e.g. cmake, or cmake>=3.20 (also ==, >, <=, <)",
                        item.what, text);
      continue;
    }
    tools.push_back(*tool);
  }
}

void ReadResources(const Item& item, std::map<std::string, std::int64_t>& resources) {
  if (!item.node.is_map()) {
    item.problems.Add(item.node.mark, "%s must be a map of names and amounts, not %s", item.what, Describe(item.node));
    return;
  }
  resources.clear();
  for (const Entry& entry : item.node.entries) {
    Set(ReadInteger(entry.value, absl::StrCat(item.what, ": '", entry.key, "'"), 0, kMostResources, item.problems),
        resources[entry.key]);
  }
}

struct RequiresKey {
  std::string_view name;
  void (*read)(const Item& item, Requirements& out);
};
constexpr RequiresKey kRequiresKeys[] = {
    {"os", [](const Item& i, Requirements& out) { Set(ReadTexts(i.node, i.what, i.problems), out.os); }},
    {"arch", [](const Item& i, Requirements& out) { Set(ReadTexts(i.node, i.what, i.problems), out.arch); }},
    {"tools", [](const Item& i, Requirements& out) { ReadTools(i, out.tools); }},
    {"tags", [](const Item& i, Requirements& out) { Set(ReadTexts(i.node, i.what, i.problems), out.tags); }},
    {"cpus",
     [](const Item& i, Requirements& out) { Set(ReadInteger(i.node, i.what, 0, kMostCpus, i.problems), out.cpus); }},
    {"memory", [](const Item& i, Requirements& out) { Set(ReadSize(i.node, i.what, i.problems), out.memory); }},
    {"resources", [](const Item& i, Requirements& out) { ReadResources(i, out.resources); }},
};

void ReadRequires(const Item& item, Common& common) {
  if (!item.node.is_map()) {
    item.problems.Add(item.node.mark, "%s must be a map such as {tools: [cmake], cpus: 2}, not %s", item.what,
                      Describe(item.node));
    return;
  }
  for (const Entry& entry : item.node.entries) {
    const RequiresKey* found = nullptr;
    for (const RequiresKey& key : kRequiresKeys) {
      if (key.name == entry.key) found = &key;
    }
    if (found == nullptr) {
      RefuseKey(entry, item.what, RequiresKeys(), item.problems);
      continue;
    }
    found->read(Item{entry.value, absl::StrCat("'", entry.key, "' of ", item.what), item.problems},
                common.requirements);
  }
}

void ReadRetryOn(const Item& item, Common& common) {
  static const std::vector<std::string> kNames = {"transient", "any", "never"};
  constexpr RetryOn kValues[] = {RetryOn::kTransient, RetryOn::kAny, RetryOn::kNever};
  const std::optional<std::size_t> choice = ReadChoice(item.node, item.what, kNames, item.problems);
  if (choice.has_value()) common.policy.retry_on = kValues[*choice];
}

void ReadIsolation(const Item& item, Common& common) {
  static const std::vector<std::string> kNames = {"process", "in-process"};
  constexpr Isolation kValues[] = {Isolation::kProcess, Isolation::kInProcess};
  const std::optional<std::size_t> choice = ReadChoice(item.node, item.what, kNames, item.problems);
  if (choice.has_value()) common.policy.isolation = kValues[*choice];
}

void ReadMemoryLimit(const Item& item, Common& common) {
  const std::optional<std::int64_t> limit = ReadSize(item.node, item.what, item.problems);
  if (!limit.has_value()) return;
  if (*limit != 0 && *limit < kLeastMemoryLimit) {
    item.problems.Add(item.node.mark, "%s must be at least %s, or 0 for none, not %s", item.what,
                      FormatSize(kLeastMemoryLimit), FormatSize(*limit));
    return;
  }
  common.policy.memory_limit = *limit;
}

// [DB_PASSWORD], or {PGPASSWORD: db-password}: a variable, and the name of the secret that it holds.
void ReadSecrets(const Item& item, Common& common) {
  const auto add = [&](const std::string& variable, const Node& node) {
    const std::optional<std::string> name =
        ReadText(node, absl::StrCat("the secret '", variable, "' of ", item.what), item.problems);
    if (!name.has_value() || !CheckVariableName(variable, node.mark, item.problems)) return;
    if (IsSecretName(*name)) {
      common.policy.secrets[variable] = *name;
    } else {
      item.problems.Add(node.mark, "%s: '%s' is no name of a secret; use %s", item.what, *name, kSecretNameRule);
    }
  };
  common.policy.secrets.clear();
  if (item.node.is_map()) {
    for (const Entry& entry : item.node.entries) add(entry.key, entry.value);
  } else if (item.node.is_list()) {
    for (const Node& node : item.node.items) {
      const std::string variable = node.is_scalar() ? node.text : "";
      if (IsSecretName(variable) && variable.find_first_of("-.") != std::string::npos) {
        item.problems.Add(node.mark, "'%s' cannot name an environment variable; say which it is for: {%s: %s}",
                          variable, VariableFor(variable), variable);
      } else {
        add(variable, node);
      }
    }
  } else {
    item.problems.Add(item.node.mark, "%s must be a list of names or a map such as {PGPASSWORD: db-password}, not %s",
                      item.what, Describe(item.node));
  }
  if (common.policy.secrets.size() > kMaxSecrets) {
    item.problems.Add(item.node.mark, "%s: %d secrets; the limit is %d", item.what, common.policy.secrets.size(),
                      kMaxSecrets);
  }
}

template <bool Policy::*field>
void ReadPolicyFlag(const Item& item, Common& common) {
  Set(ReadFlag(item.node, item.what, item.problems), common.policy.*field);
}

template <Duration Policy::*field, const Duration& longest>
void ReadDurationUpTo(const Item& item, Common& common) {
  Set(ReadDuration(item.node, item.what, Duration::zero(), longest, item.problems), common.policy.*field);
}

struct CommonKey {
  std::string_view name;
  void (*read)(const Item& item, Common& out);
};
constexpr CommonKey kCommonKeys[] = {
    {"requires", ReadRequires},
    {"timeout",
     [](const Item& i, Common& out) {
       Set(ReadDuration(i.node, i.what, kShortestTimeout, kLongestTimeout, i.problems), out.policy.timeout);
     }},
    {"retries", [](const Item& i,
                   Common& out) { Set(ReadInteger(i.node, i.what, 0, kMostRetries, i.problems), out.policy.retries); }},
    {"retry_on", ReadRetryOn},
    {"backoff", ReadDurationUpTo<&Policy::backoff, kLongestBackoff>},
    {"backoff_limit", ReadDurationUpTo<&Policy::backoff_limit, kLongestBackoff>},
    {"env", [](const Item& i, Common& out) { ReadEnv(i.node, i.what, out.env, i.problems); }},
    {"secrets", ReadSecrets},
    {"ignore_failure", ReadPolicyFlag<&Policy::ignore_failure>},
    {"always_run", ReadPolicyFlag<&Policy::always_run>},
    {"cached", ReadPolicyFlag<&Policy::cached>},
    {"idempotent", ReadPolicyFlag<&Policy::idempotent>},
    {"priority",
     [](const Item& i, Common& out) {
       Set(ReadInteger(i.node, i.what, -kHighestPriority, kHighestPriority, i.problems), out.policy.priority);
     }},
    {"isolation", ReadIsolation},
    {"version", [](const Item& i, Common& out) { Set(ReadText(i.node, i.what, i.problems), out.version); }},
    {"memory_limit", ReadMemoryLimit},
    {"expected", ReadDurationUpTo<&Policy::expected, kLongestExpected>},
};

}  // namespace

bool ReadCommonKey(const Entry& entry, std::string_view where, Common& common, Problems& problems) {
  for (const CommonKey& key : kCommonKeys) {
    if (key.name != entry.key) continue;
    key.read(Item{entry.value, absl::StrFormat("'%s' of %s", entry.key, where), problems}, common);
    return true;
  }
  return false;
}

void ReadEnv(const Node& node, std::string_view what, std::map<std::string, std::string>& env, Problems& problems) {
  if (!node.is_map()) {
    problems.Add(node.mark, "%s must be a map of names and values, not %s", what, Describe(node));
    return;
  }
  for (const Entry& entry : node.entries) {
    if (!CheckVariableName(entry.key, entry.mark, problems)) continue;
    if (entry.value.is_null()) {
      problems.Add(entry.value.mark, "'%s' in %s has no value; write '' for an empty one", entry.key, what);
      continue;
    }
    Set(ReadText(entry.value, absl::StrFormat("'%s' in %s", entry.key, what), problems), env[entry.key]);
  }
}

std::vector<std::string> DefaultsKeys() {
  std::vector<std::string> keys;
  for (const CommonKey& key : kCommonKeys) keys.emplace_back(key.name);
  return keys;
}

std::vector<std::string> RequiresKeys() {
  std::vector<std::string> keys;
  for (const RequiresKey& key : kRequiresKeys) keys.emplace_back(key.name);
  return keys;
}

}  // namespace millrace::yaml

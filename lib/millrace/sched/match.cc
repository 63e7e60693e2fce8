// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/match.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "millrace/base/status.h"

namespace millrace::sched {
namespace {

bool SameWord(std::string_view a, std::string_view b) { return absl::EqualsIgnoreCase(Av(a), Av(b)); }

bool Contains(const std::vector<std::string>& words, std::string_view word) {
  return std::any_of(words.begin(), words.end(), [&](const std::string& known) { return SameWord(known, word); });
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Cuts the next run of digits, or of anything else, off the front; separators are skipped.
std::string_view NextPart(std::string_view& text) {
  while (!text.empty() && (text.front() == '.' || text.front() == '-' || text.front() == '+' || text.front() == '_')) {
    text.remove_prefix(1);
  }
  if (text.empty()) return {};
  const bool digits = IsDigit(text.front());
  std::size_t end = 0;
  while (end < text.size() && IsDigit(text[end]) == digits && text[end] != '.' && text[end] != '-' &&
         text[end] != '+' && text[end] != '_') {
    ++end;
  }
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end);
  return part;
}

int CompareNumbers(std::string_view a, std::string_view b) {
  while (!a.empty() && a.front() == '0') a.remove_prefix(1);
  while (!b.empty() && b.front() == '0') b.remove_prefix(1);
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

// A missing part is a zero beside a number, and later than a word: 1.0 == 1, 1.0-rc1 < 1.0.
int ComparePart(std::string_view a, std::string_view b) {
  const bool a_word = !a.empty() && !IsDigit(a.front());
  const bool b_word = !b.empty() && !IsDigit(b.front());
  if (a_word && b_word) return absl::AsciiStrToLower(Av(a)).compare(absl::AsciiStrToLower(Av(b)));
  if (a_word != b_word) return a_word ? -1 : 1;
  return CompareNumbers(a, b);
}

bool Holds(Comparison comparison, int order) {
  switch (comparison) {
    case Comparison::kAny: return true;
    case Comparison::kEqual: return order == 0;
    case Comparison::kAtLeast: return order >= 0;
    case Comparison::kAtMost: return order <= 0;
    case Comparison::kGreater: return order > 0;
    case Comparison::kLess: return order < 0;
  }
  return false;
}

// "" when the tool is there in a version that will do.
std::string MissingTool(const std::string& text, const Offer& offer) {
  const absl::StatusOr<ToolDemand> demand = ParseToolDemand(text);
  if (!demand.ok()) return absl::StrFormat("tool %s (cannot be read)", text);
  std::vector<std::string> versions;
  bool found = false;
  for (const Tool& tool : offer.tools) {
    if (!SameWord(tool.name, demand->name)) continue;
    found = true;
    if (demand->comparison == Comparison::kAny) return "";
    if (tool.version.empty()) continue;
    if (Holds(demand->comparison, CompareVersions(tool.version, demand->version))) return "";
    versions.push_back(tool.version);
  }
  if (!found) return absl::StrFormat("tool %s", text);
  if (versions.empty()) return absl::StrFormat("tool %s (version unknown)", text);
  return absl::StrFormat("tool %s (has %s)", text, absl::StrJoin(versions, ", "));
}

std::string MissingModule(const ModuleSpec& module, const Offer& offer) {
  if (module.name.empty()) return "";
  bool found = false;
  for (const OfferedModule& offered : offer.modules) {
    if (!SameWord(offered.name, module.name)) continue;
    if (module.fingerprint == 0 || offered.fingerprint == module.fingerprint) return "";
    found = true;
  }
  if (!found) return absl::StrFormat("module %s", module.name);
  return absl::StrFormat("module %s as this pipeline knows it (the worker's has other types: rebuild one of the two)",
                         module.name);
}

std::string Plural(std::int64_t n, std::string_view word) {
  return absl::StrFormat("%d %s%s", n, word, n == 1 ? "" : "s");
}

}  // namespace

absl::StatusOr<ToolDemand> ParseToolDemand(std::string_view text) {
  const std::size_t at = text.find_first_of("<>=");
  ToolDemand demand;
  demand.name = std::string(Trim(text.substr(0, at)));
  if (demand.name.empty()) return InvalidArgument("tool requirement '%s' names no tool", text);
  if (at == std::string_view::npos) return demand;
  std::string_view rest = text.substr(at);
  const auto takes = [&rest](std::string_view sign) {
    if (rest.substr(0, sign.size()) != sign) return false;
    rest.remove_prefix(sign.size());
    return true;
  };
  if (takes(">=")) {
    demand.comparison = Comparison::kAtLeast;
  } else if (takes("<=")) {
    demand.comparison = Comparison::kAtMost;
  } else if (takes("==")) {
    demand.comparison = Comparison::kEqual;
  } else if (takes(">")) {
    demand.comparison = Comparison::kGreater;
  } else if (takes("<")) {
    demand.comparison = Comparison::kLess;
  } else {
    return InvalidArgument("tool requirement '%s': use ==, >=, <=, > or <", text);
  }
  demand.version = std::string(Trim(rest));
  if (demand.version.empty() || !IsDigit(demand.version.front())) {
    return InvalidArgument("tool requirement '%s' needs a version such as 3.20 after the operator", text);
  }
  return demand;
}

int CompareVersions(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const int order = ComparePart(NextPart(a), NextPart(b));
    if (order != 0) return order;
  }
  return 0;
}

std::vector<std::string> Missing(const Requirements& requirements, const ModuleSpec& module, const Offer& offer) {
  std::vector<std::string> missing;
  const auto add = [&missing](std::string text) {
    if (!text.empty()) missing.push_back(std::move(text));
  };
  add(MissingModule(module, offer));
  if (!requirements.os.empty() && !Contains(requirements.os, offer.os)) {
    add(absl::StrFormat("os %s (is %s)", absl::StrJoin(requirements.os, " or "), offer.os.empty() ? "?" : offer.os));
  }
  if (!requirements.arch.empty() && !Contains(requirements.arch, offer.arch)) {
    add(absl::StrFormat("arch %s (is %s)", absl::StrJoin(requirements.arch, " or "),
                        offer.arch.empty() ? "?" : offer.arch));
  }
  for (const std::string& tool : requirements.tools) add(MissingTool(tool, offer));
  for (const std::string& tag : requirements.tags) {
    if (!Contains(offer.tags, tag)) add(absl::StrFormat("tag %s", tag));
  }
  if (requirements.cpus > offer.cpus) {
    add(absl::StrFormat("%s (has %d)", Plural(requirements.cpus, "cpu"), offer.cpus));
  }
  if (requirements.memory > offer.memory) {
    add(absl::StrFormat("%s of memory (has %d)", Plural(requirements.memory, "byte"), offer.memory));
  }
  const Room room = RoomOf(offer);
  for (const auto& [name, amount] : NeedOf(requirements).resources) {
    const auto it = room.resources.find(name);
    const std::int64_t has = it == room.resources.end() ? 0 : it->second;
    if (amount > has) add(absl::StrFormat("%d %s (has %d)", amount, name, has));
  }
  return missing;
}

bool CanServe(const Requirements& requirements, const ModuleSpec& module, const Offer& offer) {
  return Missing(requirements, module, offer).empty();
}

bool Room::Fits(const Room& need) const {
  if (need.cpus > cpus || need.memory > memory) return false;
  for (const auto& [name, amount] : need.resources) {
    const auto it = resources.find(name);
    if (amount > (it == resources.end() ? 0 : it->second)) return false;
  }
  return true;
}

void Room::Take(const Room& need) {
  cpus -= need.cpus;
  memory -= need.memory;
  for (const auto& [name, amount] : need.resources) resources[name] -= amount;
}

void Room::Give(const Room& need) {
  cpus += need.cpus;
  memory += need.memory;
  for (const auto& [name, amount] : need.resources) resources[name] += amount;
}

Room RoomOf(const Offer& offer) {
  Room room{.cpus = offer.cpus, .memory = offer.memory, .resources = {}};
  for (const auto& [name, amount] : offer.resources) room.resources[absl::AsciiStrToLower(name)] += amount;
  return room;
}

Room NeedOf(const Requirements& requirements) {
  Room need{.cpus = requirements.cpus, .memory = requirements.memory, .resources = {}};
  for (const auto& [name, amount] : requirements.resources) {
    if (amount > 0) need.resources[absl::AsciiStrToLower(name)] += amount;
  }
  return need;
}

}  // namespace millrace::sched

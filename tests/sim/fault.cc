// SPDX-License-Identifier: Apache-2.0
#include "fault.h"

#include <array>

namespace millrace::sim {
namespace {

constexpr std::array<std::string_view, kFaults> kNames = {
    "loss",      "duplicate",  "reorder",      "delay",         "beat-loss",     "cut",
    "partition", "disconnect", "broker-crash", "quick-restart", "worker-crash",  "task-failure",
    "poison",    "pause",      "clock",        "slow-disk",     "full-disk",     "slow-cache",
    "commands",  "impostor",   "twin",         "guest",         "worker-restart"};

}  // namespace

std::string_view NameOf(Fault fault) { return kNames[static_cast<std::size_t>(fault)]; }

std::string FaultSet::Text() const {
  std::string text;
  for (int i = 0; i < kFaults; ++i) {
    if (!Has(static_cast<Fault>(i))) continue;
    if (!text.empty()) text += ',';
    text += kNames[static_cast<std::size_t>(i)];
  }
  return text.empty() ? "none" : text;
}

bool FaultSet::Parse(std::string_view text, FaultSet& set) {
  set = {};
  if (text == "none") return true;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    text.remove_prefix(name.size() < text.size() ? name.size() + 1 : name.size());
    if (name == "all") {
      set = All();
      continue;
    }
    bool known = false;
    for (int i = 0; i < kFaults; ++i) {
      if (kNames[static_cast<std::size_t>(i)] != name) continue;
      set.Add(static_cast<Fault>(i));
      known = true;
    }
    if (!known) return false;
  }
  return true;
}

}  // namespace millrace::sim

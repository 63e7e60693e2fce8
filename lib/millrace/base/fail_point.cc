// SPDX-License-Identifier: Apache-2.0
#include "millrace/base/fail_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace millrace {
namespace {

struct Armed {
  FailPointSpec spec;
  std::atomic<std::uint64_t> reached = 0;
};

// Never freed: threads may pass by while the program ends.
Armed* FromEnvironment() {
  const char* const value = std::getenv("MILLRACE_FAIL_POINT");
  std::optional<FailPointSpec> spec = ParseFailPoint(value == nullptr ? "" : value);
  if (!spec) return nullptr;
  auto* armed = new Armed;
  armed->spec = *std::move(spec);
  return armed;
}

}  // namespace

std::optional<FailPointSpec> ParseFailPoint(std::string_view text) {
  FailPointSpec spec;
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), spec.at);
    if (error != std::errc() || stop != digits.data() + digits.size() || spec.at == 0) return std::nullopt;
    text = text.substr(0, colon);
  }
  if (text.empty()) return std::nullopt;
  spec.name = text;
  return spec;
}

void FailPoint(std::string_view name) {
  static Armed* const armed = FromEnvironment();
  if (armed == nullptr || armed->spec.name != name || ++armed->reached != armed->spec.at) return;
  kill(getpid(), SIGKILL);
  while (true) pause();  // the signal is on its way
}

}  // namespace millrace

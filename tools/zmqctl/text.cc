// SPDX-License-Identifier: Apache-2.0
#include "tools/zmqctl/text.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace millrace::zmqctl {
namespace {

std::string Dump(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

std::string BrokerText(const BrokerView& broker, const host::Console& console) {
  std::string text = absl::StrFormat(
      "broker %s, epoch %u, up %s\n"
      "workers   %u%s, %d of %d slots in use\n"
      "runs      %u active\n"
      "tasks     %u ready, %u running, %u completed\n",
      host::Printable(broker.version), broker.epoch, FormatDuration(broker.uptime), broker.workers,
      broker.expected_workers > 0 ? absl::StrFormat(" of %u expected", broker.expected_workers) : "", broker.cpus_used,
      broker.cpus, broker.runs_active, broker.tasks_ready, broker.tasks_running, broker.tasks_completed);
  if (broker.outcomes_dropped > 0)
    text += absl::StrFormat("dropped   %u late or foreign outcomes\n", broker.outcomes_dropped);
  if (broker.protocol_errors > 0) text += absl::StrFormat("refused   %u malformed messages\n", broker.protocol_errors);
  for (const std::string& warning : broker.warnings) {
    text += console.Paint(host::Colour::kYellow, "warning: ") + host::Printable(warning) + "\n";
  }
  return text;
}

std::string OfferText(const Offer& offer) {
  std::vector<std::string> tools;
  for (const Tool& tool : offer.tools)
    tools.push_back(tool.version.empty() ? tool.name : tool.name + " " + tool.version);
  std::string text = offer.os + " " + offer.arch;
  if (!offer.tags.empty()) text += "; tags " + absl::StrJoin(offer.tags, ", ");
  for (const auto& [name, amount] : offer.resources) text += absl::StrFormat("; %d %s", amount, name);
  if (!tools.empty()) text += "; " + absl::StrJoin(tools, ", ");
  return text;
}

std::string LogText(const LogLine& line, std::string& last_task, const host::Console& console) {
  std::string text;
  if (line.task != last_task) {
    last_task = line.task;
    text = console.Paint(host::Colour::kBold, absl::StrFormat("== %s (try %u on %s)", host::Printable(line.task),
                                                              line.try_number, host::Printable(line.worker))) +
           "\n";
  }
  text += line.text;
  if (!line.text.empty() && line.text.back() != '\n') text += "\n";
  return text;
}

std::string LogLineJson(const LogLine& line) {
  return Dump({{"task", line.task},
               {"try", line.try_number},
               {"worker", line.worker},
               {"stream", line.is_stderr ? "stderr" : "stdout"},
               {"text", line.text}});
}

std::string LinesJson(const std::vector<std::string>& lines) { return Dump(nlohmann::ordered_json(lines)); }

std::int64_t UnixMsNow() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace millrace::zmqctl

// SPDX-License-Identifier: Apache-2.0
// Progress of a run on the console: a line per finished task, and on a terminal one live line below them.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "millrace/host/console.h"
#include "millrace/host/outlook.h"
#include "millrace/host/summary.h"
#include "millrace/model/view.h"

namespace millrace::host {

class Progress {
 public:
  explicit Progress(Console console) : console_(console) {}

  // From now on it says how much longer it will take, too.
  void Expect(const Outlook* outlook) { outlook_ = outlook; }
  // What Client::Watch calls.
  void Update(const RunView& run, std::span<const TaskView> changed);
  // Takes the live line away. Nothing may be shown afterwards.
  void Finish();
  // Everything seen so far.
  Summary TakeSummary();

 private:
  void ShowTask(const TaskView& task);
  std::string LiveLine(const RunView& run) const;
  std::optional<TimesLeft> Left(const RunView& run) const;

  Console console_;
  RunView run_;
  std::map<std::uint32_t, TaskView> tasks_;
  const Outlook* outlook_ = nullptr;
  bool outlook_shown_ = false;
  std::size_t warnings_shown_ = 0;
  std::uint32_t wave_shown_ = 0;
  bool live_shown_ = false;
};

}  // namespace millrace::host

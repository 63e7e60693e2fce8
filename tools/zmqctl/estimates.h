// SPDX-License-Identifier: Apache-2.0
// What the history says of how long things take: of modules, and of runs that have not ended.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/host/outlook.h"
#include "millrace/host/past.h"
#include "tools/zmqctl/commands.h"

namespace millrace::zmqctl {

// Per pipeline what its modules took in these runs, and how often it could be foreseen how long they take. JSON or a
// text for people.
absl::StatusOr<std::string> EstimatesOf(const host::PastSource& source, const std::vector<PastRun>& runs, bool json,
                                        const host::Console& console);

// How much longer those of the runs take that have not ended, as far as the history knows.
absl::StatusOr<std::map<RunId, host::TimesLeft>> TimesLeftOf(Context& context, const std::vector<RunView>& runs);

}  // namespace millrace::zmqctl

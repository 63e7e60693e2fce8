// SPDX-License-Identifier: Apache-2.0
// The timeline: which slot of its worker each attempt is drawn in.
#pragma once

#include "millrace/report/run_report.h"

namespace millrace::report {

// Fills `lanes` and `bars` from the attempts whose start and end are known.
void LayOut(RunReport& report);

// What passes in a slot between the end of a task and the start of one that had been waiting there, on average.
Duration HandoverOf(const RunReport& report);

}  // namespace millrace::report

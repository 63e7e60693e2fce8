// SPDX-License-Identifier: Apache-2.0
// Why a run took as long as it did: where each task's time went, the steps that followed each other without a gap from
// the submission to the last end, and the tasks that fell behind their siblings.
#pragma once

#include "millrace/report/run_report.h"

namespace millrace::report {

TimeSplit SplitOf(const PastTask& task);

// The critical path as it was: from the task that ended last back over whichever of its needs ended last. Marks its
// tasks, too.
void FindPath(RunReport& report);
// At least kFewest of a template, twice as long as their median and by more than what is noise; the worst come first.
void FindStragglers(RunReport& report);
// Fills `why`; needs the others.
void Explain(RunReport& report);

}  // namespace millrace::report

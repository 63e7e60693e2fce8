// SPDX-License-Identifier: Apache-2.0
// The timeline: which slot of its worker each attempt is drawn in.
#pragma once

#include "millrace/report/run_report.h"

namespace millrace::report {

// Fills `lanes` and `bars` from the attempts whose start and end are known.
void LayOut(RunReport& report);

}  // namespace millrace::report

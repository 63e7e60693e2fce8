// SPDX-License-Identifier: Apache-2.0
// What a pipeline would do, without doing it: waves, requirements, and which results the cache has.
#pragma once

#include <string>

#include "millrace/host/console.h"
#include "millrace/host/options.h"
#include "millrace/model/job.h"

namespace millrace::host {

// `job` must be valid, as Pipeline::ToJob and yaml::ParsePipeline give it.
std::string PlanText(const JobSpec& job, const Options& options, const Console& console);

// "tools cmake, g++>=12; tags gpu; 2 cpus", or "" when any worker will do.
std::string RequirementsText(const Requirements& requirements);

}  // namespace millrace::host

// SPDX-License-Identifier: Apache-2.0
// A pipeline file becomes a JobSpec, or every reason why it cannot, each with file, line and column.
// docs/pipelines.md tells what may stand in the file, docs/schema/pipeline.schema.json tells it to editors.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/model/job.h"
#include "millrace/yaml/document.h"

namespace millrace::yaml {

struct ParseOptions {
  Limits limits{};
  // What `module:` may name; empty = not checked here (a broker learns of modules only from its workers).
  std::vector<std::string> known_modules{};
  // A small file can describe a huge product; these bound what it expands to.
  std::size_t max_tasks = 100'000;
  std::size_t max_dependencies = 2'000'000;
  std::size_t max_expanded_bytes = 64u << 20;  // names, inputs and environments of all tasks
};

// `file_name` is for errors, and its stem names the job when the file does not. InvalidArgument with up to 20 problems,
// one per line, in the order of the file.
absl::StatusOr<JobSpec> ParsePipeline(std::string_view text, std::string_view file_name,
                                      const ParseOptions& options = {});
// The same for a file on disk; "-" reads standard input.
absl::StatusOr<JobSpec> LoadPipeline(const std::string& path, const ParseOptions& options = {});

// The keys of the file's top level, for suggestions and for the JSON Schema.
std::vector<std::string> PipelineKeys();

}  // namespace millrace::yaml

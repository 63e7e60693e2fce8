// SPDX-License-Identifier: Apache-2.0
// A pipeline file: it is refused with places in it, or becomes a job that travels, and that a broker takes or refuses.
#include "millrace/sched/job_graph.h"
#include "millrace/wire/frame.h"
#include "millrace/yaml/pipeline.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  yaml::ParseOptions options;
  options.max_tasks = 200;  // fewer than usual: what is over it is the same, and takes less time
  options.max_dependencies = 2000;
  options.max_expanded_bytes = 1u << 20;
  const auto job = yaml::ParsePipeline(std::string(fuzz::TextOf(data, size)), "fuzz.yaml", options);
  if (!job.ok()) {
    const absl::string_view message = job.status().message();
    fuzz::Require(message.find("fuzz.yaml") != absl::string_view::npos, "a refusal does not name the file",
                  std::string(message));
    return 0;
  }
  fuzz::Require(job->tasks.size() <= options.max_tasks, "more tasks than allowed");
  const std::string bytes = wire::EncodeJob(*job);
  const auto again = wire::DecodeJob(Bytes(bytes));
  fuzz::Require(again.status(), "a job that was parsed does not travel");
  fuzz::Require(wire::EncodeJob(*again) == bytes, "a job arrives as another one");
  const absl::Status checked = sched::CheckJob(*again, std::uint64_t{100} << 20);
  fuzz::Require(checked.ok() || !checked.message().empty(), "a job was refused without a reason");
  if (checked.ok()) fuzz::Require(sched::BuildGraph(*again).status(), "a job that was accepted has no graph");
  return 0;
}

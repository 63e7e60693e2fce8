// SPDX-License-Identifier: Apache-2.0
// A job as it rides on the bulk plane: what can be read is accepted, with a graph, or refused with a reason.
#include "millrace/sched/job_graph.h"
#include "millrace/wire/frame.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input = Bytes::Copy(fuzz::TextOf(data, size));
  const auto decode = [](const Bytes& bytes) { return wire::DecodeJob(bytes); };
  const auto encode = [](const PackedJob& job) { return wire::EncodeJob(job); };
  fuzz::RequireRoundTrip(input, decode, encode);
  const auto job = decode(input);
  if (!job.ok()) return 0;
  const absl::Status checked = sched::CheckJob(*job, std::uint64_t{100} << 20);
  fuzz::Require(checked.ok() || !checked.message().empty(), "a job was refused without a reason");
  if (!checked.ok()) return 0;
  const auto graph = sched::BuildGraph(*job);
  fuzz::Require(graph.status(), "a job that was accepted has no graph");
  fuzz::Require(graph->edges.size() == job->tasks.needs(), "the graph has not the dependencies of the job");
  const JobSpec spec = Unpack(*job);
  fuzz::Require(wire::EncodeJob(spec) == wire::EncodeJob(*job), "a job has other bytes when it is packed");
  return 0;
}

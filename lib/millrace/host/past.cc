// SPDX-License-Identifier: Apache-2.0
#include "millrace/host/past.h"

#include <iterator>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/host/assemble.h"
#include "millrace/store/blobs.h"
#include "millrace/store/history.h"
#include "millrace/store/history_query.h"
#include "millrace/wire/codec.h"
#include "millrace/wire/lz4.h"

namespace millrace::host {
namespace {

constexpr std::uint32_t kPagesOfARun = 16;  // results stand in them: of runs with large ones, one knows enough without

template <class Value>
absl::StatusOr<std::optional<Value>> ValueOf(const PastSource& source, const Answer& answer, const std::string& whose) {
  if (answer.result == Payload()) return std::nullopt;
  MILLRACE_ASSIGN_OR_RETURN(const Bytes bytes, source.unpack(answer, whose));
  absl::StatusOr<Value> value = wire::Decode<Value, wire::Layout::kPositional>(bytes);
  if (!value.ok()) return Annotate(value.status(), "how it was submitted cannot be read");
  return *std::move(value);
}

std::vector<std::optional<PastLinks>> LinksOf(const JobSpec& job) {
  std::vector<std::optional<PastLinks>> links;
  for (const TaskSpec& task : job.tasks) {
    PastLinks& one = links.emplace_back(PastLinks()).value();
    one.needs = task.needs;
    one.cacheable = job.use_cache && task.policy < job.policies.size() && job.policies[task.policy].cached;
  }
  return links;
}

// `most`: pages; 0 = all. Nothing when there are more.
absl::StatusOr<std::optional<report::RunReport>> Read(const PastSource& source, RunId run, std::uint32_t most) {
  Query query;
  query.kind = QueryKind::kPastTasks;
  query.run = run;
  query.name = store::kAskForJob;
  PastRun past;
  std::optional<JobSpec> job;
  std::vector<PastTask> tasks;
  std::uint32_t pages = 0;
  for (bool more = true; more; ++pages) {
    if (most > 0 && pages == most) return std::nullopt;
    MILLRACE_ASSIGN_OR_RETURN(Answer answer, source.ask(query));
    if (answer.past_runs.empty()) return Internal("the answer about run %s was empty", RunName(run));
    if (pages == 0) {
      MILLRACE_ASSIGN_OR_RETURN(job, ValueOf<JobSpec>(source, answer, "run " + RunName(answer.run)));
      past = std::move(answer.past_runs.front());
    }
    more = answer.more && answer.next != query.since;
    query.since = answer.next;
    query.run = answer.run;  // the newest at the first question, and no other afterwards
    query.name.clear();
    std::move(answer.past_tasks.begin(), answer.past_tasks.end(), std::back_inserter(tasks));
  }
  report::RunReport report =
      report::MakeReport(std::move(past), std::move(tasks),
                         job ? LinksOf(*job) : std::vector<std::optional<PastLinks>>(), "millrace " + Version());
  if (job) report::AddJob(report, *job);
  return report;
}

}  // namespace

PastSource AskBroker(client::Client& client, std::uint64_t most) {
  return {
      [&client](const Query& query) { return client.Ask(query); },
      [&client, most](const Answer& answer, const std::string& whose) { return client.Unpack(answer, whose, most); }};
}

absl::StatusOr<PastSource> AskDisk(const std::filesystem::path& data_dir, std::uint64_t most) {
  const std::filesystem::path file = data_dir / store::kHistoryName;
  if (!std::filesystem::exists(file)) {
    return NotFound("there is no history %s; --data-dir names the directory of the broker that ran it", file.string());
  }
  MILLRACE_ASSIGN_OR_RETURN(store::History opened, store::History::OpenToRead(file));
  auto history = std::make_shared<store::History>(std::move(opened));
  PastSource source;
  source.ask = [history](const Query& query) -> absl::StatusOr<Answer> {
    Answer answer = store::AnswerFromHistory(*history, query, std::nullopt);
    if (answer.code != 0) return absl::Status(static_cast<absl::StatusCode>(answer.code), Av(answer.message));
    return answer;
  };
  source.unpack = [folder = data_dir / "blobs", most](const Answer& answer,
                                                      const std::string& whose) -> absl::StatusOr<Bytes> {
    Bytes packed = answer.result.bytes;
    std::error_code error;
    if (answer.result.digest && packed.empty()) {
      if (!std::filesystem::is_directory(folder, error)) {
        return NotFound("the result of %s had %d bytes and is not kept any more", whose, answer.result.size);
      }
      MILLRACE_ASSIGN_OR_RETURN(const store::BlobStore blobs, store::BlobStore::Open(folder));
      absl::StatusOr<Bytes> blob = blobs.Get(*answer.result.digest);
      if (blob.status().code() == absl::StatusCode::kNotFound) {
        return NotFound("the result of %s had %d bytes and is not kept any more", whose, answer.result.size);
      }
      if (!blob.ok()) return blob.status();
      packed = *std::move(blob);
    }
    if (packed.empty()) return Bytes();
    return wire::UnpackPayload(packed, most);
  };
  return source;
}

absl::StatusOr<PastTaskAndWork> FindPastTask(const PastSource& source, RunId run, const std::string& task) {
  Query query;
  query.kind = QueryKind::kPastTasks;
  query.run = run;
  query.task = task;
  MILLRACE_ASSIGN_OR_RETURN(Answer answer, source.ask(query));
  if (answer.past_tasks.empty()) return Internal("the answer about task '%s' was empty", task);
  PastTaskAndWork found{.run = answer.run, .task = std::move(answer.past_tasks.front()), .work = {}};
  MILLRACE_ASSIGN_OR_RETURN(found.work, ValueOf<PastWork>(source, answer, task));
  return found;
}

absl::StatusOr<report::RunReport> ReadPastRun(const PastSource& source, RunId run) {
  MILLRACE_ASSIGN_OR_RETURN(std::optional<report::RunReport> report, Read(source, run, 0));
  return *std::move(report);
}

absl::StatusOr<std::vector<report::RunReport>> ReadGoodRuns(const PastSource& source, const std::string& pipeline,
                                                            std::uint32_t runs) {
  Query query;
  query.kind = QueryKind::kPastRuns;
  query.name = pipeline;
  query.state = RunState::kSucceeded;
  query.limit = runs;
  MILLRACE_ASSIGN_OR_RETURN(const Answer answer, source.ask(query));
  std::vector<report::RunReport> reports;
  for (const PastRun& past : answer.past_runs) {
    if (past.without_tasks || past.view.tasks > kTasksLookedAt) continue;
    MILLRACE_ASSIGN_OR_RETURN(std::optional<report::RunReport> report, Read(source, past.view.run, kPagesOfARun));
    if (report) reports.push_back(*std::move(report));
  }
  return reports;
}

}  // namespace millrace::host

// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/history_query.h"

#include <utility>

#include "absl/strings/str_join.h"
#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/wire/codec.h"
#include "millrace/wire/lz4.h"

namespace millrace::store {
namespace {

std::string TextOf(const HistoryLimits& limits) {
  std::vector<std::string> parts;
  constexpr Duration kDay = std::chrono::hours(24);
  if (limits.age > Duration::zero() && limits.age % kDay == Duration::zero()) {
    parts.push_back(absl::StrFormat("for %d days", limits.age / kDay));
  } else if (limits.age > Duration::zero()) {
    parts.push_back("for " + FormatDuration(limits.age));
  }
  if (limits.runs > 0) parts.push_back(absl::StrFormat("%d at most", limits.runs));
  if (limits.bytes > 0) parts.push_back("in " + FormatSize(static_cast<std::int64_t>(limits.bytes)));
  return parts.empty() ? "without a limit" : absl::StrJoin(parts, ", ");
}

// Why it may have gone: how much there is, and what is kept.
absl::Status Missing(History& history, const absl::Status& status, const std::optional<HistoryLimits>& limits) {
  if (status.code() != absl::StatusCode::kNotFound) return status;
  MILLRACE_ASSIGN_OR_RETURN(const HistoryExtent extent, history.Extent());
  return NotFound("%s; it has %d runs%s", millrace::TextOf(status), extent.runs,
                  limits ? ", which are kept " + TextOf(*limits) : "");
}

absl::Status AnswerRuns(History& history, const Query& query, Answer& answer) {
  PastRunFilter filter;
  filter.name = query.name;
  filter.state = query.state;
  filter.after_unix_ms = query.after_unix_ms;
  filter.before = RunId{query.since};
  filter.rows = query.limit;
  MILLRACE_ASSIGN_OR_RETURN(Page<PastRun> page, history.Runs(filter));
  answer.past_runs = std::move(page.rows);
  answer.more = page.more;
  answer.next = answer.past_runs.empty() ? query.since : answer.past_runs.back().view.run.value;
  return absl::OkStatus();
}

template <class Value>
Payload Packed(const Value& value) {
  Payload payload;
  payload.bytes = wire::PackPayload(Bytes(wire::Encode<wire::Layout::kPositional>(value)));
  payload.size = payload.bytes.size();
  return payload;
}

absl::Status AnswerTasks(History& history, const Query& query, Answer& answer) {
  if (!query.task.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(PastTask task, history.FindTask(answer.run, query.task));
    MILLRACE_ASSIGN_OR_RETURN(const std::optional<PastWork> work, history.FindWork(answer.run, task));
    if (work) answer.result = Packed(*work);
    answer.past_tasks.push_back(std::move(task));
    return absl::OkStatus();
  }
  if (query.name == kAskForJob) {
    MILLRACE_ASSIGN_OR_RETURN(const std::optional<JobSpec> job, history.Job(answer.run));
    if (job) answer.result = Packed(*job);
  }
  MILLRACE_ASSIGN_OR_RETURN(Page<PastTask> page, history.Tasks(answer.run, query.since, query.limit));
  answer.past_tasks = std::move(page.rows);
  answer.more = page.more;
  answer.next = query.since + answer.past_tasks.size();
  return absl::OkStatus();
}

absl::Status AnswerResult(History& history, const Query& query, Answer& answer) {
  MILLRACE_ASSIGN_OR_RETURN(const PastTask task, history.FindTask(answer.run, query.task));
  if (!IsGood(task.view.outcome)) {
    const std::string& why = task.view.failure.message.empty() ? task.view.reason : task.view.failure.message;
    return FailedPrecondition("'%s' has no result: it did not succeed%s", query.task,
                              why.empty() ? "" : absl::StrFormat(" (%s)", why));
  }
  answer.result = task.result;
  return absl::OkStatus();
}

absl::Status Fill(History& history, const Query& query, const std::optional<HistoryLimits>& limits, Answer& answer) {
  if (query.kind == QueryKind::kPastRuns) return AnswerRuns(history, query, answer);
  const absl::StatusOr<PastRun> run = history.Find(query.run);
  if (!run.ok()) return Missing(history, run.status(), limits);
  answer.run = run->view.run;
  answer.past_runs.push_back(*run);
  return query.kind == QueryKind::kPastResult ? AnswerResult(history, query, answer)
                                              : AnswerTasks(history, query, answer);
}

}  // namespace

Answer AnswerFromHistory(History& history, const Query& query, const std::optional<HistoryLimits>& limits) {
  Answer answer;
  answer.request = query.request;
  const absl::Status status = Fill(history, query, limits, answer);
  answer.code = static_cast<std::int32_t>(status.code());
  if (!status.ok()) answer.message = millrace::TextOf(status);
  return answer;
}

}  // namespace millrace::store

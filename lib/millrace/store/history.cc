// SPDX-License-Identifier: Apache-2.0
#include "millrace/store/history.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/wire/codec.h"

namespace millrace::store {
namespace {

constexpr std::int32_t kApplication = 0x4d4c5248;  // "MLRH"
constexpr int kVersion = 3;
constexpr int kVersionWithLinks = 2;
// Columns are what is searched for; all else is in the bodies, positional msgpack, whose structs grow at their ends.
constexpr std::string_view kSchema =
    "CREATE TABLE runs(run INTEGER PRIMARY KEY, name TEXT NOT NULL, state INTEGER NOT NULL, ended INTEGER NOT NULL,"
    " body BLOB NOT NULL, job BLOB);"
    "CREATE INDEX runs_ended ON runs(ended, run);"
    "CREATE INDEX runs_name ON runs(name, run);"
    "CREATE TABLE tasks(run INTEGER NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,"
    " links BLOB, work BLOB, PRIMARY KEY(run, position)) WITHOUT ROWID";  // one tree instead of two; both are read and
                                                                          // written alike
constexpr std::int64_t kRemovedAtOnce = 5000;                             // tasks in one transaction
constexpr std::size_t kNamesCompared = 10'000;                            // for a suggestion

std::int64_t Key(RunId run) { return static_cast<std::int64_t>(run.value); }

template <class T>
absl::StatusOr<T> DecodeBody(const Statement& row, int column) {
  auto value = wire::Decode<T, wire::Layout::kPositional>(row.Blob(column));
  if (value.ok()) return value;
  return Error(absl::StatusCode::kDataLoss, "a row of the history is damaged: %s", TextOf(value.status()));
}

// What a file says of its tables may be anything.
absl::Status CheckRow(const JobSpec& tables, const TaskSpec& task) {
  if (task.module < tables.modules.size() && task.requirements < tables.requirements.size() &&
      task.policy < tables.policies.size()) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kDataLoss, "a row of the history is damaged: it names what its run does not have");
}

}  // namespace

absl::StatusOr<History> History::Open(const std::filesystem::path& file) {
  MILLRACE_ASSIGN_OR_RETURN(Database database, Database::Open(file, kApplication, kVersion, kSchema));
  MILLRACE_RETURN_IF_ERROR(database.Run("PRAGMA journal_size_limit=16777216"));  // what one large run has left there
  History history(std::move(database));
  MILLRACE_RETURN_IF_ERROR(history.Upgrade());
  return history;
}

// A file of version 1 has no links, one of version 2 does not know how tasks were submitted. Looked at again inside of
// the transaction: somebody else may be as far.
absl::Status History::Upgrade() {
  MILLRACE_ASSIGN_OR_RETURN(const std::int64_t version, Number("PRAGMA user_version"));
  if (version >= kVersion) return absl::OkStatus();
  MILLRACE_RETURN_IF_ERROR(database_.Run("BEGIN IMMEDIATE"));
  absl::Status status;
  const absl::StatusOr<std::int64_t> again = Number("PRAGMA user_version");
  if (!again.ok()) {
    status = again.status();
  } else if (*again < kVersion) {
    const char* links = *again < kVersionWithLinks ? "ALTER TABLE tasks ADD COLUMN links BLOB;" : "";
    status = database_.Run(absl::StrFormat(
        "%sALTER TABLE tasks ADD COLUMN work BLOB; ALTER TABLE runs ADD COLUMN job BLOB; PRAGMA user_version=%d", links,
        kVersion));
  }
  if (status.ok()) status = database_.Run("COMMIT");
  if (!status.ok()) static_cast<void>(database_.Run("ROLLBACK"));
  return status;
}

absl::StatusOr<History> History::OpenToRead(const std::filesystem::path& file) {
  MILLRACE_ASSIGN_OR_RETURN(Database database, Database::OpenToRead(file, kApplication, kVersion));
  return History(std::move(database));
}

absl::StatusOr<std::int64_t> History::Number(std::string_view sql) {
  MILLRACE_ASSIGN_OR_RETURN(Statement select, database_.Prepare(sql));
  MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
  return row ? select.Int(0) : 0;
}

absl::StatusOr<bool> History::Has(RunId run) {
  MILLRACE_ASSIGN_OR_RETURN(Statement select, database_.Prepare("SELECT 1 FROM runs WHERE run=?1"));
  select.BindInt(1, Key(run));
  return select.Next();
}

absl::Status History::Write(const PastRun& run, std::uint32_t tasks, const TaskAt& task_at, const LinksAt& links_at,
                            const Submission* submission) {
  MILLRACE_RETURN_IF_ERROR(database_.Run("BEGIN IMMEDIATE"));
  absl::Status status = WriteRows(run, tasks, task_at, links_at, submission);
  if (status.ok()) status = database_.Run("COMMIT");
  // SQLite may have rolled it back already, and saying so is no error.
  if (!status.ok()) static_cast<void>(database_.Run("ROLLBACK"));
  return status;
}

absl::Status History::WriteRows(const PastRun& run, std::uint32_t tasks, const TaskAt& task_at, const LinksAt& links_at,
                                const Submission* submission) {
  const std::int64_t key = Key(run.view.run);
  MILLRACE_RETURN_IF_ERROR(database_.Run(absl::StrFormat("DELETE FROM tasks WHERE run=%d", key)));
  MILLRACE_ASSIGN_OR_RETURN(
      Statement insert,
      database_.Prepare("INSERT INTO tasks(run, position, name, body, links, work) VALUES(?1,?2,?3,?4,?5,?6)"));
  for (std::uint32_t i = 0; i < tasks; ++i) {
    const PastTask task = task_at(i);
    const std::string body = wire::Encode<wire::Layout::kPositional>(task);
    insert.Reset();
    insert.BindInt(1, key);
    insert.BindInt(2, i);
    insert.BindText(3, task.view.name);
    insert.BindBlob(4, body);
    const std::string links = links_at ? wire::Encode<wire::Layout::kPositional>(links_at(i)) : "";
    if (links_at) insert.BindBlob(5, links);
    const std::string work =
        submission != nullptr ? wire::Encode<wire::Layout::kPositional>(submission->task_at(i)) : "";
    if (submission != nullptr) insert.BindBlob(6, work);
    MILLRACE_RETURN_IF_ERROR(insert.Next().status());
    insert.Reset();
  }
  const std::string body = wire::Encode<wire::Layout::kPositional>(run);
  MILLRACE_ASSIGN_OR_RETURN(
      Statement put,
      database_.Prepare("INSERT OR REPLACE INTO runs(run, name, state, ended, body, job) VALUES(?1,?2,?3,?4,?5,?6)"));
  put.BindInt(1, key);
  put.BindText(2, run.view.name);
  put.BindInt(3, static_cast<std::int64_t>(run.view.state));
  put.BindInt(4, run.ended_unix_ms);
  put.BindBlob(5, body);
  const std::string job = submission != nullptr ? wire::Encode<wire::Layout::kPositional>(submission->tables) : "";
  if (submission != nullptr) put.BindBlob(6, job);
  return put.Next().status();
}

absl::StatusOr<std::uint64_t> History::Retain(const HistoryLimits& limits, std::int64_t now_unix_ms) {
  const std::int64_t age = std::chrono::duration_cast<std::chrono::milliseconds>(limits.age).count();
  MILLRACE_ASSIGN_OR_RETURN(std::int64_t count, Number("SELECT count(*) FROM runs"));
  for (std::uint64_t removed = 0;; ++removed, --count) {
    RunId oldest;
    std::int64_t ended = 0;
    {
      MILLRACE_ASSIGN_OR_RETURN(Statement select,
                                database_.Prepare("SELECT run, ended FROM runs ORDER BY ended, run LIMIT 1"));
      MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
      if (!row) return removed;
      oldest.value = static_cast<std::uint64_t>(select.Int(0));
      ended = select.Int(1);
    }
    MILLRACE_ASSIGN_OR_RETURN(const std::uint64_t bytes, BytesInUse());
    const bool too_old = age > 0 && ended < now_unix_ms - age;
    const bool too_many = limits.runs > 0 && count > limits.runs;
    const bool too_large = limits.bytes > 0 && bytes > limits.bytes && count > 1;
    if (!too_old && !too_many && !too_large) return removed;
    MILLRACE_RETURN_IF_ERROR(Remove(oldest));
  }
}

// From its last task to its first, and the run itself at the end: whatever ends this in the middle, the run is the next
// one to be removed again.
absl::Status History::Remove(RunId run) {
  MILLRACE_ASSIGN_OR_RETURN(const std::int64_t last,
                            Number(absl::StrFormat("SELECT max(position) FROM tasks WHERE run=%d", Key(run))));
  for (std::int64_t from = last / kRemovedAtOnce * kRemovedAtOnce; from >= 0; from -= kRemovedAtOnce) {
    MILLRACE_RETURN_IF_ERROR(
        database_.Run(absl::StrFormat("DELETE FROM tasks WHERE run=%d AND position>=%d", Key(run), from)));
  }
  return database_.Run(absl::StrFormat("DELETE FROM runs WHERE run=%d", Key(run)));
}

absl::StatusOr<Page<PastRun>> History::Runs(const PastRunFilter& filter) {
  const std::string by_name = filter.name.empty() ? "" : " AND name=?3";
  const std::string by_state = filter.state ? absl::StrFormat(" AND state=%d", static_cast<int>(*filter.state)) : "";
  MILLRACE_ASSIGN_OR_RETURN(Statement select, database_.Prepare("SELECT body FROM runs WHERE run<?1 AND ended>?2" +
                                                                by_name + by_state + " ORDER BY run DESC"));
  select.BindInt(1, filter.before.valid() ? Key(filter.before) : INT64_MAX);
  select.BindInt(2, filter.after_unix_ms);
  if (!by_name.empty()) select.BindText(3, filter.name);
  Page<PastRun> page;
  for (std::size_t bytes = 0;;) {
    MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
    if (!row) return page;
    if ((filter.rows > 0 && page.rows.size() >= filter.rows) || bytes >= kPageBytes) {
      page.more = true;
      return page;
    }
    bytes += select.Blob(0).size();
    MILLRACE_ASSIGN_OR_RETURN(PastRun run, DecodeBody<PastRun>(select, 0));
    page.rows.push_back(std::move(run));
  }
}

absl::StatusOr<PastRun> History::Find(RunId run) {
  MILLRACE_ASSIGN_OR_RETURN(Statement select,
                            database_.Prepare(run.valid() ? "SELECT body FROM runs WHERE run=?1"
                                                          : "SELECT body FROM runs ORDER BY run DESC LIMIT 1"));
  if (run.valid()) select.BindInt(1, Key(run));
  MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
  if (row) return DecodeBody<PastRun>(select, 0);
  if (!run.valid()) return NotFound("the history is empty");
  MILLRACE_ASSIGN_OR_RETURN(Statement others,
                            database_.Prepare("SELECT run FROM runs ORDER BY abs(run-?1), run LIMIT 100"));
  others.BindInt(1, Key(run));
  std::vector<std::string> names;
  while (true) {
    MILLRACE_ASSIGN_OR_RETURN(const bool more, others.Next());
    if (!more) break;
    names.push_back(RunName(RunId{static_cast<std::uint64_t>(others.Int(0))}));
  }
  return NotFound("there is no run %s in the history%s", RunName(run), DidYouMean(RunName(run), names));
}

absl::StatusOr<Page<PastTask>> History::Tasks(RunId run, std::uint64_t skip, std::uint32_t rows) {
  MILLRACE_ASSIGN_OR_RETURN(
      Statement select, database_.Prepare("SELECT body FROM tasks WHERE run=?1 AND position>=?2 ORDER BY position"));
  select.BindInt(1, Key(run));
  select.BindInt(2, static_cast<std::int64_t>(std::min<std::uint64_t>(skip, INT64_MAX)));
  Page<PastTask> page;
  for (std::size_t bytes = 0;;) {
    MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
    if (!row) return page;
    if ((rows > 0 && page.rows.size() >= rows) || bytes >= kPageBytes) {
      page.more = true;
      return page;
    }
    bytes += select.Blob(0).size();
    MILLRACE_ASSIGN_OR_RETURN(PastTask task, DecodeBody<PastTask>(select, 0));
    page.rows.push_back(std::move(task));
  }
}

absl::StatusOr<std::vector<std::optional<PastLinks>>> History::Links(RunId run) {
  std::vector<std::optional<PastLinks>> all;
  MILLRACE_ASSIGN_OR_RETURN(const std::int64_t version, Number("PRAGMA user_version"));
  if (version < kVersionWithLinks) return all;  // opened to read, so that it stays as it is
  MILLRACE_ASSIGN_OR_RETURN(Statement select,
                            database_.Prepare("SELECT links FROM tasks WHERE run=?1 ORDER BY position"));
  select.BindInt(1, Key(run));
  while (true) {
    MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
    if (!row) return all;
    std::optional<PastLinks>& links = all.emplace_back();
    if (select.Blob(0).empty()) continue;
    MILLRACE_ASSIGN_OR_RETURN(links, DecodeBody<PastLinks>(select, 0));
  }
}

absl::StatusOr<std::optional<JobSpec>> History::Tables(RunId run) {
  MILLRACE_ASSIGN_OR_RETURN(const std::int64_t version, Number("PRAGMA user_version"));
  if (version < kVersion) return std::nullopt;  // opened to read, so that it stays as it is
  MILLRACE_ASSIGN_OR_RETURN(Statement select, database_.Prepare("SELECT job FROM runs WHERE run=?1"));
  select.BindInt(1, Key(run));
  MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
  if (!row || select.Blob(0).empty()) return std::nullopt;
  MILLRACE_ASSIGN_OR_RETURN(JobSpec job, DecodeBody<JobSpec>(select, 0));
  return job;
}

absl::StatusOr<std::optional<JobSpec>> History::Job(RunId run) {
  MILLRACE_ASSIGN_OR_RETURN(std::optional<JobSpec> job, Tables(run));
  if (!job) return job;
  MILLRACE_ASSIGN_OR_RETURN(Statement select,
                            database_.Prepare("SELECT name, links, work FROM tasks WHERE run=?1 ORDER BY position"));
  select.BindInt(1, Key(run));
  while (true) {
    MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
    if (!row) return job;
    if (select.Blob(1).empty() || select.Blob(2).empty()) return std::nullopt;
    TaskSpec& task = job->tasks.emplace_back();
    MILLRACE_ASSIGN_OR_RETURN(SubmittedTask submitted, DecodeBody<SubmittedTask>(select, 2));
    MILLRACE_ASSIGN_OR_RETURN(PastLinks links, DecodeBody<PastLinks>(select, 1));
    task = std::move(submitted.spec);
    task.name = select.Blob(0);
    task.inputs = {};
    task.env.clear();
    task.needs = std::move(links.needs);
    MILLRACE_RETURN_IF_ERROR(CheckRow(*job, task));
  }
}

absl::StatusOr<std::optional<PastWork>> History::FindWork(RunId run, const PastTask& task) {
  MILLRACE_ASSIGN_OR_RETURN(const std::optional<JobSpec> tables, Tables(run));
  if (!tables) return std::nullopt;
  MILLRACE_ASSIGN_OR_RETURN(Statement select,
                            database_.Prepare("SELECT links, work FROM tasks WHERE run=?1 AND position=?2"));
  select.BindInt(1, Key(run));
  select.BindInt(2, task.view.index);
  MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
  if (!row || select.Blob(0).empty() || select.Blob(1).empty()) return std::nullopt;
  MILLRACE_ASSIGN_OR_RETURN(PastLinks links, DecodeBody<PastLinks>(select, 0));
  MILLRACE_ASSIGN_OR_RETURN(SubmittedTask submitted, DecodeBody<SubmittedTask>(select, 1));
  MILLRACE_RETURN_IF_ERROR(CheckRow(*tables, submitted.spec));
  PastWork work;
  work.inputs_left_out = submitted.inputs_left_out;
  work.needs_left_out = links.needs_left_out;
  TaskSpec& spec = submitted.spec;
  work.job.name = tables->name;
  work.job.fail_mode = tables->fail_mode;
  work.job.use_cache = tables->use_cache;
  work.job.modules = {tables->modules[spec.module]};
  work.job.requirements = {tables->requirements[spec.requirements]};
  work.job.policies = {tables->policies[spec.policy]};
  spec.name = task.view.name;
  spec.module = spec.requirements = spec.policy = 0;
  spec.needs = std::move(links.needs);
  work.job.tasks = {std::move(spec)};
  return work;
}

absl::StatusOr<PastTask> History::FindTask(RunId run, const std::string& name) {
  {
    MILLRACE_ASSIGN_OR_RETURN(Statement select, database_.Prepare("SELECT body FROM tasks WHERE run=?1 AND name=?2"));
    select.BindInt(1, Key(run));
    select.BindText(2, name);
    MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
    if (row) return DecodeBody<PastTask>(select, 0);
  }
  MILLRACE_ASSIGN_OR_RETURN(Statement select, database_.Prepare("SELECT name FROM tasks WHERE run=?1 LIMIT ?2"));
  select.BindInt(1, Key(run));
  select.BindInt(2, kNamesCompared);
  std::vector<std::string> names;
  while (true) {
    MILLRACE_ASSIGN_OR_RETURN(const bool row, select.Next());
    if (!row) break;
    names.emplace_back(select.Blob(0));
  }
  return NotFound("run %s has no task '%s' in the history%s", RunName(run), name, DidYouMean(name, names));
}

absl::StatusOr<HistoryExtent> History::Extent() {
  MILLRACE_ASSIGN_OR_RETURN(const std::int64_t runs, Number("SELECT count(*) FROM runs"));
  MILLRACE_ASSIGN_OR_RETURN(const std::int64_t oldest, Number("SELECT min(ended) FROM runs"));
  return HistoryExtent{.runs = static_cast<std::uint64_t>(runs), .oldest_end_unix_ms = oldest};
}

// What removal frees stays with the file and is used again.
absl::StatusOr<std::uint64_t> History::BytesInUse() {
  MILLRACE_ASSIGN_OR_RETURN(const std::int64_t pages, Number("PRAGMA page_count"));
  MILLRACE_ASSIGN_OR_RETURN(const std::int64_t free, Number("PRAGMA freelist_count"));
  MILLRACE_ASSIGN_OR_RETURN(const std::int64_t size, Number("PRAGMA page_size"));
  return static_cast<std::uint64_t>((pages - free) * size);
}

absl::StatusOr<std::filesystem::path> PutAside(const std::filesystem::path& file) {
  const auto beside = [](const std::filesystem::path& path, const char* suffix) {
    return std::filesystem::path(path.string() + suffix);
  };
  std::filesystem::path name = beside(file, ".damaged");
  for (int i = 2; std::filesystem::exists(name); ++i) name = file.string() + absl::StrFormat(".damaged.%d", i);
  std::error_code error;
  std::filesystem::rename(file, name, error);
  if (error) return ErrnoStatus(error.value(), "rename " + file.string());
  // The log belongs to the file that it was written for.
  std::filesystem::rename(beside(file, "-wal"), beside(name, "-wal"), error);
  std::filesystem::remove(beside(file, "-shm"), error);
  return name;
}

}  // namespace millrace::store

// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/record_entries.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "millrace/base/status.h"
#include "millrace/wire/packed_tasks.h"
#include "millrace/wire/record_frame.h"
#include "millrace/wire/tagged.h"

namespace millrace::wire {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kMaxStretch = 1u << 16;       // records of one entry
constexpr std::size_t kMaxStretchBytes = 1u << 20;  // of its rows, beyond which none begins
constexpr std::size_t kMaxWorkers = 16;             // of one entry: they are looked for one by one

// The same as they are on disk.
struct AssignedRows {
  static constexpr std::uint8_t kKind = TasksAssigned::kKind;
  RunId run;
  std::vector<std::string> workers;
  std::uint32_t count = 0;
  Bytes rows;
};
struct SucceededRows {
  static constexpr std::uint8_t kKind = TasksSucceeded::kKind;
  RunId run;
  std::uint32_t count = 0;
  Bytes rows;
};
using Stretch = std::variant<AssignedRows, SucceededRows>;

// It was accepted when it came; that it is large is no reason to refuse it now.
Limits LimitsFor(std::size_t bytes) {
  Limits limits;
  limits.max_bytes = std::max(limits.max_bytes, bytes);
  limits.max_string = std::max(limits.max_string, bytes);
  return limits;
}

void PutVarint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}
// Differences are taken modulo 2^64, so that any two values have one.
void PutDifference(std::string& out, std::uint64_t value, std::uint64_t from) {
  const std::uint64_t difference = value - from;
  PutVarint(out, difference << 1 ^ (difference >> 63 != 0 ? ~std::uint64_t{0} : 0));
}

class RowReader {
 public:
  explicit RowReader(std::string_view rows) : rows_(rows) {}

  bool Varint(std::uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64 && !rows_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rows_.front());
      rows_.remove_prefix(1);
      if (shift == 63 && byte > 1) return false;
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool Step(std::uint64_t& value) {  // by the next difference
    std::uint64_t difference = 0;
    if (!Varint(difference)) return false;
    value += difference >> 1 ^ ((difference & 1) != 0 ? ~std::uint64_t{0} : 0);
    return true;
  }
  bool Text(std::uint64_t size, std::string_view& text) {
    if (size > rows_.size()) return false;
    text = rows_.substr(0, size);
    rows_.remove_prefix(size);
    return true;
  }
  bool empty() const { return rows_.empty(); }

 private:
  std::string_view rows_;
};

// With what each row begins: the task, its attempt, and when that was assigned or has started.
struct Place {
  std::uint64_t task = 0;
  std::uint64_t attempt = 0;
  std::uint64_t time = 0;

  void Put(std::string& rows, const TaskRef& next_task, AttemptId next_attempt, std::int64_t next_time) {
    PutDifference(rows, next_task.index, std::exchange(task, next_task.index));
    PutDifference(rows, next_attempt.value, std::exchange(attempt, next_attempt.value));
    const auto next = static_cast<std::uint64_t>(next_time);
    PutDifference(rows, next, std::exchange(time, next));
  }
  bool Step(RowReader& rows) {
    return rows.Step(task) && rows.Step(attempt) && rows.Step(time) &&
           task <= std::numeric_limits<std::uint32_t>::max();
  }
  TaskRef TaskOf(RunId run) const { return {run, static_cast<std::uint32_t>(task)}; }
};

void CloseEntry(std::string& body, std::size_t start) {
  std::size_t length = body.size() - start - kLengthBytes;
  for (std::size_t i = 0; i < kLengthBytes; ++i, length >>= 8) body[start + i] = static_cast<char>(length & 0xff);
}

template <class S>
void AddEntryOf(std::string& body, S stretch, std::size_t count, std::string rows) {
  stretch.count = static_cast<std::uint32_t>(count);
  stretch.rows = Bytes(std::move(rows));
  const std::size_t start = body.size();
  body.resize(start + kLengthBytes);
  EncodeTagged(body, Stretch(std::move(stretch)));
  CloseEntry(body, start);
}

// Succeeded, with a result in place if any: all that a row has room for. Bytes that no size tells of are nobody's.
bool IsPlain(const Payload& result) { return !result.digest && result.bytes.size() <= result.size; }
bool IsPlain(const TaskEnded& record) {
  static const Failure kNone;
  return record.outcome == Outcome::kSucceeded && IsPlain(record.result) && record.reason.empty() &&
         record.failure == kNone;
}

// Rows of one stretch, gathered from records as long as they fit.
class AssignedGatherer {
 public:
  // False: it belongs to another stretch.
  bool Take(const Record& record) {
    if (const auto* one = std::get_if<TaskAssigned>(&record)) {
      if (!Opens(one->task.run, one->worker)) return false;
      Add(one->task, one->attempt, one->assigned_unix_ms);
      return true;
    }
    const auto* many = std::get_if<TasksAssigned>(&record);
    if (many == nullptr || !Opens(many->run, many->worker)) return false;
    for (std::size_t row = 0; row < many->tasks.size(); ++row) {
      Add({many->run, many->tasks[row]}, many->AttemptOf(row), many->assigned_unix_ms);
    }
    return true;
  }
  std::size_t count() const { return by_worker_.size(); }
  void AddTo(std::string& body) {
    std::string rows;
    Place place;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      place.Put(rows, places_[i].task, places_[i].attempt, places_[i].time);
      if (stretch_.workers.size() > 1) PutVarint(rows, by_worker_[i]);
    }
    AddEntryOf(body, std::move(stretch_), places_.size(), std::move(rows));
  }

 private:
  struct Row {
    TaskRef task;
    AttemptId attempt;
    std::int64_t time;
  };
  bool Opens(RunId run, const std::string& worker) {
    if (count() == 0) stretch_.run = run;
    if (stretch_.run != run || count() >= kMaxStretch) return false;
    const auto found = std::find(stretch_.workers.begin(), stretch_.workers.end(), worker);
    worker_ = static_cast<std::uint8_t>(found - stretch_.workers.begin());
    if (found != stretch_.workers.end()) return true;
    if (stretch_.workers.size() == kMaxWorkers) return false;
    stretch_.workers.push_back(worker);
    return true;
  }
  void Add(TaskRef task, AttemptId attempt, std::int64_t time) {
    places_.push_back({task, attempt, time});
    by_worker_.push_back(worker_);
  }

  AssignedRows stretch_;
  std::vector<Row> places_;
  std::vector<std::uint8_t> by_worker_;
  std::uint8_t worker_ = 0;
};

class SucceededGatherer {
 public:
  bool Take(const Record& record) {
    if (const auto* one = std::get_if<TaskEnded>(&record)) {
      if (!IsPlain(*one) || !Opens(one->task.run)) return false;
      Add(one->task, one->attempt, one->started_unix_ms, one->ended_unix_ms, one->execution, one->result);
      return true;
    }
    const auto* many = std::get_if<TasksSucceeded>(&record);
    if (many == nullptr || !Opens(many->run)) return false;
    for (std::size_t i = 0; i < many->rows.size(); ++i) {
      const TasksSucceeded::Row& row = many->rows[i];
      Add({many->run, row.task}, row.attempt, row.started_unix_ms, many->ended_unix_ms, row.execution,
          many->ResultOf(i));
    }
    return true;
  }
  std::size_t count() const { return count_; }
  void AddTo(std::string& body) { AddEntryOf(body, std::move(stretch_), count_, std::move(rows_)); }

 private:
  bool Opens(RunId run) {
    if (count_ == 0) stretch_.run = run;
    return stretch_.run == run && count_ < kMaxStretch && rows_.size() <= kMaxStretchBytes;
  }
  void Add(TaskRef task, AttemptId attempt, std::int64_t started, std::int64_t ended, Duration execution,
           const Payload& result) {
    place_.Put(rows_, task, attempt, started);
    PutDifference(rows_, static_cast<std::uint64_t>(ended), place_.time);
    PutDifference(rows_, static_cast<std::uint64_t>(execution.count()), 0);
    PutVarint(rows_, result.size);
    if (result.size > 0) {
      PutDifference(rows_, result.size, result.bytes.size());
      rows_ += result.bytes.view();
    }
    ++count_;
  }

  SucceededRows stretch_;
  Place place_;
  std::string rows_;
  std::size_t count_ = 0;
};

// The first records as one entry; how many they were, or 0: of a single one nothing is added, by itself it is as short.
template <class Gatherer>
std::size_t AddGathered(std::string& body, std::span<const Record> records) {
  Gatherer gatherer;
  std::size_t taken = 0;
  while (taken < records.size() && gatherer.Take(records[taken])) ++taken;
  if (gatherer.count() < 2) return 0;
  gatherer.AddTo(body);
  return taken;
}

std::size_t AddStretch(std::string& body, std::span<const Record> records) {
  if (const std::size_t taken = AddGathered<AssignedGatherer>(body, records); taken > 0) return taken;
  return AddGathered<SucceededGatherer>(body, records);
}

absl::Status Broken(std::string_view what) {
  return Error(absl::StatusCode::kDataLoss, "a stretch of records has %s", what);
}

using OnRecord = std::function<absl::Status(Record record)>;

// What follows the place in a row of each kind; an error when it is nothing that is written.
absl::Status ReadRow(const AssignedRows& stretch, const Place& place, RowReader& rows, Record& to) {
  std::uint64_t worker = 0;
  if (stretch.workers.size() != 1 && !rows.Varint(worker)) return Broken("a broken row");
  if (worker >= stretch.workers.size()) return Broken("a worker without a name");
  to = TaskAssigned{.task = place.TaskOf(stretch.run),
                    .attempt = AttemptId{place.attempt},
                    .worker = stretch.workers[worker],
                    .assigned_unix_ms = static_cast<std::int64_t>(place.time)};
  return absl::OkStatus();
}

absl::Status ReadRow(const SucceededRows& stretch, const Place& place, RowReader& rows, Record& to) {
  std::uint64_t ended = place.time;
  std::uint64_t execution = 0;
  std::uint64_t size = 0;
  std::uint64_t missing = 0;
  std::string_view bytes;
  bool read = rows.Step(ended) && rows.Step(execution) && rows.Varint(size);
  if (read && size > 0) read = rows.Step(missing) && missing <= size && rows.Text(size - missing, bytes);
  if (!read) return Broken("a broken row");
  TaskEnded& record = to.emplace<TaskEnded>();
  record.task = place.TaskOf(stretch.run);
  record.attempt = AttemptId{place.attempt};
  record.outcome = Outcome::kSucceeded;
  record.result.bytes = Bytes::Copy(bytes);
  record.result.size = size;
  record.execution = Duration(static_cast<std::int64_t>(execution));
  record.started_unix_ms = static_cast<std::int64_t>(place.time);
  record.ended_unix_ms = static_cast<std::int64_t>(ended);
  return absl::OkStatus();
}

template <class S>
absl::Status ReadStretch(const S& stretch, const OnRecord& on_record) {
  RowReader rows(stretch.rows.view());
  Place place;
  for (std::uint32_t i = 0; i < stretch.count; ++i) {
    if (!place.Step(rows)) return Broken("a broken row");
    Record record;
    MILLRACE_RETURN_IF_ERROR(ReadRow(stretch, place, rows, record));
    MILLRACE_RETURN_IF_ERROR(on_record(std::move(record)));
  }
  return rows.empty() ? absl::OkStatus() : Broken("more rows than it says");
}

// Arrays of fewer than 16 begin with one byte, and kinds are one byte.
bool IsStretch(std::string_view entry) {
  return entry.size() > 1 && (entry[1] == TasksAssigned::kKind || entry[1] == TasksSucceeded::kKind);
}

}  // namespace

std::size_t AddRecords(std::string& body, std::span<const Record> records, std::size_t max_bytes) {
  std::size_t taken = 0;
  while (taken < records.size() && (taken == 0 || body.size() < max_bytes)) {
    if (const std::size_t count = AddStretch(body, records.subspan(taken)); count > 0) {
      taken += count;
    } else {
      Unfold(records[taken++], [&body](const Record& record) { AddEntry(body, EncodeRecord(record)); });
    }
  }
  return taken;
}

void AddEntry(std::string& body, std::string_view entry) {
  const std::size_t start = body.size();
  body.resize(start + kLengthBytes);
  body += entry;
  CloseEntry(body, start);
}

std::optional<std::vector<std::string_view>> EntriesOf(std::string_view body) {
  std::vector<std::string_view> entries;
  while (body.size() >= kLengthBytes) {
    std::size_t length = 0;
    for (std::size_t i = kLengthBytes; i-- > 0;) length = length << 8 | static_cast<unsigned char>(body[i]);
    body.remove_prefix(kLengthBytes);
    if (length > body.size()) return std::nullopt;
    entries.push_back(body.substr(0, length));
    body.remove_prefix(length);
  }
  if (!body.empty()) return std::nullopt;
  return entries;
}

absl::Status ReadEntry(std::string_view entry, const OnRecord& on_record) {
  const auto as_loss = [](const absl::Status& status) {
    return status.code() == absl::StatusCode::kUnimplemented ? status
                                                             : Error(absl::StatusCode::kDataLoss, "%s", TextOf(status));
  };
  if (!IsStretch(entry)) {
    auto record = DecodeRecord(Bytes::Copy(entry), LimitsFor(entry.size()));
    return record.ok() ? on_record(*std::move(record)) : as_loss(record.status());
  }
  const auto stretch = DecodeTagged<Stretch>(Bytes::Copy(entry), LimitsFor(entry.size()), "stretch of records");
  if (!stretch.ok()) return as_loss(stretch.status());
  return std::visit([&](const auto& body) { return ReadStretch(body, on_record); }, *stretch);
}

std::optional<RunId> AcceptedIn(std::string_view entry) {
  Reader reader(entry, LimitsFor(entry.size()));
  std::size_t count = 0;
  std::uint32_t kind = 0;
  RunId run;
  if (!reader.EnterArray(count) || count < 2 || !reader.ReadInteger(kind) || kind != RunAccepted::kKind ||
      !codec::Read<Layout::kPositional>(reader, run)) {
    return std::nullopt;
  }
  return run;
}

}  // namespace millrace::wire

// SPDX-License-Identifier: Apache-2.0
#include "millrace/wire/record_entries.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "millrace/base/status.h"
#include "millrace/wire/record_frame.h"
#include "millrace/wire/tagged.h"

namespace millrace::wire {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kMaxStretch = 1u << 16;       // records of one entry
constexpr std::size_t kMaxStretchBytes = 1u << 20;  // of its rows, beyond which none begins
constexpr std::size_t kMaxWorkers = 16;             // of one entry: they are looked for one by one

struct TasksAssigned {
  static constexpr std::uint8_t kKind = 8;
  RunId run;
  std::vector<std::string> workers;
  std::uint32_t count = 0;
  Bytes rows;
};
struct TasksSucceeded {
  static constexpr std::uint8_t kKind = 9;
  RunId run;
  std::uint32_t count = 0;
  Bytes rows;
};
using Stretch = std::variant<TasksAssigned, TasksSucceeded>;

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

// How many records they are. Of one nothing is added: by itself it is as short.
template <class S>
std::size_t AddEntryOf(std::string& body, S stretch, std::size_t count, std::string rows) {
  if (count < 2) return 0;
  stretch.count = static_cast<std::uint32_t>(count);
  stretch.rows = Bytes(std::move(rows));
  const std::size_t start = body.size();
  body.resize(start + kLengthBytes);
  EncodeTagged(body, Stretch(std::move(stretch)));
  CloseEntry(body, start);
  return count;
}

// Succeeded, with a result in place if any: all that a row has room for. Bytes that no size tells of are nobody's.
bool IsPlain(const TaskEnded& record) {
  static const Failure kNone;
  return record.outcome == Outcome::kSucceeded && !record.result.digest && record.reason.empty() &&
         record.result.bytes.size() <= record.result.size && record.failure == kNone;
}

// The first records as one entry; how many they were, or 0.
std::size_t AddAssigned(std::string& body, std::span<const Record> records) {
  TasksAssigned stretch{.run = std::get<TaskAssigned>(records[0]).task.run, .workers = {}, .count = 0, .rows = {}};
  std::vector<std::uint8_t> by_worker;
  for (const Record& record : records.first(std::min(records.size(), kMaxStretch))) {
    const auto* assigned = std::get_if<TaskAssigned>(&record);
    if (assigned == nullptr || assigned->task.run != stretch.run) break;
    const auto found = std::find(stretch.workers.begin(), stretch.workers.end(), assigned->worker);
    if (found == stretch.workers.end() && stretch.workers.size() == kMaxWorkers) break;
    by_worker.push_back(static_cast<std::uint8_t>(found - stretch.workers.begin()));
    if (found == stretch.workers.end()) stretch.workers.push_back(assigned->worker);
  }
  std::string rows;
  Place place;
  for (std::size_t i = 0; i < by_worker.size(); ++i) {
    const auto& assigned = std::get<TaskAssigned>(records[i]);
    place.Put(rows, assigned.task, assigned.attempt, assigned.assigned_unix_ms);
    if (stretch.workers.size() > 1) PutVarint(rows, by_worker[i]);
  }
  return AddEntryOf(body, std::move(stretch), by_worker.size(), std::move(rows));
}

std::size_t AddSucceeded(std::string& body, std::span<const Record> records) {
  TasksSucceeded stretch{.run = std::get<TaskEnded>(records[0]).task.run, .count = 0, .rows = {}};
  std::string rows;
  std::size_t count = 0;
  Place place;
  for (const Record& record : records.first(std::min(records.size(), kMaxStretch))) {
    const auto* ended = std::get_if<TaskEnded>(&record);
    if (ended == nullptr || ended->task.run != stretch.run || !IsPlain(*ended) || rows.size() > kMaxStretchBytes) break;
    place.Put(rows, ended->task, ended->attempt, ended->started_unix_ms);
    PutDifference(rows, static_cast<std::uint64_t>(ended->ended_unix_ms), place.time);
    PutDifference(rows, static_cast<std::uint64_t>(ended->execution.count()), 0);
    PutVarint(rows, ended->result.size);
    if (ended->result.size > 0) {
      PutDifference(rows, ended->result.size, ended->result.bytes.size());
      rows += ended->result.bytes.view();
    }
    ++count;
  }
  return AddEntryOf(body, std::move(stretch), count, std::move(rows));
}

std::size_t AddStretch(std::string& body, std::span<const Record> records) {
  if (std::holds_alternative<TaskAssigned>(records[0])) return AddAssigned(body, records);
  const auto* ended = std::get_if<TaskEnded>(&records[0]);
  return ended != nullptr && IsPlain(*ended) ? AddSucceeded(body, records) : 0;
}

absl::Status Broken(std::string_view what) {
  return Error(absl::StatusCode::kDataLoss, "a stretch of records has %s", what);
}

using OnRecord = std::function<absl::Status(Record record)>;

// What follows the place in a row of each kind; an error when it is nothing that is written.
absl::Status ReadRow(const TasksAssigned& stretch, const Place& place, RowReader& rows, Record& to) {
  std::uint64_t worker = 0;
  if (stretch.workers.size() != 1 && !rows.Varint(worker)) return Broken("a broken row");
  if (worker >= stretch.workers.size()) return Broken("a worker without a name");
  to = TaskAssigned{.task = place.TaskOf(stretch.run),
                    .attempt = AttemptId{place.attempt},
                    .worker = stretch.workers[worker],
                    .assigned_unix_ms = static_cast<std::int64_t>(place.time)};
  return absl::OkStatus();
}

absl::Status ReadRow(const TasksSucceeded& stretch, const Place& place, RowReader& rows, Record& to) {
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
      AddEntry(body, EncodeRecord(records[taken++]));
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

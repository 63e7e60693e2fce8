// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/history_thread.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/log/log.h"
#include "millrace/net/link.h"
#include "millrace/serve/clock.h"
#include "millrace/serve/disk_thread.h"
#include "millrace/store/history_query.h"

namespace millrace::serve {
namespace {

// Ended runs held while the history cannot be written. Those beyond are in the journal, for the next start.
constexpr std::size_t kMaxWaiting = 1000;
constexpr std::size_t kLookAfter = 4096;  // records
// Between two looks while nobody asks: small runs that end one after the other are written together.
constexpr int kPauseMs = 10;
// Of this thread alone: what others wait for goes first.
constexpr int kNiceness = 19;

bool EndsARun(const std::vector<Record>& batch) {
  return std::any_of(batch.begin(), batch.end(),
                     [](const Record& record) { return std::holds_alternative<RunEnded>(record); });
}

}  // namespace

HistoryThread::HistoryThread(Options options, std::optional<store::BlobStore> blobs, net::Mailbox<StoreAnswer>& answers,
                             net::Mailbox<HistoryNews>& news)
    : options_(std::move(options)), blobs_(std::move(blobs)), answers_(answers), news_(news) {
  trouble_ = OnAWholeFile(&HistoryThread::Open);
}

HistoryThread::~HistoryThread() {
  if (!thread_.joinable()) return;
  jobs_.Push(Stop{});
  urgent_.Signal();
  thread_.join();
}

void HistoryThread::Ask(PeerId peer, Query query) {
  jobs_.Push(Question{peer, std::move(query)});
  urgent_.Signal();
}

absl::Status HistoryThread::Open() {
  MILLRACE_ASSIGN_OR_RETURN(history_, store::History::Open(options_.file));
  return absl::OkStatus();
}

// When that shows that the file is damaged, it is done again on a new one.
absl::Status HistoryThread::OnAWholeFile(absl::Status (HistoryThread::*work)()) {
  absl::Status status = (this->*work)();
  if (status.code() != absl::StatusCode::kDataLoss || put_aside_) return status;
  history_.reset();
  MILLRACE_ASSIGN_OR_RETURN(const std::filesystem::path kept, store::PutAside(options_.file));
  put_aside_ = true;
  log::Error(
      "the history is damaged: %s; it was put aside as %s, and a broker that starts puts into a new one what its "
      "journal has",
      TextOf(status), kept.string());
  return (this->*work)();
}

void HistoryThread::Replayed(Record record) { Follow(std::move(record)); }

void HistoryThread::Take(std::vector<Record> batch) {
  taken_ += PositionsOf(batch);
  const bool look = taken_ >= kLookAfter || EndsARun(batch);
  records_.Push(std::move(batch));
  if (!look) return;
  taken_ = 0;
  jobs_.Push(Look{});
}

void HistoryThread::FollowAll() {
  std::vector<std::vector<Record>> batches;
  records_.DrainInto(batches);
  for (std::vector<Record>& batch : batches) {
    for (Record& record : batch) Follow(std::move(record));
  }
}

void HistoryThread::Follow(Record record) {
  std::unique_ptr<store::RunStory> story = chronicle_.Take(std::move(record));
  if (story == nullptr) return;
  if (replaying_ && history_) {
    const absl::StatusOr<bool> known = history_->Has(story->id());
    if (known.ok() && *known) return;
  }
  if (waiting_.size() >= kMaxWaiting) {
    log::Warning("the history misses run %s until the broker is started again", RunName(waiting_.front()->id()));
    waiting_.pop_front();
  }
  waiting_.push_back(std::move(story));
  behind_ = true;
}

void HistoryThread::Start() {
  replaying_ = false;
  thread_ = std::thread([this] { Run(); });
}

void HistoryThread::Run() {
  BlockFileSizeSignal();
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);  // a help, so that its failure is none
  std::vector<Job> jobs;
  Settle();
  Instant next = Now() + (trouble_.ok() ? options_.look_again : options_.try_again);
  for (bool stop = false; !stop;) {
    AwaitJobs(jobs_, next, jobs);
    if (std::all_of(jobs.begin(), jobs.end(), [](const Job& job) { return std::holds_alternative<Look>(job); })) {
      pollfd item{urgent_.fd(), POLLIN, 0};
      poll(&item, 1, kPauseMs);
      jobs_.DrainInto(jobs);
    }
    urgent_.Drain();
    FollowAll();
    for (const Job& job : jobs) {
      stop |= std::holds_alternative<Stop>(job);
      const auto* question = std::get_if<Question>(&job);
      if (question == nullptr) continue;
      if (trouble_.ok() && !waiting_.empty()) Settle();
      Answer_(*question);
    }
    const bool due = Now() >= next;
    if (!stop && !due && (waiting_.empty() || !trouble_.ok())) continue;
    Settle();
    next = Now() + (trouble_.ok() ? options_.look_again : options_.try_again);
  }
  if (!waiting_.empty()) {
    log::Error("the history ends without its newest %d runs; the journal has them for the next start", waiting_.size());
  }
}

void HistoryThread::Settle() {
  trouble_ = OnAWholeFile(&HistoryThread::WriteAll);
  if (!trouble_.ok() && trouble_ != told_.trouble) {
    log::Error("the history cannot be written: %s; runs go on without it", TextOf(trouble_));
  }
  if (trouble_.ok() && !told_.trouble.ok()) log::Info("the history is written again");
  if (trouble_ == told_.trouble && waiting_.size() == told_.waiting) return;
  told_ = {trouble_, waiting_.size()};
  news_.Push(told_);
}

absl::Status HistoryThread::WriteAll() {
  if (!history_) MILLRACE_RETURN_IF_ERROR(Open());
  while (!waiting_.empty()) {
    MILLRACE_RETURN_IF_ERROR(Write(*waiting_.front()));
    waiting_.pop_front();
  }
  behind_ = false;
  return history_->Retain(options_.limits, UnixMs()).status();
}

absl::Status HistoryThread::Write(const store::RunStory& story) {
  const store::History::Submission submission{story.Tables(),
                                              [&](std::uint32_t index) { return story.SubmittedAt(index); }};
  return history_->Write(
      story.run(), story.tasks(), [&](std::uint32_t index) { return Kept(story.TaskAt(index)); },
      [&](std::uint32_t index) { return story.LinksAt(index); }, &submission);
}

// A result that was made in the broker's own process is inline whatever its size. Should it not find a place among the
// blobs, its digest and size are all that is kept.
PastTask HistoryThread::Kept(PastTask task) const {
  Payload& result = task.result;
  if (result.digest || result.bytes.size() <= net::kInlineLimit) return task;
  result.digest = Sha256(result.bytes.view());
  result.size = result.bytes.size();
  if (blobs_ && !blobs_->Has(*result.digest)) {
    const absl::Status put = blobs_->Put(*result.digest, result.bytes.view());
    if (!put.ok()) log::Warning("the history keeps no result of %s: %s", task.view.name, TextOf(put));
  }
  result.bytes = {};
  return task;
}

void HistoryThread::Answer_(const Question& question) {
  Answer answer;
  if (history_) {
    answer = store::AnswerFromHistory(*history_, question.query, options_.limits);
    if (answer.result.digest && !(blobs_ && blobs_->Has(*answer.result.digest))) {
      answer.code = static_cast<std::int32_t>(absl::StatusCode::kNotFound);
      answer.message = absl::StrFormat("the result of '%s' had %d bytes and is not kept any more", question.query.task,
                                       answer.result.size);
      answer.result = {};
    }
  } else {
    answer.request = question.query.request;
    answer.code = static_cast<std::int32_t>(absl::StatusCode::kUnavailable);
    answer.message = absl::StrFormat("the history cannot be opened: %s", TextOf(trouble_));
  }
  answers_.Push({sched::Send{question.peer, std::move(answer)}});
}

}  // namespace millrace::serve

// SPDX-License-Identifier: Apache-2.0
#include "millrace/agent/outbox.h"

#include <algorithm>
#include <utility>

#include "millrace/base/status.h"

namespace millrace::agent {
namespace {

// One Report stays small enough not to hold up what is behind it on the control channel.
constexpr std::size_t kReportsPerMessage = 256;
constexpr std::size_t kBytesPerMessage = 1u << 20;

std::size_t Weight(const AttemptReport& report) {
  return 128 + report.result.bytes.size() + report.failure.message.size() + report.failure.output.size();
}

}  // namespace

void Outbox::Add(AttemptReport&& report, Instant keep_at, bool kept, TaskRef ahead_task) {
  numbers_[report.attempt] = newest() + 1;
  reports_.push_back(
      {.report = std::move(report), .keep_at = keep_at, .hollow = false, .kept = kept, .ahead_task = ahead_task});
  FindUnkept();
}

void Outbox::Hollow(AttemptId attempt) {
  const auto found = numbers_.find(attempt);
  if (found != numbers_.end()) Hollow(reports_[found->second - first_]);
  FindUnkept();
}

void Outbox::HollowAll() {
  for (Entry& entry : reports_) {
    Hollow(entry);
    entry.report.attempt = {};
  }
  numbers_.clear();
  FindUnkept();
}

void Outbox::Hollow(Entry& entry) {
  const AttemptId attempt = entry.report.attempt;
  if (std::exchange(entry.kept, false)) erasable_.push_back(attempt);
  entry.hollow = true;
  entry.report = AttemptReport{};
  entry.report.attempt = attempt;
  entry.report.kind = ReportKind::kReturned;
}

bool Outbox::Record(std::uint64_t through) {
  through = std::min(through, sent_ever_);
  bool news = false;
  while (!reports_.empty() && first_ <= through) {
    const AttemptId attempt = reports_.front().report.attempt;
    if (reports_.front().kept) erasable_.push_back(attempt);
    numbers_.erase(attempt);
    reports_.pop_front();
    ++first_;
    news = true;
  }
  sent_through_ = std::max(sent_through_, first_ - 1);
  FindUnkept();
  return news;
}

void Outbox::TakeBatch(Report& report) {
  report.first_number = sent_through_ + 1;
  std::size_t bytes = 0;
  report.reports.reserve(std::min<std::size_t>(newest() - sent_through_, kReportsPerMessage));
  while (sent_through_ < newest() && report.reports.size() < kReportsPerMessage && bytes < kBytesPerMessage) {
    const AttemptReport& next = reports_[sent_through_ + 1 - first_].report;
    bytes += Weight(next);
    report.reports.push_back(next);
    ++sent_through_;
  }
  sent_ever_ = std::max(sent_ever_, sent_through_);
}

void Outbox::AppendHeld(std::vector<Held>& held) const {
  for (const Entry& entry : reports_) {
    if (entry.hollow) continue;
    held.push_back({.attempt = entry.report.attempt, .state = HeldState::kFinished, .task = entry.ahead_task});
  }
}

void Outbox::FindUnkept() {
  unkept_ = std::max(unkept_, first_);
  while (unkept_ <= newest() && (reports_[unkept_ - first_].kept || reports_[unkept_ - first_].hollow)) ++unkept_;
}

std::vector<AttemptReport> Outbox::TakeUnkept(Instant now) {
  std::vector<AttemptReport> due;
  while (KeepAt() <= now && unkept_ <= newest()) {
    Entry& entry = reports_[unkept_ - first_];
    entry.kept = true;
    due.push_back(entry.report);
    FindUnkept();
  }
  return due;
}

absl::Status Outbox::CheckInvariants() const {
  if (sent_through_ + 1 < first_ || sent_through_ > newest() || sent_ever_ > newest() || sent_ever_ < sent_through_) {
    return Internal("outbox [%d, %d] was sent through %d, ever through %d", first_, newest(), sent_through_,
                    sent_ever_);
  }
  if (unkept_ < first_ || unkept_ > newest() + 1) {
    return Internal("outbox [%d, %d] is on disk before %d", first_, newest(), unkept_);
  }
  for (std::size_t i = 0; i < reports_.size(); ++i) {
    const Entry& entry = reports_[i];
    if (entry.kept && entry.hollow) return Internal("report %d is on disk, and nobody wants it", first_ + i);
    if (first_ + i < unkept_ && !entry.kept && !entry.hollow) return Internal("report %d is forgotten", first_ + i);
  }
  std::size_t named = 0;
  for (std::size_t i = 0; i < reports_.size(); ++i) {
    if (!reports_[i].report.attempt.valid()) continue;
    ++named;
    const auto found = numbers_.find(reports_[i].report.attempt);
    if (found == numbers_.end() || found->second != first_ + i) {
      return Internal("report %d is not found by its attempt %d", first_ + i, reports_[i].report.attempt.value);
    }
  }
  if (numbers_.size() != named) return Internal("outbox has %d reports for %d attempts", named, numbers_.size());
  return absl::OkStatus();
}

}  // namespace millrace::agent

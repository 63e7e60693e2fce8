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

void Outbox::Add(AttemptReport report) {
  numbers_[report.attempt] = newest() + 1;
  reports_.push_back({.report = std::move(report), .hollow = false});
}

void Outbox::Hollow(AttemptId attempt) {
  const auto found = numbers_.find(attempt);
  if (found == numbers_.end()) return;
  Entry& entry = reports_[found->second - first_];
  entry.hollow = true;
  entry.report = AttemptReport{};
  entry.report.attempt = attempt;
  entry.report.kind = ReportKind::kReturned;
}

bool Outbox::Record(std::uint64_t through) {
  through = std::min(through, sent_ever_);
  bool news = false;
  while (!reports_.empty() && first_ <= through) {
    numbers_.erase(reports_.front().report.attempt);
    reports_.pop_front();
    ++first_;
    news = true;
  }
  sent_through_ = std::max(sent_through_, first_ - 1);
  return news;
}

void Outbox::TakeBatch(Report& report) {
  report.first_number = sent_through_ + 1;
  std::size_t bytes = 0;
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
    if (!entry.hollow) held.push_back({.attempt = entry.report.attempt, .state = HeldState::kFinished});
  }
}

absl::Status Outbox::CheckInvariants() const {
  if (sent_through_ + 1 < first_ || sent_through_ > newest() || sent_ever_ > newest() || sent_ever_ < sent_through_) {
    return Internal("outbox [%d, %d] was sent through %d, ever through %d", first_, newest(), sent_through_,
                    sent_ever_);
  }
  if (numbers_.size() != reports_.size()) {
    return Internal("outbox has %d reports for %d attempts", reports_.size(), numbers_.size());
  }
  for (std::size_t i = 0; i < reports_.size(); ++i) {
    const auto found = numbers_.find(reports_[i].report.attempt);
    if (found == numbers_.end() || found->second != first_ + i) {
      return Internal("report %d is not found by its attempt %d", first_ + i, reports_[i].report.attempt.value);
    }
  }
  return absl::OkStatus();
}

}  // namespace millrace::agent

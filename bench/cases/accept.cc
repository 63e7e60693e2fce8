// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "bench/cases/cases.h"
#include "bench/cases/jobs.h"

namespace millrace::bench {
namespace {

// Asks for the broker's status all the time, a few milliseconds between two questions.
class Poller {
 public:
  explicit Poller(const Fleet& fleet) : caller_(fleet.Dial()) {
    Checked(caller_->client().Ask(Query{}));
    thread_ = std::thread([this] { Run(); });
  }
  // Milliseconds that each answer took; those that were asked before the end count.
  std::vector<double> Stop() {
    done_ = true;
    thread_.join();
    return std::move(milliseconds_);
  }

 private:
  void Run() {
    do {
      const auto start = Clock::now();
      Checked(caller_->client().Ask(Query{}));
      milliseconds_.push_back(SecondsSince(start) * 1e3);
      poll(nullptr, 0, 2);
    } while (!done_);
  }

  std::unique_ptr<Caller> caller_;
  std::atomic<bool> done_ = false;
  std::vector<double> milliseconds_;
  std::thread thread_;
};

}  // namespace

Report RunAccept(const CaseOptions& options) {
  Report report("accept");
  report.Parameter("tasks", options.tasks);
  report.Parameter("rounds", options.rounds);
  report.Parameter("workers", 0);
  report.Parameter("submitted", "explicit");
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    Fleet fleet({.workers = 0});
    JobSpec job = FlatJob<Token>(options.tasks);
    Poller poller(fleet);
    const auto start = Clock::now();
    Checked(fleet.client().Submit(std::move(job)));
    report.Add("accepted_seconds", SecondsSince(start));
    const std::vector<double> answers = poller.Stop();
    report.Add("status_longest_ms", Quantile(answers, 1));
    report.Add("status_p50_ms", Median(answers));
  }
  return report;
}

}  // namespace millrace::bench

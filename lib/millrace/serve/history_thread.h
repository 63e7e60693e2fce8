// SPDX-License-Identifier: Apache-2.0
// The thread that keeps the history: it follows the durable records, writes each run that has ended, lets go of what is
// over the limits, and answers questions about the past. Trouble here is said and tried again; no run waits for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "millrace/base/time.h"
#include "millrace/model/message.h"
#include "millrace/net/mailbox.h"
#include "millrace/net/wakeup.h"
#include "millrace/serve/store_thread.h"
#include "millrace/store/blobs.h"
#include "millrace/store/chronicle.h"
#include "millrace/store/history.h"

namespace millrace::serve {

// How things stand; the newest one holds.
struct HistoryNews {
  absl::Status trouble;     // OK when there is none
  std::size_t waiting = 0;  // ended runs that are not written yet
};

class HistoryThread {
 public:
  struct Options {
    std::filesystem::path file;
    store::HistoryLimits limits;
    Duration try_again = std::chrono::seconds(3);
    Duration look_again = std::chrono::minutes(10);  // for what has grown too old
  };
  // A file that is damaged is put aside; one that cannot be opened is tried again. Large results go to `blobs`.
  HistoryThread(Options options, std::optional<store::BlobStore> blobs, net::Mailbox<StoreAnswer>& answers,
                net::Mailbox<HistoryNews>& news);
  ~HistoryThread();  // writes what it was given, or says how much could not be written, and ends

  // Before Start, in order: what a journal holds. Runs that the history has are passed over, so that only those are
  // written that ended just before the last broker did.
  void Replayed(Record record);
  void Start();
  // One thread, after Start: durable records, in order. They are looked at once a run has ended, thousands have
  // come, or somebody asks: to wake up after every commit would cost more than the work itself.
  void Take(std::vector<Record> batch);
  // Any thread: whether ended runs wait to be written; the journal is to hold them until then.
  bool Behind() const { return behind_; }
  // Answered by a Send among the answers, with all that was taken before.
  void Ask(PeerId peer, Query query);

 private:
  struct Question {
    PeerId peer;
    Query query;
  };
  struct Look {};  // there are records to follow
  struct Stop {};
  using Job = std::variant<Look, Question, Stop>;

  void Run();
  void FollowAll();
  void Follow(Record record);
  absl::Status Open();
  void Settle();  // writes what waits, and tells when that changed anything
  absl::Status WriteAll();
  absl::Status OnAWholeFile(absl::Status (HistoryThread::*work)());
  absl::Status Write(const store::RunStory& story);
  PastTask Kept(PastTask task) const;
  void Answer_(const Question& question);

  Options options_;
  std::optional<store::BlobStore> blobs_;
  net::Mailbox<StoreAnswer>& answers_;
  net::Mailbox<HistoryNews>& news_;
  std::optional<store::History> history_;
  store::Chronicle chronicle_;
  std::deque<std::unique_ptr<store::RunStory>> waiting_;
  std::atomic<bool> behind_ = false;
  absl::Status trouble_;
  HistoryNews told_;
  bool replaying_ = true;
  bool put_aside_ = false;  // once in a life: a disk that damages every file is not to be filled with them
  net::Mailbox<std::vector<Record>> records_;
  std::size_t taken_ = 0;  // records since the thread was told to look
  net::Mailbox<Job> jobs_;
  net::Wakeup urgent_;  // a question, or the end
  std::thread thread_;
};

}  // namespace millrace::serve

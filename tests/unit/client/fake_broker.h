// SPDX-License-Identifier: Apache-2.0
// A broker as a client sees it, without a wire: a link whose other end is a function, and blobs in memory. All on the
// client's thread: what is said to the broker is answered before Send returns, or never.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "millrace/base/status.h"
#include "millrace/client/client.h"
#include "millrace/net/link.h"
#include "millrace/net/wakeup.h"

namespace millrace::client {

class FakeBroker {
 public:
  using Batch = std::vector<net::LinkEvent>;  // what one Receive brings

  std::vector<Message> heard;
  std::function<void(const Message&)> on_message = [](const Message&) {};
  int closed = 0;

  // A connection is there from the start, unless `up` is false.
  explicit FakeBroker(bool up = true) {
    if (up) Say({net::LinkUp{}});
  }

  void Say(Batch batch) {
    batches_.push_back(std::move(batch));
    wakeup_.Signal();
  }
  void Tell(Message message) { Say({net::LinkHeard{std::move(message), false}}); }
  // Answers every question of this kind.
  template <class Question>
  void On(std::function<void(const Question&)> answer) {
    on_message = [answer = std::move(answer)](const Message& message) {
      if (const auto* question = std::get_if<Question>(&message)) answer(*question);
    };
  }
  template <class Kind>
  std::vector<Kind> Heard() const {
    std::vector<Kind> found;
    for (const Message& message : heard) {
      if (const auto* kind = std::get_if<Kind>(&message)) found.push_back(*kind);
    }
    return found;
  }

  std::unique_ptr<net::Link> Link() { return std::make_unique<FakeLink>(*this); }

 private:
  class FakeLink final : public net::Link {
   public:
    explicit FakeLink(FakeBroker& broker) : broker_(broker) {}
    void Send(Message message) override {
      broker_.heard.push_back(message);
      broker_.on_message(message);
    }
    void Publish(Message) override {}
    void Reconnect() override {}
    void Receive(std::vector<net::LinkEvent>& events) override {
      broker_.wakeup_.Drain();
      if (broker_.batches_.empty()) return;
      for (net::LinkEvent& event : broker_.batches_.front()) events.push_back(std::move(event));
      broker_.batches_.pop_front();
      if (!broker_.batches_.empty()) broker_.wakeup_.Signal();
    }
    void AppendPollItems(std::vector<net::PollItem>& items) override {
      net::PollItem item;
      item.fd = broker_.wakeup_.fd();
      items.push_back(item);
    }
    void Close(Duration) override { ++broker_.closed; }

   private:
    FakeBroker& broker_;
  };

  std::deque<Batch> batches_;
  net::Wakeup wakeup_;
};

class FakeBlobs final : public net::BlobAccess {
 public:
  std::map<Digest, Bytes> kept;
  std::vector<std::uint64_t> fetched_up_to;
  absl::Status store_status;
  bool inlines = false;
  Planes planes;

  absl::StatusOr<Bytes> Fetch(const Digest& digest, std::uint64_t max_size) override {
    fetched_up_to.push_back(max_size);
    const auto found = kept.find(digest);
    if (found == kept.end()) return NotFound("no blob %s", digest.Hex());
    return found->second;
  }
  absl::Status Store(const Digest& digest, const Bytes& bytes) override {
    if (store_status.ok()) kept[digest] = bytes;
    return store_status;
  }
  bool stays_inline() const override { return inlines; }
  void OnPlanes(const Planes& announced) override { planes = announced; }
};

// Never, unless the test has failed; and so short that a test can wait for it.
inline constexpr std::chrono::seconds kNever{30};
inline constexpr std::chrono::milliseconds kSoon{20};
inline ClientOptions Patient() {
  return {.version = "1.2.3", .patience = kNever, .ask_again = kNever, .look_again = kNever};
}

inline Answer AnswerTo(std::uint64_t request) {
  Answer answer;
  answer.request = request;
  return answer;
}

}  // namespace millrace::client

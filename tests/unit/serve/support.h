// SPDX-License-Identifier: Apache-2.0
// What the tests of serve share: waiting on conditions, a folder of its own for a test, a module that ends in the way
// it is told, blobs that fail or wait when told to.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "millrace/api/api.h"
#include "millrace/base/status.h"
#include "millrace/net/context.h"
#include "millrace/net/link.h"
#include "millrace/wire/codec.h"
#include "tests/support/temporary.h"

namespace millrace::serve {

inline net::SocketContext& TestContext() {
  static net::SocketContext context;
  return context;
}

using millrace::test::Eventually;
using millrace::test::TemporaryDirectory;

// Ends in the way that `how` says.
struct Play {
  static constexpr std::string_view kName = "play";
  std::string how = "well";
  std::int64_t size = 0;  // bytes of the result, at least
  absl::StatusOr<std::string> Run(Context& context) const {
    if (how == "error") return absl::InvalidArgumentError("the sky is green");
    if (how == "throw") throw std::runtime_error("thrown on purpose");
    if (how == "exit") std::_Exit(3);
    if (how == "crash") raise(SIGKILL);
    if (how == "print") {
      context.Print("a line");
      auto printed = context.Shell("echo an error >&2");
      if (!printed.ok()) return printed.status();
    }
    if (how == "privileges") {
      auto printed = context.Shell("grep NoNewPrivs /proc/self/status");
      if (!printed.ok()) return printed.status();
    }
    if (how == "secret") {
      std::fputs("module: ", stderr);
      std::fputs(context.Secret("TOKEN").value_or("none").c_str(), stderr);
      auto printed = context.Shell("echo command: $TOKEN; printf '%s' $TOKEN | base64");
      if (!printed.ok()) return printed.status();
      return printed->output;
    }
    if (how == "wait" || how == "deaf") {
      context.Print("waiting");
      while (how == "deaf" || !context.stop_token().stop_requested()) poll(nullptr, 0, 5);
      return absl::CancelledError("told to stop");
    }
    if (how == "eat") {  // half a gibibyte, if nothing stops it
      std::vector<std::string> eaten;
      while (eaten.size() < 512) eaten.emplace_back(std::size_t{1} << 20, 'x');
      context.Print("full");
      while (true) poll(nullptr, 0, -1);
    }
    std::string text = how;
    text.resize(std::max(text.size(), static_cast<std::size_t>(size)), '.');
    return text;
  }
};

// The bytes of all that went before.
struct Sum {
  static constexpr std::string_view kName = "sum";
  absl::StatusOr<std::int64_t> Run(Context&, FromAll<Play> plays) const {
    std::int64_t bytes = 0;
    for (const auto& play : plays) bytes += static_cast<std::int64_t>(play.result.value().size());
    return bytes;
  }
};

inline const Registry& TestModules() {
  static const Registry registry = [] {
    Registry all;
    all.Add<Play>().Add<Sum>();
    return all;
  }();
  return registry;
}

inline Bytes PlayInputs(std::string how, std::int64_t size = 0) {
  return Bytes(wire::Encode(Play{.how = std::move(how), .size = size}));
}

// Blobs in memory. Any thread.
class FakeBlobs final : public net::BlobAccess {
 public:
  absl::StatusOr<Bytes> Fetch(const Digest& digest, std::uint64_t) override {
    std::unique_lock lock(mutex_);
    ++fetches_;
    open_.wait(lock, [this] { return !closed_; });
    if (!fetching_.ok()) return fetching_;
    const auto blob = blobs_.find(digest);
    if (blob == blobs_.end()) return NotFound("no blob %s", digest.Hex());
    return blob->second;
  }
  absl::Status Store(const Digest& digest, const Bytes& bytes) override {
    std::unique_lock lock(mutex_);
    ++stores_;
    open_.wait(lock, [this] { return !closed_; });
    if (failures_ > 0) {
      --failures_;
      return Unavailable("the disk is full");
    }
    blobs_[digest] = bytes;
    return absl::OkStatus();
  }
  bool stays_inline() const override { return stays_inline_; }

  void Put(const Digest& digest, const Bytes& bytes) {
    const std::lock_guard lock(mutex_);
    blobs_[digest] = bytes;
  }
  bool Has(const Digest& digest) const {
    const std::lock_guard lock(mutex_);
    return blobs_.count(digest) == 1;
  }
  void FailFetching(absl::Status status) {
    const std::lock_guard lock(mutex_);
    fetching_ = std::move(status);
  }
  void FailStoring(int times) {
    const std::lock_guard lock(mutex_);
    failures_ = times;
  }
  // While it is closed, Fetch and Store wait.
  void SetClosed(bool closed) {
    const std::lock_guard lock(mutex_);
    closed_ = closed;
    open_.notify_all();
  }
  void SetStaysInline(bool stays) { stays_inline_ = stays; }  // before anybody asks
  int fetches() const {
    const std::lock_guard lock(mutex_);
    return fetches_;
  }
  int stores() const {
    const std::lock_guard lock(mutex_);
    return stores_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable open_;
  std::map<Digest, Bytes> blobs_;
  absl::Status fetching_;
  int failures_ = 0;
  int fetches_ = 0;
  int stores_ = 0;
  bool closed_ = false;
  bool stays_inline_ = false;
};

}  // namespace millrace::serve

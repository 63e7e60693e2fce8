// SPDX-License-Identifier: Apache-2.0
// Who did what: a line of JSON for each submission, cancel, drain, joining, change of keys and refusal, with how it
// ended, in a file of the broker's data directory. Refusals are limited, so that strangers cannot fill the disk; the
// file is too, together with one older one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "millrace/base/fd.h"
#include "millrace/base/ids.h"
#include "millrace/base/time.h"
#include "millrace/model/caller.h"
#include "millrace/model/message.h"

namespace millrace::serve {

class AuditLog {
 public:
  struct Options {
    std::filesystem::path file{};            // "" = none
    std::uint64_t max_bytes = 16u << 20;     // then it becomes FILE.1
    std::uint32_t refusals_per_minute = 30;  // the rest is counted in the next line
  };
  explicit AuditLog(Options options) : options_(std::move(options)) {}

  // What a peer asks for is remembered until its answer. `caller`: null without keys.
  void Asked(PeerId peer, const Caller* caller, const Message& message);
  void Answered(PeerId peer, const Message& message);
  void Gone(PeerId peer);
  void KeysChanged(const std::string& line);
  void Refused(Instant now, const std::string& who, const std::string& why);

 private:
  struct Entry {
    std::string who;
    std::string what;
    std::string about;
  };

  void Write(const Entry& entry, const std::string& outcome);
  bool Open();

  Options options_;
  UniqueFd fd_;
  std::uint64_t bytes_ = 0;
  bool troubled_ = false;
  std::map<std::pair<PeerId, std::uint64_t>, Entry> asked_;
  Instant window_{};
  std::uint32_t refusals_ = 0;
  std::uint64_t left_out_ = 0;
};

// "client 'ann'", or who it is without keys.
std::string WhoIs(PeerId peer, const Caller* caller);

}  // namespace millrace::serve

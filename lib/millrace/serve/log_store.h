// SPDX-License-Identifier: Apache-2.0
// What tasks have printed, kept by the broker in memory for `zmqctl logs`: the newest of each run, bounded.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "millrace/base/ids.h"
#include "millrace/model/message.h"

namespace millrace::serve {

class LogStore {
 public:
  explicit LogStore(std::uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  void Add(const std::string& worker, Output output);
  // Lines of the run (none = the newest that printed anything) and, if one is named, of the task, from position
  // query.since on; `next` is the position to go on from.
  Answer Ask(const Query& query) const;

 private:
  struct Chunk {
    std::uint64_t position = 0;
    LogLine line;
  };
  struct RunLog {
    std::deque<Chunk> chunks;
    std::uint64_t dropped = 0;  // chunks that had to go
  };
  void MakeRoom();

  std::uint64_t limit_bytes_;
  std::uint64_t bytes_ = 0;
  std::uint64_t last_position_ = 0;
  RunId gone_through_;  // the newest run of which nothing is left
  std::map<RunId, RunLog> runs_;
};

}  // namespace millrace::serve

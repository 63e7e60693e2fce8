// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/log_store.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "millrace/base/status.h"

namespace millrace::serve {
namespace {

constexpr std::uint64_t kChunkOverhead = 128;     // bytes of book-keeping, counted so that empty lines are not free
constexpr std::uint64_t kAnswerBytes = 1u << 20;  // of text in one answer: well below the control channel's frame

std::uint64_t CostOf(const LogLine& line) { return kChunkOverhead + line.text.size() + line.task.size(); }

}  // namespace

void LogStore::Add(const std::string& worker, Output output) {
  for (OutputChunk& chunk : output.chunks) {
    if (!chunk.task.run.valid()) continue;
    Chunk kept;
    kept.position = ++last_position_;
    kept.line.task = std::move(chunk.name);
    kept.line.try_number = chunk.try_number;
    kept.line.worker = worker;
    kept.line.is_stderr = chunk.is_stderr;
    kept.line.text = std::move(chunk.text);
    bytes_ += CostOf(kept.line);
    runs_[chunk.task.run].chunks.push_back(std::move(kept));
  }
  MakeRoom();
}

// The oldest run gives first, so that what is going on now stays whole for longest.
void LogStore::MakeRoom() {
  while (bytes_ > limit_bytes_ && !runs_.empty()) {
    RunLog& oldest = runs_.begin()->second;
    if (oldest.chunks.empty()) {
      gone_through_ = std::max(gone_through_, runs_.begin()->first);
      runs_.erase(runs_.begin());
      continue;
    }
    bytes_ -= CostOf(oldest.chunks.front().line);
    oldest.chunks.pop_front();
    ++oldest.dropped;
  }
}

Answer LogStore::Ask(const Query& query) const {
  Answer answer;
  answer.request = query.request;
  answer.next = query.since;
  const auto run = query.run.valid() ? runs_.find(query.run) : (runs_.empty() ? runs_.end() : std::prev(runs_.end()));
  if (run == runs_.end()) {
    if (query.run.valid() && query.run <= gone_through_ && query.since == 0) {
      answer.lines.push_back(
          absl::StrFormat("whatever this run printed was dropped to stay within %d MiB", limit_bytes_ >> 20));
    }
    return answer;  // else nothing printed yet
  }
  answer.run = run->first;
  const RunLog& log = run->second;
  if (log.dropped > 0 && query.since == 0) {
    answer.lines.push_back(absl::StrFormat("%d earlier pieces of output were dropped to stay within %d MiB",
                                           log.dropped, limit_bytes_ >> 20));
  }
  const auto first = std::upper_bound(log.chunks.begin(), log.chunks.end(), query.since,
                                      [](std::uint64_t since, const Chunk& chunk) { return since < chunk.position; });
  std::uint64_t bytes = 0;
  for (auto chunk = first; chunk != log.chunks.end(); ++chunk) {
    if (bytes > kAnswerBytes || (query.limit != 0 && answer.logs.size() >= query.limit)) {
      answer.more = true;
      break;
    }
    answer.next = chunk->position;
    if (!query.task.empty() && chunk->line.task != query.task) continue;
    bytes += CostOf(chunk->line);
    answer.logs.push_back(chunk->line);
  }
  return answer;
}

}  // namespace millrace::serve

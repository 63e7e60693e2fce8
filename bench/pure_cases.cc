// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "bench/cases.h"
#include "bench/closed_loop.h"
#include "millrace/base/random.h"
#include "millrace/base/status.h"
#include "millrace/wire/frame.h"
#include "millrace/wire/lz4.h"

namespace millrace::bench {
namespace {

constexpr std::uint32_t kBatch = 256;
constexpr std::size_t kRunTasks = 10'000;
constexpr std::size_t kTextBytes = 64 << 10;

void Check(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "bench: %s failed\n", what);
  std::abort();
}

// Tasks as a pipeline with a matrix has them.
Message AssignOfMany() {
  Assign assign{.session = SessionId{7}, .number = 12, .modules = {}, .policies = {}, .data = {}, .tasks = {}};
  assign.modules.push_back({.name = "compile", .fingerprint = 0x1234567890abcdef, .version = "1.2"});
  assign.policies.emplace_back().timeout = std::chrono::minutes(5);
  for (std::uint32_t i = 0; i < kBatch; ++i) {
    Assignment& task = assign.tasks.emplace_back();
    task.attempt = AttemptId{(std::uint64_t{1} << 32) | (1000 + i)};
    task.task = {.run = RunId{(std::uint64_t{1} << 32) | 3}, .index = i};
    task.name = "compile[file=source" + std::to_string(i) + ".cc]";
    task.inputs.bytes = Bytes(
        "\x81\xa4"
        "file" +
        std::string(1, '\xb0') + "source-" + std::to_string(100000000 + i));
    task.inputs.size = task.inputs.bytes.size();
    task.env = {{"file", "source" + std::to_string(i) + ".cc"}};
  }
  return assign;
}

Message ReportOfMany() {
  Report report{.session = SessionId{7}, .orders_through = 12, .first_number = 2000, .reports = {}, .started = {}};
  for (std::uint32_t i = 0; i < kBatch; ++i) {
    AttemptReport& one = report.reports.emplace_back();
    one.attempt = AttemptId{(std::uint64_t{1} << 32) | (1000 + i)};
    one.outcome = Outcome::kSucceeded;
    one.result.bytes = Bytes("result " + std::to_string(i));
    one.result.size = one.result.bytes.size();
    one.execution = std::chrono::microseconds(100 + i);
  }
  return report;
}

Case Encode(std::string name, Message (*make)()) {
  return {std::move(name), kBatch,
          [make] { return [message = make()] { Check(!wire::EncodeMessage(message).empty(), "encoding"); }; }};
}

Case Decode(std::string name, Message (*make)()) {
  return {std::move(name), kBatch, [make] {
            return [frame = Bytes(wire::EncodeMessage(make()))] { Check(wire::DecodeMessage(frame).ok(), "decoding"); };
          }};
}

// Half of it repeats, as logs do.
Bytes SomeText() {
  Random random(7);
  std::string text;
  while (text.size() < kTextBytes) text += "compiling module " + std::to_string(random.Below(1000)) + " of many\n";
  return Bytes(std::move(text));
}

// A whole run: submitted, assigned, reported, ended, told. What makes its job and its workers is in it, too.
std::function<void()> RunOfMany() {
  return [job = SimpleJob(kRunTasks, 100)] {
    ClosedLoop loop(16, 64);
    loop.Run(job);
  };
}

}  // namespace

std::vector<Case> PureCases() {
  return {Encode("encode_assign", AssignOfMany),
          Decode("decode_assign", AssignOfMany),
          Encode("encode_report", ReportOfMany),
          Decode("decode_report", ReportOfMany),
          {"scheduler_run", kRunTasks, RunOfMany},
          {"lz4_pack", kTextBytes,
           [] { return [text = SomeText()] { Check(wire::PackPayload(text).size() > 0, "packing"); }; }},
          {"lz4_unpack", kTextBytes, [] {
             return [packed = wire::PackPayload(SomeText())] {
               Check(wire::UnpackPayload(packed, kTextBytes * 2).ok(), "unpacking");
             };
           }}};
}

[[gnu::noinline]] void Counted(const std::function<void()>& round) { round(); }

}  // namespace millrace::bench

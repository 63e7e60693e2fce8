// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/failure_status.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/cord.h"
#include "millrace/base/status.h"

namespace millrace {
namespace {

constexpr char kSkipUrl[] = "millrace/skip";
constexpr char kExitCodeUrl[] = "millrace/exit-code";
constexpr char kSignalUrl[] = "millrace/signal";
constexpr char kOutputUrl[] = "millrace/output";

std::string PayloadOf(const absl::Status& status, const char* url) {
  const auto payload = status.GetPayload(url);
  return payload.has_value() ? std::string(*payload) : std::string();
}

std::int32_t NumberIn(const absl::Status& status, const char* url) {
  const std::string text = PayloadOf(status, url);
  std::int32_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

absl::Status Skip(std::string_view reason) {
  absl::Status status = Error(absl::StatusCode::kCancelled, "%s", reason.empty() ? "skipped" : reason);
  status.SetPayload(kSkipUrl, absl::Cord("1"));
  return status;
}

bool IsSkip(const absl::Status& status) { return status.GetPayload(kSkipUrl).has_value(); }

absl::Status CommandFailed(std::string_view program, std::int32_t exit_code, std::int32_t signal,
                           std::string_view output) {
  const bool transient = signal != 0 || exit_code == kTemporaryFailure;
  const std::string_view tail = LastLines(output);
  const std::string how = signal != 0 ? absl::StrFormat("was killed by signal %d", signal)
                                      : absl::StrFormat("ended with exit code %d", exit_code);
  absl::Status status = Error(transient ? absl::StatusCode::kUnavailable : absl::StatusCode::kFailedPrecondition,
                              "'%s' %s%s%s", program, how, tail.empty() ? "" : ": ", LastLines(tail, 1, 300));
  status.SetPayload(kExitCodeUrl, absl::Cord(std::to_string(exit_code)));
  if (signal != 0) status.SetPayload(kSignalUrl, absl::Cord(std::to_string(signal)));
  status.SetPayload(kOutputUrl, absl::Cord(Av(tail)));
  return status;
}

Failure FailureOf(const absl::Status& status) {
  Failure failure;
  failure.message = TextOf(status);
  if (failure.message.empty()) failure.message = absl::StatusCodeToString(status.code());
  failure.exit_code = NumberIn(status, kExitCodeUrl);
  failure.signal = NumberIn(status, kSignalUrl);
  failure.output = PayloadOf(status, kOutputUrl);
  failure.transient = status.code() == absl::StatusCode::kUnavailable ||
                      status.code() == absl::StatusCode::kDeadlineExceeded || failure.exit_code == kTemporaryFailure;
  return failure;
}

std::string_view LastLines(std::string_view text, std::size_t lines, std::size_t bytes) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  std::size_t start = text.size();
  for (std::size_t end = text.size(); lines > 0; --lines) {
    const std::size_t newline = end == 0 ? std::string_view::npos : text.rfind('\n', end - 1);
    const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    if (text.size() - line > bytes) break;
    start = line;
    if (newline == std::string_view::npos) break;
    end = newline;
  }
  if (start == text.size()) start -= std::min(bytes, text.size());  // one line, too long
  return text.substr(start);
}

}  // namespace millrace

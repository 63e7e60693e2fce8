// SPDX-License-Identifier: Apache-2.0
#include "millrace/serve/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>

#include "millrace/base/status.h"
#include "millrace/base/text.h"
#include "millrace/log/log.h"
#include "millrace/net/local_link.h"
#include "millrace/serve/clock.h"
#include "millrace/wire/json.h"

namespace millrace::serve {
namespace {

constexpr std::size_t kMostAsked = 10'000;
constexpr std::size_t kLongestText = 500;
constexpr Duration kWindow = std::chrono::minutes(1);

std::string UtcNow() {
  const std::int64_t unix_ms = UnixMs();
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  return absl::StrFormat("%s.%03dZ", text, unix_ms % 1000);
}

std::string Short(const std::string& text) { return Beginning(text, kLongestText); }

}  // namespace

std::string WhoIs(PeerId peer, const Caller* caller) {
  if (caller != nullptr) return absl::StrFormat("%s '%s'", StandingName(caller->standing), caller->name);
  return net::IsLocal(peer) ? "this process" : "anyone: without keys nobody is known";
}

void AuditLog::Asked(PeerId peer, const Caller* caller, const Message& message) {
  if (options_.file.empty()) return;
  Entry entry{WhoIs(peer, caller), "", ""};
  std::uint64_t request = 0;
  if (const auto* submit = std::get_if<Submit>(&message)) {
    request = submit->request;
    entry.what = "submit";
    entry.about = submit->job.name;
  } else if (const auto* command = std::get_if<Command>(&message)) {
    request = command->request;
    switch (command->kind) {
      case CommandKind::kCancelRun:
        entry.what = "cancel";
        entry.about = RunName(command->run);
        break;
      case CommandKind::kDrainWorker:
        entry.what = "drain";
        entry.about = command->target;
        break;
      case CommandKind::kJoin:
        entry.what = "join";
        entry.about = command->reason;
        break;
      case CommandKind::kReleaseWorkers: entry.what = "release workers"; break;
    }
  } else {
    return;
  }
  if (asked_.size() < kMostAsked) asked_[{peer, request}] = std::move(entry);
}

void AuditLog::Answered(PeerId peer, const Message& message) {
  if (asked_.empty()) return;
  const auto* answer = std::get_if<Answer>(&message);
  if (answer == nullptr) return;
  const auto asked = asked_.find({peer, answer->request});
  if (asked == asked_.end()) return;
  Entry entry = std::move(asked->second);
  asked_.erase(asked);
  if (entry.what == "submit" && answer->run.valid()) entry.about = RunName(answer->run) + " " + entry.about;
  Write(entry, answer->code == 0 ? "ok" : answer->message);
}

void AuditLog::Gone(PeerId peer) {
  asked_.erase(asked_.lower_bound({peer, 0}), asked_.upper_bound({peer, UINT64_MAX}));
}

void AuditLog::KeysChanged(const std::string& line) { Write({"the list of keys", "keys", line}, "ok"); }

void AuditLog::Refused(Instant now, const std::string& who, const std::string& why) {
  if (now - window_ >= kWindow) {
    window_ = now;
    refusals_ = 0;
    if (left_out_ > 0) Write({"several", "refused", absl::StrFormat("%d more, not listed", left_out_)}, "refused");
    left_out_ = 0;
  }
  if (++refusals_ > options_.refusals_per_minute) {
    ++left_out_;
    return;
  }
  log::Warning("refused %s: %s", who, why);
  Write({who, "refused", why}, "refused");
}

bool AuditLog::Open() {
  if (fd_.valid() && bytes_ < options_.max_bytes) return true;
  if (fd_.valid()) {
    const std::string old = options_.file.string() + ".1";
    if (std::rename(options_.file.c_str(), old.c_str()) != 0) log::Warning("cannot rename the full audit log");
  }
  fd_ = UniqueFd(::open(options_.file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat info {};
  bytes_ = fd_.valid() && ::fstat(fd_.get(), &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
  return fd_.valid();
}

void AuditLog::Write(const Entry& entry, const std::string& outcome) {
  if (options_.file.empty()) return;
  const std::string line = absl::StrFormat("{\"at\":\"%s\",\"who\":%s,\"what\":%s,\"about\":%s,\"outcome\":%s}\n",
                                           UtcNow(), wire::JsonQuote(entry.who), wire::JsonQuote(entry.what),
                                           wire::JsonQuote(Short(entry.about)), wire::JsonQuote(Short(outcome)));
  const bool good = Open() && ::write(fd_.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (good) bytes_ += line.size();
  if (!good && !troubled_) log::Error("%s", TextOf(ErrnoStatus(errno, options_.file.string())));
  troubled_ = !good;
}

}  // namespace millrace::serve

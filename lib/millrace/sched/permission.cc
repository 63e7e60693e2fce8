// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/permission.h"

#include <algorithm>
#include <type_traits>

#include "absl/strings/str_join.h"
#include "millrace/base/status.h"

namespace millrace::sched {
namespace {

template <class... Args>
absl::Status Deny(const absl::FormatSpec<Args...>& format, const Args&... args) {
  return Error(absl::StatusCode::kPermissionDenied, format, args...);
}

absl::Status Need(const Caller& caller, std::string_view what, std::initializer_list<Standing> enough) {
  if (std::find(enough.begin(), enough.end(), caller.standing) != enough.end()) return absl::OkStatus();
  const std::string_view role = StandingName(*enough.begin());
  if (caller.standing == Standing::kJoin) {
    return Deny("the join token '%s' may join and nothing else, not %s", caller.name, what);
  }
  return Deny("the key '%s' has the role %s and may not %s; make one that may: zmqctl keys add %s NAME", caller.name,
              StandingName(caller.standing), what, role);
}

absl::Status CheckHello(const Caller& caller, const Hello& hello) {
  if (hello.role == Role::kClient) {
    return Need(caller, "be a client", {Standing::kClient, Standing::kAdmin, Standing::kJoin});
  }
  MILLRACE_RETURN_IF_ERROR(Need(caller, "work", {Standing::kWorker}));
  if (!OwnsWorkerId(caller.name, hello.name)) {
    return Deny("the key '%s' may speak for the worker ids '%s' and '%s.ANYTHING', not for '%s'; use --worker-id %s",
                caller.name, caller.name, caller.name, hello.name, caller.name);
  }
  if (caller.tags.empty()) return absl::OkStatus();
  for (const std::string& tag : hello.offer.tags) {
    if (std::find(caller.tags.begin(), caller.tags.end(), tag) != caller.tags.end()) continue;
    return Deny("the key '%s' may offer the tags %s, not '%s'", caller.name, absl::StrJoin(caller.tags, ", "), tag);
  }
  return absl::OkStatus();
}

absl::Status CheckCommand(const Caller& caller, CommandKind kind) {
  switch (kind) {
    case CommandKind::kCancelRun: return Need(caller, "cancel runs", {Standing::kClient, Standing::kAdmin});
    case CommandKind::kDrainWorker: return Need(caller, "drain workers", {Standing::kAdmin});
    case CommandKind::kJoin: return Need(caller, "join: it is admitted already", {Standing::kJoin});
    case CommandKind::kReleaseWorkers: return Need(caller, "release workers", {Standing::kAdmin});
  }
  return Deny("the command %d is not known", static_cast<int>(kind));
}

}  // namespace

absl::Status CheckPermission(const Caller& caller, const Message& message) {
  return std::visit(
      [&caller](const auto& body) -> absl::Status {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, Hello>) {
          return CheckHello(caller, body);
        } else if constexpr (std::is_same_v<Body, Command>) {
          return CheckCommand(caller, body.kind);
        } else if constexpr (std::is_same_v<Body, Submit>) {
          return Need(caller, "submit", {Standing::kClient, Standing::kAdmin});
        } else if constexpr (std::is_same_v<Body, Query>) {
          return Need(caller, "ask", {Standing::kClient, Standing::kAdmin});
        } else if constexpr (std::is_same_v<Body, Report> || std::is_same_v<Body, Output> ||
                             std::is_same_v<Body, Beat> || std::is_same_v<Body, Goodbye>) {
          return Need(caller, "speak for a worker", {Standing::kWorker});
        } else {
          return absl::OkStatus();  // pings and pongs; the rest is refused whoever says it
        }
      },
      message);
}

}  // namespace millrace::sched

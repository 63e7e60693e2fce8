// SPDX-License-Identifier: Apache-2.0
#include "millrace/sched/hello_check.h"

#include "millrace/base/status.h"
#include "millrace/sched/bounds.h"
#include "millrace/sched/job_graph.h"

namespace millrace::sched {

absl::Status CheckRoom(std::size_t known) {
  if (known < kMaxSessions) return absl::OkStatus();
  return ResourceExhausted("this broker already knows %d workers, and its limit is %d", known, kMaxSessions);
}

absl::Status CheckHello(const Hello& hello) {
  if (hello.role != Role::kWorker) return InvalidArgument("the hello has an unknown role");
  if (hello.name.empty() || hello.name.size() > kMaxWorkerName) {
    return InvalidArgument("a worker's id has 1 to %d bytes; this one has %d", kMaxWorkerName, hello.name.size());
  }
  for (const char c : hello.name) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
      return InvalidArgument("a worker's id has no blanks and no control characters; this one has byte %d",
                             static_cast<unsigned char>(c));
    }
  }
  if (hello.host.size() > kMaxWorkerName || hello.version.size() > kMaxWorkerName) {
    return InvalidArgument("worker '%s': its host has %d bytes and its version %d; at most %d are allowed", hello.name,
                           hello.host.size(), hello.version.size(), kMaxWorkerName);
  }
  if (!hello.incarnation.valid()) return InvalidArgument("worker '%s' has no incarnation", hello.name);
  const Offer& offer = hello.offer;
  if (offer.cpus < 1 || offer.cpus > kMaxCpus) {
    return InvalidArgument("worker '%s' offers %d slots; allowed are 1 to %d", hello.name, offer.cpus, kMaxCpus);
  }
  if (offer.memory < 0) return InvalidArgument("worker '%s' offers %d bytes of memory", hello.name, offer.memory);
  const std::pair<const char*, std::size_t> counts[] = {{"tools", offer.tools.size()},
                                                        {"tags", offer.tags.size()},
                                                        {"modules", offer.modules.size()},
                                                        {"resources", offer.resources.size()}};
  for (const auto& [what, count] : counts) {
    if (count > kMaxOffered) {
      return InvalidArgument("worker '%s' offers %d %s; at most %d are allowed", hello.name, count, what, kMaxOffered);
    }
  }
  if (const std::size_t bytes = TextBytes(offer); bytes > kMaxOfferText) {
    return InvalidArgument("worker '%s' offers %d bytes of names; at most %d are allowed", hello.name, bytes,
                           kMaxOfferText);
  }
  for (const auto& [name, amount] : offer.resources) {
    if (amount < 0) return InvalidArgument("worker '%s' offers %d of '%s'", hello.name, amount, name);
  }
  return absl::OkStatus();
}

}  // namespace millrace::sched

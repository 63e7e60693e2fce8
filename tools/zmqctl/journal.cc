// SPDX-License-Identifier: Apache-2.0
// The journal of a broker that does not run: looked through, printed, repaired.
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "millrace/base/names.h"
#include "millrace/base/status.h"
#include "millrace/exec/lock_file.h"
#include "millrace/host/exit_code.h"
#include "millrace/store/compaction.h"
#include "millrace/store/journal.h"
#include "millrace/store/salvage.h"
#include "millrace/wire/codec.h"
#include "millrace/wire/json.h"
#include "tools/zmqctl/commands.h"

namespace millrace::zmqctl {
namespace {

namespace fs = std::filesystem;

// Held until the program ends, so that no broker starts meanwhile.
absl::StatusOr<exec::LockFile> Hold(const fs::path& file) {
  if (!fs::exists(file)) return NotFound("there is no journal %s", file.string());
  return exec::LockFile::Acquire(file.parent_path() / "lock");
}

fs::path FileOf(const Options& options) { return fs::path(options.data_dir) / store::kJournalName; }

std::string KindOf(const Record& record) {
  return std::visit([](const auto& body) { return std::string(ShortTypeName<std::decay_t<decltype(body)>>()); },
                    record);
}

// The same for people: a packed job has no names of fields.
struct Accepted {
  RunId run;
  std::uint64_t token = 0;
  std::int64_t submitted_unix_ms = 0;
  JobSpec job;
};

std::string FieldsOf(const Record& record) {
  return std::visit(
      []<class T>(const T& body) {
        if constexpr (std::is_same_v<T, RunAccepted>) {
          return wire::Encode(Accepted{body.run, body.token, body.submitted_unix_ms, Unpack(*body.job)});
        } else {
          return wire::Encode(body);
        }
      },
      record);
}

absl::StatusOr<std::string> JsonOf(JournalPosition position, const Record& record) {
  const std::string fields = FieldsOf(record);
  MILLRACE_ASSIGN_OR_RETURN(const std::string json, wire::MsgpackToJson(fields));
  return absl::StrFormat("{\"position\":%d,\"run\":\"%s\",\"kind\":\"%s\",\"record\":%s}\n", position,
                         RunName(store::RunOf(record)), KindOf(record), json);
}

}  // namespace

absl::StatusOr<int> CheckJournal(const Arguments& arguments, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(const exec::LockFile lock, Hold(FileOf(options)));
  MILLRACE_ASSIGN_OR_RETURN(store::Journal journal, store::Journal::Open(FileOf(options), store::Sync::kFull));
  std::map<std::string, std::uint64_t> kinds;
  std::set<RunId> runs;
  MILLRACE_RETURN_IF_ERROR(journal.Replay([&](JournalPosition, const Record& record) {
    ++kinds[KindOf(record)];
    runs.insert(store::RunOf(record));
    return absl::OkStatus();
  }));
  std::string text;
  for (const auto& [kind, count] : kinds) {
    if (!text.empty()) text += ", ";
    text += arguments.json ? absl::StrFormat("\"%s\":%d", kind, count) : absl::StrFormat("%s %d", kind, count);
  }
  const std::uint64_t records = journal.end() + 1 - journal.first();
  if (arguments.json) {
    std::printf(
        "{\"ok\":true,\"first\":%llu,\"end\":%llu,\"records\":%llu,\"bytes\":%llu,\"runs\":%zu,\"kinds\":{%s}}\n",
        static_cast<unsigned long long>(journal.first()), static_cast<unsigned long long>(journal.end()),
        static_cast<unsigned long long>(records), static_cast<unsigned long long>(journal.bytes()), runs.size(),
        text.c_str());
  } else {
    std::printf("%s\n", absl::StrFormat("%s is whole: %d records of %d runs, positions %d to %d, %d bytes%s%s",
                                        FileOf(options).string(), records, runs.size(), journal.first(), journal.end(),
                                        journal.bytes(), text.empty() ? "" : "; ", text)
                            .c_str());
  }
  return host::kSucceeded;
}

absl::StatusOr<int> DumpJournal(const Arguments&, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(const exec::LockFile lock, Hold(FileOf(options)));
  MILLRACE_ASSIGN_OR_RETURN(store::Journal journal, store::Journal::Open(FileOf(options), store::Sync::kFull));
  MILLRACE_RETURN_IF_ERROR(journal.Replay([](JournalPosition position, const Record& record) -> absl::Status {
    MILLRACE_ASSIGN_OR_RETURN(const std::string line, JsonOf(position, record));
    std::fputs(line.c_str(), stdout);
    return absl::OkStatus();
  }));
  return host::kSucceeded;
}

absl::StatusOr<int> SalvageJournal(const Arguments& arguments, const Options& options) {
  MILLRACE_ASSIGN_OR_RETURN(const exec::LockFile lock, Hold(FileOf(options)));
  MILLRACE_ASSIGN_OR_RETURN(const store::Salvaged salvaged, store::Salvage(FileOf(options)));
  if (arguments.json) {
    std::printf("{\"damage\":%s,\"records\":%llu,\"kept\":%s}\n", wire::JsonQuote(salvaged.damage).c_str(),
                static_cast<unsigned long long>(salvaged.records), wire::JsonQuote(salvaged.kept.string()).c_str());
  } else if (salvaged.damage.empty()) {
    std::printf("%s is whole; nothing was changed\n", FileOf(options).c_str());
  } else {
    std::printf("%s\n%llu records before the damage were saved; the old file is %s\n", salvaged.damage.c_str(),
                static_cast<unsigned long long>(salvaged.records), salvaged.kept.c_str());
  }
  return host::kSucceeded;
}

}  // namespace millrace::zmqctl

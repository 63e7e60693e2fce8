// SPDX-License-Identifier: Apache-2.0
// `zmqctl artifacts`: what the tasks of a run have made, and those of one as a folder.
#include <nlohmann/json.hpp>

#include "absl/container/flat_hash_set.h"
#include "millrace/base/size.h"
#include "millrace/base/status.h"
#include "millrace/base/suggest.h"
#include "millrace/content/bundle.h"
#include "millrace/content/workspace.h"
#include "millrace/host/exit_code.h"
#include "millrace/host/outlook.h"
#include "millrace/host/summary.h"
#include "tools/zmqctl/commands.h"

namespace millrace::zmqctl {
namespace {

using host::FormatTable;
using host::Printable;
using Json = nlohmann::ordered_json;

struct TaskArtifacts {
  TaskView task;
  content::Tree bundle;
};

std::string_view KindOf(content::EntryKind kind) {
  switch (kind) {
    case content::EntryKind::kDirectory: return "directory";
    case content::EntryKind::kFile: return "file";
    case content::EntryKind::kExecutable: return "executable";
    case content::EntryKind::kSymlink: return "link";
  }
  return "?";
}

absl::StatusOr<std::vector<TaskArtifacts>> Find(Context& context) {
  RunId run;
  if (!context.arguments.run.empty()) {
    MILLRACE_ASSIGN_OR_RETURN(run, ParseRunName(context.arguments.run));
  }
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<TaskView> rows, host::RowsOf(context.client, run));
  std::vector<TaskArtifacts> found;
  std::vector<std::string> names;
  for (const TaskView& row : rows) {
    names.push_back(row.name);
    if (row.artifacts.empty() || (!context.arguments.task.empty() && row.name != context.arguments.task)) continue;
    MILLRACE_ASSIGN_OR_RETURN(const Bytes bytes, context.client.Blob(row.artifacts[0].digest, row.artifacts[0].size));
    MILLRACE_ASSIGN_OR_RETURN(content::Tree bundle, content::DecodeTree(bytes.view()));
    found.push_back({row, std::move(bundle)});
  }
  if (!found.empty() || context.arguments.task.empty()) return found;
  const std::string& task = context.arguments.task;
  const bool known = std::find(names.begin(), names.end(), task) != names.end();
  if (known) return NotFound("task '%s' has no artifacts (zmqctl why '%s' tells what became of it)", task, task);
  return NotFound("there is no task '%s' in this run%s", task, DidYouMean(task, names));
}

Json ToJson(const TaskArtifacts& one) {
  Json entries = Json::array();
  for (const content::TreeEntry& entry : one.bundle.entries) {
    Json json = {{"path", entry.path}, {"kind", KindOf(entry.kind)}};
    if (entry.is_file()) json.update({{"bytes", entry.size}, {"digest", entry.digest.Hex()}});
    if (entry.kind == content::EntryKind::kSymlink) json["target"] = entry.target;
    entries.push_back(std::move(json));
  }
  const ArtifactTree& tree = one.task.artifacts[0];
  return {{"task", one.task.name},
          {"digest", tree.digest.Hex()},
          {"bytes", tree.bytes},
          {"files", tree.files},
          {"entries", std::move(entries)}};
}

void Show(Context& context, const std::vector<TaskArtifacts>& found) {
  if (context.arguments.json) {
    Json all = Json::array();
    for (const TaskArtifacts& one : found) all.push_back(ToJson(one));
    context.out.Write(all.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"task", "artifact and path", "kind", "size", "digest"}};
  for (const TaskArtifacts& one : found) {
    for (const content::TreeEntry& entry : one.bundle.entries) {
      constexpr std::size_t kDigits = 12;
      rows.push_back({Printable(one.task.name), Printable(entry.path), std::string(KindOf(entry.kind)),
                      entry.is_file() ? FormatSize(static_cast<std::int64_t>(entry.size)) : "-",
                      entry.is_file() ? entry.digest.Hex().substr(0, kDigits) : "-"});
    }
  }
  context.out.Write(FormatTable(rows, context.out, {host::Colour::kBold}));
}

absl::Status Get(Context& context, const TaskArtifacts& one) {
  MILLRACE_ASSIGN_OR_RETURN(const content::Tree tree,
                            content::TakeOut(one.bundle, context.arguments.artifact, /*into=*/""));
  MILLRACE_ASSIGN_OR_RETURN(
      const auto store,
      content::ContentStore::Open(context.options.store,
                                  {.limit_bytes = static_cast<std::uint64_t>(context.options.store_limit)}));
  content::Pins pins = store->NoPins();
  std::vector<content::Blob> blobs;
  absl::flat_hash_set<Digest> seen;
  for (const content::TreeEntry& entry : tree.entries) {
    if (entry.is_file() && seen.insert(entry.digest).second) blobs.push_back({entry.digest, entry.size});
  }
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<std::size_t> missing, store->PinAndFindMissing(blobs, pins));
  for (const std::size_t index : missing) {
    const content::Blob& blob = blobs[index];
    Bytes bytes;
    if (blob.size > 0) {
      MILLRACE_ASSIGN_OR_RETURN(bytes, context.client.Blob(blob.digest, blob.size));
    }
    MILLRACE_ASSIGN_OR_RETURN(content::ContentStore::Draft draft, store->Begin());
    MILLRACE_RETURN_IF_ERROR(draft.Write(bytes.view()));
    MILLRACE_RETURN_IF_ERROR(draft.Publish(pins, &blob.digest).status());
  }
  return content::MakeWorkspace(tree, *store, context.arguments.get, {.verify = true}).status();
}

}  // namespace

absl::StatusOr<int> Artifacts(Context& context) {
  if (!context.arguments.get.empty() && context.arguments.task.empty()) {
    return InvalidArgument("--get takes the artifacts of one task: zmqctl artifacts RUN TASK --get DIR");
  }
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<TaskArtifacts> found, Find(context));
  if (context.arguments.get.empty()) {
    Show(context, found);
  } else {
    MILLRACE_RETURN_IF_ERROR(Get(context, found.front()));
  }
  return host::kSucceeded;
}

}  // namespace millrace::zmqctl

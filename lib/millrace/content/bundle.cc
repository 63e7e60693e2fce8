// SPDX-License-Identifier: Apache-2.0
#include "millrace/content/bundle.h"

#include <algorithm>
#include <map>
#include <utility>

#include "millrace/base/status.h"
#include "millrace/base/suggest.h"

namespace millrace::content {
namespace {

struct Origin {
  TreeEntry entry;
  std::string whose;
};
struct PathOrder {
  bool operator()(std::string_view a, std::string_view b) const { return PathLess(a, b); }
};
using Merged = std::map<std::string, Origin, PathOrder>;

absl::Status Add(const TreeEntry& entry, const std::string& whose, Merged& merged) {
  const auto [it, fresh] = merged.try_emplace(entry.path, Origin{entry, whose});
  if (fresh || it->second.entry == entry) return absl::OkStatus();
  return InvalidArgument("%s and %s both have %s, and not the same; take one of them elsewhere with 'into'",
                         it->second.whose, whose, Shown(entry.path));
}

// The directories on the way to `into`, which the tree must have, too.
absl::Status AddParents(std::string_view into, const std::string& whose, Merged& merged) {
  for (std::size_t end = 0; end < into.size();) {
    end = std::min(into.find('/', end + 1), into.size());
    const TreeEntry directory{.path = std::string(into.substr(0, end)), .kind = EntryKind::kDirectory};
    MILLRACE_RETURN_IF_ERROR(Add(directory, whose, merged));
  }
  return absl::OkStatus();
}

absl::StatusOr<Tree> TreeOf(Merged merged) {
  Tree tree;
  tree.entries.reserve(merged.size());
  for (auto& [path, origin] : merged) tree.entries.push_back(std::move(origin.entry));
  MILLRACE_RETURN_IF_ERROR(CheckTree(tree));
  return tree;
}

}  // namespace

absl::StatusOr<Tree> Bundle(std::vector<NamedTree> artifacts) {
  std::sort(artifacts.begin(), artifacts.end(),
            [](const NamedTree& a, const NamedTree& b) { return PathLess(a.name, b.name); });
  Tree bundle;
  for (NamedTree& artifact : artifacts) {
    bundle.entries.push_back({.path = artifact.name, .kind = EntryKind::kDirectory});
    for (TreeEntry& entry : artifact.tree.entries) {
      entry.path.insert(0, artifact.name + "/");
      bundle.entries.push_back(std::move(entry));
    }
  }
  MILLRACE_RETURN_IF_ERROR(CheckTree(bundle));
  return bundle;
}

absl::StatusOr<std::vector<std::string>> ArtifactsIn(const Tree& bundle) {
  std::vector<std::string> names;
  for (const TreeEntry& entry : bundle.entries) {
    if (entry.path.find('/') != std::string::npos) continue;
    if (entry.kind != EntryKind::kDirectory || !IsArtifactName(entry.path)) {
      return InvalidArgument("%s is no artifact", Shown(entry.path));
    }
    names.push_back(entry.path);
  }
  return names;
}

ArtifactTree DescribeBundle(const Tree& bundle, std::string_view encoded) {
  ArtifactTree described{.digest = Sha256(encoded), .size = encoded.size(), .bytes = BytesOf(bundle), .files = 0};
  for (const TreeEntry& entry : bundle.entries) described.files += entry.is_file() ? 1 : 0;
  return described;
}

absl::StatusOr<Tree> TakeOut(const Tree& bundle, std::string_view artifact, std::string_view into) {
  MILLRACE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ArtifactsIn(bundle));
  if (!artifact.empty() && std::find(names.begin(), names.end(), artifact) == names.end()) {
    return NotFound("there is no artifact %s%s", Shown(artifact), DidYouMean(artifact, names));
  }
  if (!into.empty()) MILLRACE_RETURN_IF_ERROR(CheckPath(into));
  std::vector<Part> parts;
  for (const TreeEntry& entry : bundle.entries) {
    const std::size_t slash = entry.path.find('/');
    const std::string_view name = std::string_view(entry.path).substr(0, slash);
    if (!artifact.empty() && name != artifact) continue;
    if (slash == std::string::npos) {
      parts.push_back({.whose = "artifact " + entry.path, .tree = {}});
      continue;
    }
    TreeEntry& taken = parts.back().tree.entries.emplace_back(entry);
    taken.path.erase(0, slash + 1);
  }
  for (Part& part : parts) {
    // A link that stays in the bundle may still leave its artifact.
    MILLRACE_RETURN_IF_ERROR(CheckTree(part.tree));
    if (into.empty()) continue;
    for (TreeEntry& entry : part.tree.entries) entry.path.insert(0, std::string(into) + "/");
    Merged merged;
    MILLRACE_RETURN_IF_ERROR(AddParents(into, part.whose, merged));
    for (const TreeEntry& entry : part.tree.entries) MILLRACE_RETURN_IF_ERROR(Add(entry, part.whose, merged));
    MILLRACE_ASSIGN_OR_RETURN(part.tree, TreeOf(std::move(merged)));
  }
  return Merge(std::move(parts));
}

absl::StatusOr<Tree> Merge(std::vector<Part> parts) {
  if (parts.size() == 1) return std::move(parts.front().tree);
  Merged merged;
  for (const Part& part : parts) {
    for (const TreeEntry& entry : part.tree.entries) MILLRACE_RETURN_IF_ERROR(Add(entry, part.whose, merged));
  }
  return TreeOf(std::move(merged));
}

}  // namespace millrace::content

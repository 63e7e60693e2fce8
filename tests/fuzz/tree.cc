// SPDX-License-Identifier: Apache-2.0
// Manifests: what is read is sound by rules that are told again here, in another way, and is written the same.
#include "millrace/content/tree.h"

#include <filesystem>
#include <map>

#include "tests/fuzz/choices.h"
#include "tests/fuzz/judge.h"

using namespace millrace;

namespace {

using Kinds = std::map<std::string, const content::TreeEntry*, std::less<>>;

// Where `path` leads from `at` when the links of the tree are followed; false when that is outside.
bool Follow(const Kinds& kinds, std::string_view path, std::string& at, int& links) {
  if (path.starts_with('/')) return false;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(part.size() + 1, path.size()));
    if (part.empty() || part == ".") continue;
    const std::size_t before = at.size();
    if (part == "..") {
      if (at.empty()) return false;
      const std::size_t slash = at.rfind('/');
      at.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    if (!at.empty()) at += '/';
    at += part;
    const auto entry = kinds.find(at);
    if (entry == kinds.end() || entry->second->kind != content::EntryKind::kSymlink) continue;
    if (++links > 40) return true;  // as the system does, which then gives up
    at.resize(before);
    if (!Follow(kinds, entry->second->target, at, links)) return false;
  }
  return true;
}

void Judge(const content::Tree& tree) {
  Kinds kinds;
  for (const content::TreeEntry& entry : tree.entries) {
    fuzz::Require(kinds.emplace(entry.path, &entry).second, "a path is there twice", entry.path);
    const std::filesystem::path path = entry.path;
    fuzz::Require(path.is_relative() && path.lexically_normal() == path && *path.begin() != "..", "not inside",
                  entry.path);
    const auto parent = kinds.find(path.parent_path().string());
    fuzz::Require(
        !path.has_parent_path() || (parent != kinds.end() && parent->second->kind == content::EntryKind::kDirectory),
        "in no directory", entry.path);
    fuzz::Require(content::Find(tree, entry.path) == &entry, "an entry is not found", entry.path);
  }
  for (const auto& [path, entry] : kinds) {
    std::string at;
    int links = 0;
    fuzz::Require(Follow(kinds, path, at, links), "a link leads outside", path);
  }
}

content::Tree Made(fuzz::Choices choices) {
  constexpr const char* kParts[] = {"a", "b", "c", "..", ".", "", "a-", "/"};
  const auto path = [&] {
    std::string made = kParts[choices.Below(std::size(kParts))];
    while (choices.OneIn(2)) made += std::string("/") + kParts[choices.Below(std::size(kParts))];
    return made;
  };
  content::Tree tree;
  while (!choices.empty()) {
    content::TreeEntry entry{.path = path(), .kind = static_cast<content::EntryKind>(choices.Below(4))};
    if (entry.kind == content::EntryKind::kSymlink) entry.target = path();
    if (entry.is_file()) entry.size = choices.Byte();
    tree.entries.push_back(std::move(entry));
  }
  std::stable_sort(tree.entries.begin(), tree.entries.end(),
                   [](const auto& x, const auto& y) { return content::PathLess(x.path, y.path); });
  return tree;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(fuzz::TextOf(data, size));
  const auto tree = content::DecodeTree(bytes);
  if (tree.ok()) {
    fuzz::Require(content::EncodeTree(*tree) == bytes, "a tree is written in another way than it was read");
    Judge(*tree);
  } else {
    fuzz::Require(!tree.status().message().empty(), "refused without a reason");
  }
  // Bytes as they come are hardly ever a tree; these often are nearly one.
  const content::Tree made = Made(fuzz::Choices(data, size));
  const absl::Status sound = content::CheckTree(made);
  const auto again = content::DecodeTree(content::EncodeTree(made));
  fuzz::Require(sound.ok() == again.ok(), "what is written and what is read are judged differently");
  if (sound.ok()) Judge(made);
  return 0;
}

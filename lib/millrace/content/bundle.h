// SPDX-License-Identifier: Apache-2.0
// All artifacts of a task as one tree: each is a directory of its name, with the paths that its files have in the work
// directory below it. An artifact that is empty is an empty directory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "millrace/content/tree.h"
#include "millrace/model/artifact.h"

namespace millrace::content {

struct NamedTree {
  std::string name{};
  Tree tree{};
};

// Of trees that are checked, whose names are IsArtifactName and no two the same.
absl::StatusOr<Tree> Bundle(std::vector<NamedTree> artifacts);
// Names of the artifacts in it. InvalidArgument when it is none of ours: something stands beside the directories.
absl::StatusOr<std::vector<std::string>> ArtifactsIn(const Tree& bundle);
// `encoded`: by EncodeTree.
ArtifactTree DescribeBundle(const Tree& bundle, std::string_view encoded);

// What of a bundle goes into a folder: one artifact, or "" for all, below `into`, which "" leaves out. NotFound for a
// name that is not there, with the nearest; InvalidArgument where a link would leave its artifact, or where two
// artifacts have different things at one path.
absl::StatusOr<Tree> TakeOut(const Tree& bundle, std::string_view artifact, std::string_view into);

// One tree of several, for one folder. `names` says whose they are, for the error: InvalidArgument where two have
// different things at one path.
struct Part {
  std::string whose{};
  Tree tree{};
};
absl::StatusOr<Tree> Merge(std::vector<Part> parts);

}  // namespace millrace::content

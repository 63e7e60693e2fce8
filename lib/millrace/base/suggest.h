// SPDX-License-Identifier: Apache-2.0
// "Did you mean ...?": the known name nearest to one that is not known.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace millrace {

// The candidate with the smallest edit distance (case ignored), or "" when none is within a third of its length.
std::string Nearest(std::string_view name, std::span<const std::string> candidates);
// "; did you mean 'x'?" or "": made to be appended to an error.
std::string DidYouMean(std::string_view name, std::span<const std::string> candidates);

}  // namespace millrace

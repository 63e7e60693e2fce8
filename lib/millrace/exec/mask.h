// SPDX-License-Identifier: Apache-2.0
// Puts *** in the place of secrets, in whichever form (secret_forms.h) they stand in a text. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/exec/pattern_set.h"
#include "millrace/exec/secret_forms.h"

namespace millrace::exec {

inline constexpr std::string_view kMasked = "***";

// The secrets of one attempt. May be used by any number of threads.
class Masks {
 public:
  explicit Masks(const std::vector<std::string>& secrets);
  explicit Masks(const SecretForms& forms);
  // Of a text that is there as a whole.
  std::string Mask(std::string_view text) const;

 private:
  friend class MaskStream;
  PatternSet exact_;
  PatternSet base64_;
};

// Of one stream that comes in chunks: what comes out does not depend on where they were cut. One thread at a time.
class MaskStream {
 public:
  explicit MaskStream(const Masks& masks) : masks_(&masks) {}  // outlives it

  // What may be shown by now: all but an end of the stream that a secret may begin with.
  std::string Feed(std::string_view chunk);
  // The rest. What is fed after it is a new stream.
  std::string End();

 private:
  struct Hidden {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool shown = false;  // its *** is out, and not all of its bytes have come
  };

  void Hide(const FoundRange& found);
  std::string Emit(std::uint64_t until);

  const Masks* masks_;
  PatternSet::Cursor exact_;
  PatternSet::Cursor base64_;
  std::string held_;            // what is not out yet,
  std::uint64_t begin_ = 0;     // from this offset on
  std::vector<Hidden> hidden_;  // in order, apart, and not wholly out yet
  std::vector<FoundRange> found_;
};

}  // namespace millrace::exec

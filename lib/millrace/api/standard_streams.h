// SPDX-License-Identifier: Apache-2.0
// The stdout and stderr of this process, turned into pipes, so that what a module (or a library it uses, or a child it
// forked) prints with printf belongs to its task like everything else.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "millrace/base/fd.h"

namespace millrace {

class StandardStreams {
 public:
  using Sink = std::function<void(std::string_view text, bool is_stderr)>;

  // From now on descriptors 1 and 2 lead here, for the rest of the process's life: somebody must keep draining.
  static absl::StatusOr<StandardStreams> Redirect();

  // Hands over what has arrived, without waiting for more. One thread at a time.
  void Drain(const Sink& sink);
  // The same, after stdio's own buffers are flushed: everything that this process has printed so far.
  void FlushAndDrain(const Sink& sink);

  // Readable when there is something to drain.
  int out_fd() const { return out_.get(); }
  int err_fd() const { return err_.get(); }

 private:
  StandardStreams(UniqueFd out, UniqueFd err) : out_(std::move(out)), err_(std::move(err)) {}

  UniqueFd out_;
  UniqueFd err_;
};

}  // namespace millrace

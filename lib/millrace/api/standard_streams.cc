// SPDX-License-Identifier: Apache-2.0
#include "millrace/api/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <iostream>

#include "millrace/base/status.h"

namespace millrace {
namespace {

// The end to read from, without blocking; `target` becomes the end to write to, which blocks like a file would.
absl::StatusOr<UniqueFd> PipeInto(int target) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  if (fcntl(reader.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus(errno, "fcntl(O_NONBLOCK)");
  if (dup2(writer.get(), target) < 0) return ErrnoStatus(errno, "dup2");
  return reader;
}

void DrainOne(int fd, bool is_stderr, const StandardStreams::Sink& sink) {
  std::array<char, 1 << 16> chunk;
  // A child that prints without end must not keep us here for ever: at most a mebibyte at once.
  for (int round = 0; round < 16; ++round) {
    const ssize_t count = read(fd, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    sink({chunk.data(), static_cast<std::size_t>(count)}, is_stderr);
  }
}

}  // namespace

absl::StatusOr<StandardStreams> StandardStreams::Redirect() {
  std::fflush(nullptr);
  MILLRACE_ASSIGN_OR_RETURN(UniqueFd out, PipeInto(STDOUT_FILENO));
  MILLRACE_ASSIGN_OR_RETURN(UniqueFd err, PipeInto(STDERR_FILENO));
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a pipe would make it wait for 4 KiB, and a crash would lose them
  return StandardStreams(std::move(out), std::move(err));
}

void StandardStreams::Drain(const Sink& sink) {
  DrainOne(out_.get(), false, sink);
  DrainOne(err_.get(), true, sink);
}

void StandardStreams::FlushAndDrain(const Sink& sink) {
  std::cout.flush();
  std::fflush(stdout);
  std::fflush(stderr);
  Drain(sink);
}

}  // namespace millrace

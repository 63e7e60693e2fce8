// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/context.h"

#include <sys/resource.h>

#include <zmq.hpp>

namespace millrace::net {
namespace {

void RaiseOpenFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // a refusal leaves the soft limit, which is what there was
}

}  // namespace

SocketContext::SocketContext(const SocketContextOptions& options) {
  RaiseOpenFileLimit();
  context_ = std::make_unique<zmq::context_t>(options.io_threads, options.max_sockets);
  // Else closing the context would wait for ever for messages to a peer that is gone.
  context_->set(zmq::ctxopt::blocky, false);
}

SocketContext::~SocketContext() = default;

std::size_t OpenFileLimit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::size_t>(limit.rlim_cur) : 1024;
}

}  // namespace millrace::net

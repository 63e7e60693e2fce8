// SPDX-License-Identifier: Apache-2.0
// A peer in a process of its own, to be killed: connects to its argument, says hello, and waits.
#include <unistd.h>

#include <cstdio>

#include "millrace/net/dealer.h"

int main(int argc, char** argv) {
  using namespace millrace;
  using namespace millrace::net;
  if (argc != 2) return 64;
  SocketContext context;
  const auto endpoint = ParseOrchestratorUrl(argv[1]);
  if (!endpoint.ok()) return 65;
  const auto dealer = Dealer::Connect(context, *endpoint);
  if (!dealer.ok()) return 66;
  while ((*dealer)->Send(Bytes::Copy("hello")) != SendResult::kSent) usleep(1000);
  while (true) pause();
}

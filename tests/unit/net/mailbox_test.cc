// SPDX-License-Identifier: Apache-2.0
#include "millrace/net/mailbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

namespace millrace::net {
namespace {

using ::testing::ElementsAre;

template <class T>
bool Readable(const Mailbox<T>& box) {
  pollfd item{box.fd(), POLLIN, 0};
  return poll(&item, 1, 0) == 1;
}

TEST(MailboxTest, WhatIsPushedQuietlyIsThereAndWakesNobody) {
  Mailbox<int> box;
  box.PushQuietly(1, 100);
  box.PushQuietly(2, 100);
  EXPECT_FALSE(Readable(box));
  std::vector<int> taken;
  EXPECT_EQ(box.DrainInto(taken), 2u);
  EXPECT_THAT(taken, ElementsAre(1, 2));
}

TEST(MailboxTest, APushWakesForTheQuietOnesBeforeIt) {
  Mailbox<int> box;
  box.PushQuietly(1, 100);
  box.Push(2);
  EXPECT_TRUE(Readable(box));
  box.PushQuietly(3, 100);
  std::vector<int> taken;
  box.DrainInto(taken);
  EXPECT_THAT(taken, ElementsAre(1, 2, 3));
  EXPECT_FALSE(Readable(box));
  box.Push(4);
  EXPECT_TRUE(Readable(box)) << "the next filling is signalled anew";
}

TEST(MailboxTest, WakeIsForWhatWaits) {
  Mailbox<int> box;
  box.Wake();
  EXPECT_FALSE(Readable(box)) << "nothing waits";
  box.PushQuietly(1, 100);
  box.Wake();
  EXPECT_TRUE(Readable(box));
}

TEST(MailboxTest, QuietOnesWakeOnceThereAreMany) {
  Mailbox<int> box;
  box.PushQuietly(1, 3);
  box.PushQuietly(2, 3);
  EXPECT_FALSE(Readable(box));
  box.PushQuietly(3, 3);
  EXPECT_TRUE(Readable(box));
}

}  // namespace
}  // namespace millrace::net

#include "sentry/fs/mqueue/mqueue.h"

#include <gtest/gtest.h>

#include <cstring>

#include "sentry/fs/mqueue/mqueue_fs.h"

namespace sentry {
namespace {

using Wait = Mqueue::Wait;
using Outcome = Mqueue::Outcome;

class CountingNotification final : public MqueueNotification {
 public:
  explicit CountingNotification(int32_t owner) : MqueueNotification(owner, 0, 10) {}
  void Deliver(const VfsContext&) override { ++count; }
  int count = 0;
};

Mqueue::Waiter Message(const std::string& text, uint32_t priority = 0) {
  Mqueue::Waiter waiter;
  waiter.message = MqueueMessage::Create(priority, text.size()).value();
  memcpy(waiter.message->bytes().data(), text.data(), text.size());
  return waiter;
}
std::string Text(const Mqueue::Waiter& waiter) {
  const auto bytes = waiter.message->bytes();
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

TEST(Mqueue, HandsOverToTheFirstWhoWaits) {
  Mqueue queue(2, 16);
  Mqueue::Waiter first, second;
  EXPECT_TRUE(queue.Receive(first, Wait::kNever).Is(Errno::kEAGAIN));
  EXPECT_TRUE(queue.Receive(first, Wait::kMay).Is(Errno::kEAGAIN));
  EXPECT_TRUE(queue.Receive(second, Wait::kMay).Is(Errno::kEAGAIN));
  Mqueue::Waiter message = Message("a", 3);
  EXPECT_TRUE(queue.Send({}, message, Wait::kMay).ok());
  EXPECT_EQ(queue.attributes().curmsgs, 0);
  EXPECT_TRUE(queue.Receive(second, Wait::kMay).Is(Errno::kEAGAIN));
  EXPECT_TRUE(queue.Receive(first, Wait::kMay).ok());
  EXPECT_EQ(Text(first), "a");
  EXPECT_EQ(queue.Cancel(second), Outcome::kCancelled);
  Mqueue::Waiter next = Message("b");
  EXPECT_TRUE(queue.Send({}, next, Wait::kMay).ok());
  EXPECT_EQ(queue.attributes().curmsgs, 1);
}

TEST(Mqueue, WhatWasHandedOverCannotBeCancelled) {
  Mqueue queue(1, 16);
  Mqueue::Waiter receiver;
  EXPECT_TRUE(queue.Receive(receiver, Wait::kMay).Is(Errno::kEAGAIN));
  Mqueue::Waiter message = Message("a");
  EXPECT_TRUE(queue.Send({}, message, Wait::kNever).ok());
  EXPECT_EQ(queue.Cancel(receiver), Outcome::kDone);
  EXPECT_EQ(Text(receiver), "a");
}

TEST(Mqueue, WaitingSenderFillsTheGap) {
  Mqueue queue(1, 16);
  Mqueue::Waiter a = Message("a"), b = Message("b"), c = Message("c"), out;
  EXPECT_TRUE(queue.Send({}, a, Wait::kMay).ok());
  EXPECT_TRUE(queue.Send({}, b, Wait::kMay).Is(Errno::kEAGAIN));
  EXPECT_TRUE(queue.Send({}, c, Wait::kNever).Is(Errno::kEAGAIN));
  EXPECT_TRUE(queue.Receive(out, Wait::kMay).ok());
  EXPECT_EQ(Text(out), "a");
  EXPECT_TRUE(queue.Send({}, b, Wait::kMay).ok());
  EXPECT_EQ(queue.attributes().curmsgs, 1);
}

TEST(Mqueue, NotifiesOnceAndNotPastAReceiver) {
  Mqueue queue(4, 16);
  const auto notification = base::MakeRef<CountingNotification>(7);
  EXPECT_TRUE(queue.SetNotification(7, notification).ok());
  EXPECT_TRUE(queue.SetNotification(8, base::MakeRef<CountingNotification>(8)).Is(Errno::kEBUSY));
  queue.RemoveNotification(8);  // not his
  Mqueue::Waiter receiver, a = Message("a"), b = Message("b"), c = Message("c");
  EXPECT_TRUE(queue.Receive(receiver, Wait::kMay).Is(Errno::kEAGAIN));
  EXPECT_TRUE(queue.Send({}, a, Wait::kMay).ok());
  EXPECT_EQ(notification->count, 0);
  EXPECT_TRUE(queue.Send({}, b, Wait::kMay).ok());
  EXPECT_TRUE(queue.Send({}, c, Wait::kMay).ok());
  EXPECT_EQ(notification->count, 1);
}

TEST(Mqueue, AllMessagesTogetherAreLimited) {
  std::vector<std::unique_ptr<MqueueMessage>> messages;
  Result<std::unique_ptr<MqueueMessage>> message = Errno::kEINVAL;
  while ((message = MqueueMessage::Create(0, 8 << 20)).ok()) messages.push_back(std::move(*message));
  EXPECT_TRUE(message.Is(Errno::kENOMEM));
  EXPECT_EQ(messages.size(), 7u);
  messages.clear();
  EXPECT_TRUE(MqueueMessage::Create(0, 8 << 20).ok());
}

TEST(MqueueNamespace, ChargesUsersUntilTheQueueIsGone) {
  const auto queues = MqueueNamespace::Create(MakeRef<MqueueUsage>());
  VfsContext ctx;
  ctx.creds = MakeRef<Credentials>();
  MqueueNamespace::NewQueue args = {.mode = 0600, .attr = abi::MqAttr{}};
  args.attr->maxmsg = 1;
  args.attr->msgsize = 100;
  args.byte_limit = 300;  // one costs 196
  Result<RefPtr<FileDescription>> a = queues->Open(ctx, "a", abi::kORdWr | abi::kOCreat, args);
  ASSERT_TRUE(a.ok());
  EXPECT_TRUE(queues->Open(ctx, "b", abi::kORdWr | abi::kOCreat, args).Is(Errno::kEMFILE));
  EXPECT_TRUE(queues->Unlink(ctx, "a").ok());
  EXPECT_TRUE(queues->Open(ctx, "b", abi::kORdWr | abi::kOCreat, args).Is(Errno::kEMFILE));
  a = Errno::kEINVAL;
  EXPECT_TRUE(queues->Open(ctx, "b", abi::kORdWr | abi::kOCreat, args).ok());
  queues->limits().queues_max = 1;
  EXPECT_TRUE(queues->Open(ctx, "c", abi::kORdWr | abi::kOCreat, args).Is(Errno::kENOSPC));
}

}  // namespace
}  // namespace sentry

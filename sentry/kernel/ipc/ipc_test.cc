#include <gtest/gtest.h>

#include "sentry/kernel/ipc/acting_process.h"
#include "sentry/kernel/ipc/messages.h"
#include "sentry/kernel/ipc/sem_undo.h"
#include "sentry/kernel/ipc/semaphores.h"
#include "sentry/kernel/ipc/shared_memory.h"
#include "sentry/mm/mm_test_util.h"

namespace sentry {
namespace {

using base::MakeRef;

class IpcTest : public testing::Test {
 protected:
  IpcTest() { creds_->effective = CapabilitySet::All(); }

  RefPtr<SemaphoreSet> NewSet(int32_t count) {
    return semaphores_->Find(semaphores_->Get(caller_, abi::kIpcPrivate, count, 0600).value()).value();
  }
  RefPtr<MessageQueue> NewQueue() {
    return messages_->Find(messages_->Get(caller_, abi::kIpcPrivate, 0600).value()).value();
  }
  static bool Waits(const IpcObject& object, const IpcWaiter& waiter) {
    return object.OutcomeOf(waiter).Is(Errno::kEAGAIN);
  }
  static bool Succeeded(const IpcObject& object, const IpcWaiter& waiter) {
    const Result<IpcWaiter::Outcome> outcome = object.OutcomeOf(waiter);
    return outcome.ok() && !outcome->error;
  }

  const RefPtr<Credentials> creds_ = MakeRef<Credentials>();
  const RefPtr<Pid> pid_ = MakeRef<Pid>(MakeRef<PidNamespace>(nullptr, 10), std::vector<int32_t>{7});
  const IpcCaller caller_ = {.creds = *creds_, .process = *pid_};
  const RefPtr<SemaphoreNamespace> semaphores_ = MakeRef<SemaphoreNamespace>(UserNamespace::Initial());
  const RefPtr<MessageNamespace> messages_ = MakeRef<MessageNamespace>(UserNamespace::Initial());
};

TEST_F(IpcTest, IdsComeRoundLate) {
  int32_t last = -1;
  for (int i = 0; i < 64; ++i) {
    const int32_t id = messages_->Get(caller_, abi::kIpcPrivate, 0600).value();
    EXPECT_EQ(id, last + 1);
    ASSERT_TRUE(messages_->Remove(caller_, id).ok());
    last = id;
  }
  EXPECT_EQ(messages_->Get(caller_, abi::kIpcPrivate, 0600).value(), abi::kIpcMni);
  EXPECT_TRUE(messages_->Find(0).Is(Errno::kEINVAL));
  EXPECT_TRUE(messages_->FindIndex(0).ok());
}

TEST_F(IpcTest, SemaphoresAreServedInOrder) {
  const RefPtr<SemaphoreSet> set = NewSet(1);
  const abi::Sembuf one[] = {{0, -1, 0}}, two[] = {{0, -2, 0}}, more[] = {{0, 2, 0}}, zero[] = {{0, 0, 0}};
  SemaphoreSet::Operation big(caller_, two, nullptr), small(caller_, one, nullptr), add(caller_, more, nullptr);
  ASSERT_TRUE(set->Start(big).ok());
  ASSERT_TRUE(set->Start(small).ok());
  EXPECT_EQ(set->Get(caller_, 0, SemaphoreSet::Ask::kWaitForMore).value(), 2);
  ASSERT_TRUE(set->Start(add).ok());
  EXPECT_TRUE(Succeeded(*set, add));
  EXPECT_TRUE(Succeeded(*set, big));
  EXPECT_TRUE(Waits(*set, small));
  EXPECT_FALSE(set->Cancel(big));
  EXPECT_TRUE(set->Cancel(small));
  SemaphoreSet::Operation idle(caller_, zero, nullptr);
  ASSERT_TRUE(set->Start(idle).ok());
  EXPECT_TRUE(Succeeded(*set, idle));
}

TEST_F(IpcTest, UndoOfTheLastUser) {
  const RefPtr<SemaphoreSet> set = NewSet(2);
  const RefPtr<SemUndoList> undo = MakeRef<SemUndoList>();
  const RefPtr<SemUndoList> shared = undo->Share();
  const abi::Sembuf ops[] = {{1, 5, abi::kSemUndo}};
  SemaphoreSet::Operation add(caller_, ops, undo);
  ASSERT_TRUE(set->Start(add).ok());
  undo->Leave(*pid_);
  EXPECT_EQ(set->Get(caller_, 1, SemaphoreSet::Ask::kValue).value(), 5);
  shared->Leave(*pid_);
  EXPECT_EQ(set->Get(caller_, 1, SemaphoreSet::Ask::kValue).value(), 0);
  EXPECT_EQ(set->Get(caller_, 1, SemaphoreSet::Ask::kPid).value(), 7);
}

TEST_F(IpcTest, RemovalEndsWaits) {
  const RefPtr<MessageQueue> queue = NewQueue();
  MessageQueue::Receiving receiving(caller_, {MessageQueue::Wanted::Mode::kAny, 0}, 10);
  ASSERT_TRUE(queue->Receive(receiving, MessageQueue::Wait::kMay).ok());
  EXPECT_TRUE(Waits(*queue, receiving));
  ASSERT_TRUE(messages_->Remove(caller_, queue->id()).ok());
  EXPECT_EQ(queue->OutcomeOf(receiving)->error, Errno::kEIDRM);
  MessageQueue::Sending sending(caller_, IpcMessage::Create(1, 1).value());
  EXPECT_TRUE(queue->Send(sending, MessageQueue::Wait::kMay).Is(Errno::kEIDRM));
}

TEST_F(IpcTest, MessagesGoFromHandToHand) {
  const RefPtr<MessageQueue> queue = NewQueue();
  using Mode = MessageQueue::Wanted::Mode;
  MessageQueue::Receiving typed(caller_, {Mode::kOfType, 2}, 10), low(caller_, {Mode::kLowestUpTo, 1}, 10);
  ASSERT_TRUE(queue->Receive(typed, MessageQueue::Wait::kMay).ok());
  ASSERT_TRUE(queue->Receive(low, MessageQueue::Wait::kMay).ok());
  MessageQueue::Sending sending(caller_, IpcMessage::Create(1, 3).value());
  ASSERT_TRUE(queue->Send(sending, MessageQueue::Wait::kNever).ok());
  EXPECT_TRUE(Waits(*queue, typed));
  EXPECT_TRUE(Succeeded(*queue, low));
  EXPECT_EQ(low.message->size(), 3u);
  EXPECT_TRUE(queue->Cancel(typed));
}

TEST_F(IpcTest, SharedMemoryGoesWithItsLastUse) {
  const std::unique_ptr<MemoryFile> memory = NewMemoryFile(16 * kMiB);
  const RefPtr<SharedMemoryNamespace> ns = MakeRef<SharedMemoryNamespace>(UserNamespace::Initial(), *memory);
  const RefPtr<ShmCreator> creator = MakeRef<ShmCreator>();
  const int32_t id = ns->Get(caller_, 5, 100, abi::kIpcCreat | 0600, *creator).value();
  RefPtr<ShmAttachment> first = MakeRef<ShmAttachment>(ns, ns->Find(id).value());
  {
    const ActingProcess acting(*pid_);
    first->Mapped();
  }
  EXPECT_EQ(first->MappedName(), "/SYSV00000005 (deleted)");
  EXPECT_EQ(first->attached_bytes(), kPageSize);
  ASSERT_TRUE(ns->Remove(caller_, id).ok());
  EXPECT_TRUE(ns->Get(caller_, 5, 0, 0, *creator).Is(Errno::kENOENT));
  const RefPtr<ShmSegment> segment = ns->Find(id).value();
  EXPECT_EQ(segment->Describe(*UserNamespace::Initial(), pid_->ns()).lpid, 7);
  // Who comes while the last one goes keeps it.
  EXPECT_TRUE(segment->Detached(false));
  first->Mapped();
  ns->Retire(*segment);
  EXPECT_TRUE(ns->Find(id).ok());
  first->Unmapped();
  EXPECT_TRUE(ns->Find(id).Is(Errno::kEINVAL));
  EXPECT_TRUE(segment->HoldFor(caller_, 0).Is(Errno::kEIDRM));
}

TEST_F(IpcTest, MemoryIsBounded) {
  std::vector<RefPtr<IpcMessage>> kept;
  while (true) {
    Result<RefPtr<IpcMessage>> message = IpcMessage::Create(1, 1 << 20);
    if (!message.ok()) break;
    kept.push_back(std::move(message).value());
  }
  EXPECT_EQ(kept.size(), 63u);
  EXPECT_TRUE(semaphores_->Get(caller_, abi::kIpcPrivate, 32000, 0600).ok());
  EXPECT_TRUE(IpcMessage::Create(1, 1 << 20).Is(Errno::kENOMEM));
}

}  // namespace
}  // namespace sentry

// A POSIX message queue. Analogous to Linux's struct mqueue_inode_info.
#ifndef SENTRY_FS_MQUEUE_MQUEUE_H_
#define SENTRY_FS_MQUEUE_MQUEUE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/ref_ptr.h"
#include "base/result.h"
#include "base/wait_queue.h"
#include "sentry/abi/mqueue.h"
#include "sentry/vfs/context.h"

namespace sentry {

// Counted: all messages of the sandbox together have a limit.
class MqueueMessage {
 public:
  // ENOMEM.
  static Result<std::unique_ptr<MqueueMessage>> Create(uint32_t priority, size_t size);
  ~MqueueMessage();
  uint32_t priority() const { return priority_; }
  std::span<std::byte> bytes() { return bytes_; }

 private:
  MqueueMessage(uint32_t priority, size_t size) : priority_(priority), bytes_(size) {}
  const uint32_t priority_;
  std::vector<std::byte> bytes_;
};

// Who asked to be told of the next message into the empty queue.
class MqueueNotification : public base::RefCounted {
 public:
  MqueueNotification(int32_t owner, int32_t kind, int32_t signo) : owner(owner), kind(kind), signo(signo) {}
  // `sender` sent the message. No lock is held.
  virtual void Deliver(const VfsContext& sender) = 0;
  const int32_t owner;        // tgid
  const int32_t kind, signo;  // SIGEV_*, as the file tells
};

class Mqueue {
 public:
  Mqueue(int64_t max_messages, int64_t message_size) : max_messages_(max_messages), message_size_(message_size) {}

  // A call that may wait: on its caller's stack, off the queue before the call ends. A
  // message goes from hand to hand where somebody waits, first come, first served.
  struct Waiter {
    std::unique_ptr<MqueueMessage> message;  // to be sent; what was received
    enum class State : uint8_t { kNew, kWaits, kDone } state = State::kNew;
  };
  enum class Wait : uint8_t { kNever, kMay };
  // EAGAIN: not yet; with kMay the caller calls again once wait_queue() was notified,
  // and Cancel at last.
  Result<int> Send(const VfsContext& ctx, Waiter& waiter, Wait wait);
  Result<int> Receive(Waiter& waiter, Wait wait);
  enum class Outcome : uint8_t { kCancelled, kDone };
  Outcome Cancel(Waiter& waiter);

  // Null: takes back what this process asked for. EBUSY: somebody asked already.
  Result<void> SetNotification(int32_t tgid, base::RefPtr<MqueueNotification> notification);
  void RemoveNotification(int32_t tgid) { (void)SetNotification(tgid, nullptr); }

  int64_t max_messages() const { return max_messages_; }
  int64_t message_size() const { return message_size_; }
  abi::MqAttr attributes() const;  // flags: the file's
  std::string Text() const;        // what read(2) gives
  base::EventMask Readiness() const;
  base::WaitQueue& wait_queue() { return wait_queue_; }

 private:
  void InsertLocked(std::unique_ptr<MqueueMessage> message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::unique_ptr<MqueueMessage> TakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const int64_t max_messages_;
  const int64_t message_size_;
  base::WaitQueue wait_queue_;
  mutable base::RankedMutex<base::LockRank::kMqueue> mu_;
  // By priority, highest first; each in order of arrival.
  std::map<uint32_t, std::deque<std::unique_ptr<MqueueMessage>>, std::greater<>> messages_ ABSL_GUARDED_BY(mu_);
  int64_t count_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::list<Waiter*> senders_ ABSL_GUARDED_BY(mu_);
  std::list<Waiter*> receivers_ ABSL_GUARDED_BY(mu_);
  base::RefPtr<MqueueNotification> notification_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_FS_MQUEUE_MQUEUE_H_

// A System V message queue. Analogous to Linux's struct msg_queue.
#ifndef SENTRY_KERNEL_IPC_MESSAGE_QUEUE_H_
#define SENTRY_KERNEL_IPC_MESSAGE_QUEUE_H_

#include <cstddef>
#include <list>
#include <span>
#include <vector>

#include "sentry/kernel/ipc/ipc_object.h"

namespace sentry {

// Unchanged once it is sent.
class IpcMessage final : public base::RefCounted {
 public:
  static Result<RefPtr<IpcMessage>> Create(int64_t type, size_t size);  // ENOMEM
  int64_t type() const { return type_; }
  size_t size() const { return bytes_.size(); }
  std::span<std::byte> bytes() { return bytes_; }

 private:
  IpcMessage(int64_t type, size_t size, IpcCharge charge) : type_(type), charge_(std::move(charge)), bytes_(size) {}
  ~IpcMessage() override = default;
  const int64_t type_;
  const IpcCharge charge_;
  std::vector<std::byte> bytes_;
};

class MessageQueue final : public IpcObject {
 public:
  enum class Wait : uint8_t { kNever, kMay };
  struct Sending : IpcWaiter {
    Sending(const IpcCaller& caller, RefPtr<IpcMessage> message) : IpcWaiter(caller), message(std::move(message)) {}
    RefPtr<IpcMessage> message;
  };
  // Which message is wanted (msgrcv(2)'s type).
  struct Wanted {
    enum class Mode : uint8_t { kAny, kOfType, kOfOtherType, kLowestUpTo } mode;
    int64_t type;
    bool Fits(const IpcMessage& message) const;
  };
  struct Receiving : IpcWaiter {
    Receiving(const IpcCaller& caller, const Wanted& wanted, size_t max_size)
        : IpcWaiter(caller), wanted(wanted), max_size(max_size) {}
    const Wanted wanted;
    const size_t max_size;  // E2BIG beyond it
    RefPtr<IpcMessage> message;
  };

  MessageQueue(const IpcCaller& caller, RefPtr<UserNamespace> owner, int32_t key, uint32_t flags, IpcCharge charge,
               uint64_t max_bytes);

  // Done, or it waits, as the outcome tells; a message goes from hand to hand where
  // somebody waits. EACCES, EIDRM; with kNever EAGAIN and ENOMSG.
  Result<void> Send(Sending& sending, Wait wait);
  Result<void> Receive(Receiving& receiving, Wait wait);
  // MSG_COPY: the message at `position` stays. ENOMSG.
  Result<RefPtr<IpcMessage>> Peek(const IpcCaller& caller, int64_t position) const;

  // --- msgctl(2) ---
  Result<abi::MsqidDs> Stat(const IpcCaller& caller, IpcStatKind kind) const;
  abi::MsqidDs Describe(const UserNamespace& seen_by, const PidNamespace& numbers) const;
  // EPERM: more than `allowed_bytes`, without CAP_SYS_RESOURCE.
  Result<void> Set(const IpcCaller& caller, const abi::IpcPerm& perm, uint64_t max_bytes, uint64_t allowed_bytes);
  size_t count() const { return 1; }

 private:
  ~MessageQueue() override;
  void UnlinkLocked(IpcWaiter& waiter) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void RemoveLocked() override ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  abi::MsqidDs DescribeLocked(const UserNamespace& seen_by, const PidNamespace& numbers) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  using Messages = std::list<RefPtr<IpcMessage>>;
  Messages::iterator FindLocked(const Wanted& wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool HasRoomLocked(const IpcMessage& message) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // To the first who waits for it, else into the queue.
  void DeliverLocked(Sending& sending) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void ReceivedLocked(const IpcCaller& caller) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // There is room: of those who wait, in order, each whose message finds some.
  void LetSendersLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Permissions changed: who may not go on is done.
  void RecheckLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const IpcCharge charge_;
  Messages messages_ ABSL_GUARDED_BY(mu_);
  std::list<Sending*> senders_ ABSL_GUARDED_BY(mu_);
  std::list<Receiving*> receivers_ ABSL_GUARDED_BY(mu_);
  uint64_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t max_bytes_ ABSL_GUARDED_BY(mu_);
  int64_t sent_at_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t received_at_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t changed_at_ ABSL_GUARDED_BY(mu_);
  RefPtr<Pid> sender_ ABSL_GUARDED_BY(mu_);
  RefPtr<Pid> receiver_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_MESSAGE_QUEUE_H_

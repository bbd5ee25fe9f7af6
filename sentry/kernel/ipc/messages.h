// The message queues of an IPC namespace.
#ifndef SENTRY_KERNEL_IPC_MESSAGES_H_
#define SENTRY_KERNEL_IPC_MESSAGES_H_

#include <atomic>
#include <string>

#include "sentry/kernel/ipc/ipc_ids.h"
#include "sentry/kernel/ipc/message_queue.h"

namespace sentry {

// /proc/sys/kernel/msg*. Each is independent of all others.
struct MessageLimits {
  std::atomic<uint32_t> message_bytes{abi::kMsgMax};  // msgmax
  std::atomic<uint32_t> queue_bytes{abi::kMsgMnb};    // msgmnb: of a new queue
  std::atomic<uint32_t> queues{abi::kMsgMni};         // msgmni
};

class MessageNamespace final : public base::RefCounted {
 public:
  explicit MessageNamespace(RefPtr<UserNamespace> owner) : owner_(std::move(owner)) {}
  MessageLimits limits;

  Result<int32_t> Get(const IpcCaller& caller, int32_t key, uint32_t flags);  // msgget(2)
  Result<RefPtr<MessageQueue>> Find(int32_t id) const { return ids_.Find(id); }
  Result<RefPtr<MessageQueue>> FindIndex(int32_t index) const { return ids_.FindIndex(index); }
  Result<void> Remove(const IpcCaller& caller, int32_t id) { return ids_.Remove(caller, id); }
  struct Info {
    abi::Msginfo info;
    int32_t max_index;
  };
  Info GetInfo(const IpcCaller& caller, int32_t command) const;  // IPC_INFO, MSG_INFO
  // /proc/sysvipc/msg, with the ids and numbers that the reader has.
  std::string Text(const UserNamespace& seen_by, const PidNamespace& numbers) const;

 private:
  ~MessageNamespace() override = default;
  const RefPtr<UserNamespace> owner_;
  IpcIds<MessageQueue> ids_;
};

}  // namespace sentry

#endif  // SENTRY_KERNEL_IPC_MESSAGES_H_

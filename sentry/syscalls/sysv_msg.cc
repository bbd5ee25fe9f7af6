// msgget, msgsnd, msgrcv, msgctl: Linux's ipc/msg.c.
#include "sentry/kernel/ipc/messages.h"

#include <algorithm>
#include <limits>

#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/rooms.h"
#include "sentry/syscalls/sysv_ipc.h"

namespace sentry {
namespace {

using Wait = MessageQueue::Wait;

MessageNamespace& MessagesOf(Task& task) { return MessagesOf(*task.nsproxy().ipc); }

Wait WaitOf(uint64_t flags) { return flags & abi::kIpcNoWait ? Wait::kNever : Wait::kMay; }

// Linux's convert_mode.
MessageQueue::Wanted WantedOf(int64_t type, uint64_t flags) {
  using Mode = MessageQueue::Wanted::Mode;
  if (type == 0) return {Mode::kAny, 0};
  if (type == std::numeric_limits<int64_t>::min()) return {Mode::kLowestUpTo, std::numeric_limits<int64_t>::max()};
  if (type < 0) return {Mode::kLowestUpTo, -type};
  return {flags & abi::kMsgExcept ? Mode::kOfOtherType : Mode::kOfType, type};
}

SyscallResult PutMessage(Task& task, UserAddr to, IpcMessage& message, uint64_t size) {
  TRY(UserOut<int64_t>(to).Write(task.mm(), message.type()));
  const size_t n = std::min<uint64_t>(size, message.size());
  TRY(CopyOutFull(task.mm(), to + sizeof(int64_t), message.bytes().first(n)));
  return static_cast<int64_t>(n);
}

// MSG_COPY.
SyscallResult CopyMessage(Task& task, int32_t id, UserAddr to, uint64_t size, int64_t position, uint64_t flags) {
  if ((flags & abi::kMsgExcept) || WaitOf(flags) != Wait::kNever) return Errno::kEINVAL;
  MessageNamespace& messages = MessagesOf(task);
  {
    // Linux's prepare_copy looks at the buffer as if that were sent.
    const RefPtr<IpcMessage> probe =
        TRY(IpcMessage::Create(1, std::min<uint64_t>(size, messages.limits.message_bytes.load())));
    TRY(CopyInFull(task.mm(), to, probe->bytes()));
  }
  const RefPtr<MessageQueue> queue = TRY(messages.Find(id));
  const RefPtr<IpcMessage> message = TRY(queue->Peek(IpcCallerOf(task), position));
  if (message->size() > size) return flags & abi::kMsgNoError ? Errno::kEINVAL : Errno::kE2BIG;
  if (message->size() > messages.limits.message_bytes) return Errno::kEINVAL;
  return PutMessage(task, to, *message, size);
}

SyscallResult MsgctlInfo(Task& task, int32_t command, UserAddr out) {
  const MessageNamespace::Info info = MessagesOf(task).GetInfo(IpcCallerOf(task), command);
  TRY(UserOut<abi::Msginfo>(out).Write(task.mm(), info.info));
  return info.max_index;
}

}  // namespace

SyscallResult SysMsgget(Task& task, int32_t key, HexFlags flags) {
  return MessagesOf(task).Get(IpcCallerOf(task), key, static_cast<uint32_t>(flags.value));
}

SyscallResult SysMsgsnd(Task& task, int32_t id, UserAddr message, Size size, HexFlags flags) {
  const int64_t type = TRY(UserIn<int64_t>(message).Read(task.mm()));
  MessageNamespace& messages = MessagesOf(task);
  if (size.value > messages.limits.message_bytes || id < 0 || type < 1) return Errno::kEINVAL;
  RefPtr<IpcMessage> fresh = TRY(IpcMessage::Create(type, size.value));
  TRY(CopyInFull(task.mm(), message + sizeof(int64_t), fresh->bytes()));
  const RefPtr<MessageQueue> queue = TRY(messages.Find(id));
  MessageQueue::Sending sending(IpcCallerOf(task), std::move(fresh));
  TRY(queue->Send(sending, WaitOf(flags.value)));
  return AwaitIpc(task, *queue, sending, Deadline(), Restart::kNoHand);
}

SyscallResult SysMsgrcv(Task& task, int32_t id, UserAddr message, Size size, int64_t type, HexFlags flags) {
  if (id < 0 || static_cast<int64_t>(size.value) < 0) return Errno::kEINVAL;
  if (flags.value & abi::kMsgCopy) return CopyMessage(task, id, message, size.value, type, flags.value);
  const RefPtr<MessageQueue> queue = TRY(MessagesOf(task).Find(id));
  const size_t most = flags.value & abi::kMsgNoError ? SIZE_MAX : size.value;
  MessageQueue::Receiving receiving(IpcCallerOf(task), WantedOf(type, flags.value), most);
  TRY(queue->Receive(receiving, WaitOf(flags.value)));
  TRY(AwaitIpc(task, *queue, receiving, Deadline(), Restart::kNoHand));
  // As Linux: a message that can't be handed over is lost.
  return PutMessage(task, message, *receiving.message, size.value);
}

SyscallResult SysMsgctl(Task& task, int32_t id, int32_t command, UserAddr buffer) {
  if (id < 0 || command < 0) return Errno::kEINVAL;
  switch (command) {
    case abi::kIpcInfo:
    case abi::kMsgInfo:
      return MsgctlInfo(task, command, buffer);
    case abi::kIpcStat:
      return IpcctlStat(task, MessagesOf(task), id, IpcStatKind::kId, buffer);
    case abi::kMsgStat:
      return IpcctlStat(task, MessagesOf(task), id, IpcStatKind::kIndex, buffer);
    case abi::kMsgStatAny:
      return IpcctlStat(task, MessagesOf(task), id, IpcStatKind::kIndexAny, buffer);
    case abi::kIpcSet: {
      const auto fresh = TRY(UserIn<abi::MsqidDs>(buffer).Read(task.mm()));
      MessageNamespace& messages = MessagesOf(task);
      const RefPtr<MessageQueue> queue = TRY(messages.Find(id));
      return queue->Set(IpcCallerOf(task), fresh.perm, fresh.qbytes, messages.limits.queue_bytes);
    }
    case abi::kIpcRmid:
      return MessagesOf(task).Remove(IpcCallerOf(task), id);
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace sentry

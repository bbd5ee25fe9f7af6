// What the file calls keep once a kernel: the file system of memfds, the
// network where boot gave none, the count of message queues, the timers behind timerfds.
#ifndef SENTRY_SYSCALLS_ROOMS_H_
#define SENTRY_SYSCALLS_ROOMS_H_

#include "sentry/fs/mqueue/mqueue_fs.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/kernel/ipc/messages.h"
#include "sentry/kernel/ipc/semaphores.h"
#include "sentry/kernel/ipc/shared_memory.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/net/net_state.h"
#include "sentry/syscalls/event_fd_adaptors.h"

namespace sentry {

class Kernel;
class Task;

// The mountable type "mqueue". Before the first task runs.
void RegisterMqueueFileSystem(Kernel& kernel);

class SyscallRooms final : public base::RefCounted {
 public:
  static SyscallRooms& Of(Kernel& kernel);

  explicit SyscallRooms(Kernel& kernel);
  TmpfsFileSystem& memfds() { return *memfds_; }
  MqueueUsage& mqueue_usage() { return *mqueue_usage_; }
  const RefPtr<NetState>& net() { return net_; }
  TimerService& timers() { return timers_; }

 private:
  ~SyscallRooms() override;
  const RefPtr<TmpfsFileSystem> memfds_;
  const RefPtr<MqueueUsage> mqueue_usage_;
  const RefPtr<NetState> net_;
  KernelTimers timers_;
};

// What an IPC namespace keeps: of the caller's (NamespacesOf), it stays for the length of
// the call.
SemaphoreNamespace& SemaphoresOf(IpcNamespace& ipc);
MessageNamespace& MessagesOf(IpcNamespace& ipc);
SharedMemoryNamespace& SharedMemoryOf(Kernel& kernel, IpcNamespace& ipc);
MqueueNamespace& MqueuesOf(Kernel& kernel, const VfsContext& ctx);

// The network namespace of a task.
NetState& NetOf(Task& task);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_ROOMS_H_

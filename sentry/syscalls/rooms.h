// What the file calls keep once a kernel: the file system of memfds, the
// network where boot gave none, the timers behind timerfds.
#ifndef SENTRY_SYSCALLS_ROOMS_H_
#define SENTRY_SYSCALLS_ROOMS_H_

#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/net/net_namespace.h"
#include "sentry/syscalls/event_fd_adaptors.h"

namespace sentry {

class Kernel;
class Task;

class SyscallRooms final : public base::RefCounted {
 public:
  static SyscallRooms& Of(Kernel& kernel);

  explicit SyscallRooms(Kernel& kernel);
  TmpfsFileSystem& memfds() { return *memfds_; }
  const RefPtr<NetNamespace>& net() { return net_; }
  TimerService& timers() { return timers_; }

 private:
  ~SyscallRooms() override;
  const RefPtr<TmpfsFileSystem> memfds_;
  const RefPtr<NetNamespace> net_;
  KernelTimers timers_;
};

// The network namespace of a task.
NetNamespace& NetOf(Task& task);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_ROOMS_H_

// What the file calls keep once a kernel: the file system of memfds, the
// abstract names of unix sockets, the timers behind timerfds.
#ifndef SENTRY_SYSCALLS_ROOMS_H_
#define SENTRY_SYSCALLS_ROOMS_H_

#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/net/unix/address.h"
#include "sentry/syscalls/event_fd_adaptors.h"

namespace sentry {

class Kernel;

class SyscallRooms final : public base::RefCounted {
 public:
  static SyscallRooms& Of(Kernel& kernel);

  explicit SyscallRooms(Kernel& kernel);
  TmpfsFileSystem& memfds() { return *memfds_; }
  const RefPtr<UnixNamespace>& unix_names() { return unix_names_; }
  TimerService& timers() { return timers_; }

 private:
  ~SyscallRooms() override;
  const RefPtr<TmpfsFileSystem> memfds_;
  const RefPtr<UnixNamespace> unix_names_;
  KernelTimers timers_;
};

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_ROOMS_H_

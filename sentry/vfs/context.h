// What file code may know of its caller. Neither vfs nor fs ever sees a Task.
//
// Nothing in vfs or fs sleeps on behalf of a guest: an operation that can't go
// on returns EAGAIN whatever the file's O_NONBLOCK says, and the system call
// layer waits on the file's WaitQueue and tries again (kernel/block.h).
#ifndef SENTRY_VFS_CONTEXT_H_
#define SENTRY_VFS_CONTEXT_H_

#include <cstdint>

#include "base/ref_ptr.h"
#include "base/result.h"
#include "sentry/usermem/user_memory.h"
#include "sentry/vfs/credentials.h"
#include "sentry/vfs/pid.h"

namespace sentry {

using base::Errno;
using base::MakeRef;
using base::Ok;
using base::RefPtr;
using base::Result;

class Dentry;
class Mount;
class MountNamespace;

// A place in the tree: Linux's struct path.
struct Path {
  RefPtr<Mount> mount;
  RefPtr<Dentry> dentry;

  Path();
  Path(RefPtr<Mount> m, RefPtr<Dentry> d);
  Path(const Path&);
  Path(Path&&) noexcept;
  Path& operator=(const Path&);
  Path& operator=(Path&&) noexcept;
  ~Path();
  explicit operator bool() const { return dentry.get() != nullptr; }
  friend bool operator==(const Path& a, const Path& b) { return a.mount == b.mount && a.dentry == b.dentry; }
};

// The caller as a terminal sees it (man 4 tty_ioctl, credentials). The kernel
// implements it on its process table. Ids are the kernel's (pid.h).
class JobControl {
 public:
  virtual ~JobControl() = default;
  virtual int32_t tgid() const = 0;
  virtual int32_t process_group() const = 0;
  virtual int32_t session() const = 0;
  bool is_session_leader() const { return tgid() == session(); }
  // Whether the caller's process group is orphaned (EIO instead of SIGTTIN).
  virtual bool process_group_orphaned() const = 0;
  // Whether the caller blocks or ignores the signal.
  virtual bool signal_ignored(int signo) const = 0;
  // The group that has this number for the caller: ESRCH when there is none, EPERM
  // when it is of another session.
  virtual Result<int32_t> FindProcessGroup(int32_t number, int32_t session) const = 0;
  // The caller's number for a process group or session; 0: it does not see it.
  virtual int32_t NumberOf(int32_t id) const = 0;
  // The terminal of the caller's session (identity only), or null.
  virtual const void* controlling_terminal() const = 0;
  virtual void SetControllingTerminal(RefPtr<base::RefCounted> terminal) = 0;
  virtual void ClearControllingTerminal() = 0;  // of the whole session
};

struct VfsContext {
  RefPtr<Credentials> creds;  // never null; read only
  Path root;
  Path cwd;
  MountNamespace* mounts = nullptr;  // kept alive by the caller
  uint32_t umask = 022;
  uint64_t file_size_limit = UINT64_MAX;  // RLIMIT_FSIZE
  JobControl* job = nullptr;              // null for kernel-internal callers
  // The caller's address space, for ioctl arguments; null in kernel callers.
  UserMemory* memory = nullptr;
  int32_t tid = 0;  // ids (pid.h), for /proc/self, /proc/thread-self; 0: the kernel itself
  int32_t tgid = 0;
  bool fs_shared = false;  // root and cwd with another process; looked at by execve alone
  Pid* process = nullptr;  // the process's; null in kernel callers; kept alive by the caller

  // The caller's number for `pid`; 0: it does not see it.
  int32_t NumberOf(const Pid* pid) const {
    if (pid == nullptr) return 0;
    return process != nullptr ? pid->NumberIn(process->ns()) : pid->id();
  }
};

}  // namespace sentry

#endif  // SENTRY_VFS_CONTEXT_H_

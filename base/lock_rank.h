// Every lock of the project, outermost first. A thread may take a lock only if
// it holds none of an equal or later rank; pairs of equal rank go through a
// named helper that states their order (MutexPairLock: by address).
//
// To add a lock, add a line here, with whose it is. There is no default rank.
#ifndef BASE_LOCK_RANK_H_
#define BASE_LOCK_RANK_H_

#include <cstdint>

namespace base {

enum class LockRank : uint8_t {
  kControl,          // sentry/control: requests from runsc-cpp
  kKernel,           // Kernel: the sandbox-wide lists
  kExec,             // ThreadGroup::exec_mu_: one execve at a time
  kTty,              // devpts: a terminal pair (line discipline, its session)
  kFileDescription,  // vfs: offset of an open file (f_pos_lock); the one lock held over user copies
  kEpollNesting,     // vfs: epoll_ctl of an epoll in an epoll
  kEpoll,            // vfs: an epoll instance's interest list
  kUnixSocketPair,   // net/unix: both ends of a connection, in address order
  kUnixSocket,       // net/unix: one socket
  kRename,           // vfs: the rename lock of a file system (s_vfs_rename_mutex)
  kDirectory,        // vfs: an inode's directory lock (i_rwsem), parent first
  kOverlayCopyUp,    // fs/overlay: copy-up of one inode
  kInode,            // an inode's data and attributes
  kInodeLower,       // the same of a file system below an overlay
  kMountNamespace,   // vfs: mount tree (asked for mountpoints under directory locks)
  kDentryLru,        // vfs: LRU of dentries
  kDentry,           // vfs: dentry tree (children maps)
  kOom,              // kernel: one process at a time dies for memory
  kCgroup,           // kernel: control groups and who is in them
  kPidTable,         // kernel: pid numbers, parents, children, sessions, groups
  kThreadGroup,      // kernel: thread list, exit and stop state, children waits
  kSignal,           // kernel: pending signals, handlers
  kSeccomp,          // kernel: calls that wait for a seccomp supervisor
  kFsContext,        // kernel: root, cwd, umask
  kFdTable,          // kernel: descriptors
  kFutexBucket,      // kernel: futex hash bucket
  kTimers,           // kernel: posix timers, itimers
  kTimerQueue,       // kernel: the timer thread's queue
  kFileLocks,        // vfs: POSIX and flock locks of an inode
  kMmFork,           // mm: two address spaces of a fork (parent first)
  kMm,               // mm: mappings
  kMmPages,          // mm: pages
  kCodeCache,        // mm: rewritten code of all address spaces
  kMappable,         // mm: list of the address spaces that map a file
  kPipe,             // fs/pipe
  kEventFd,          // fs: eventfd, timerfd, signalfd counters
  kInotifyUsers,     // vfs: how many instances and watches each user has
  kInodeWatches,     // vfs: inotify watches of an inode
  kInotify,          // vfs: an inotify instance's events and watches
  kIpcIds,           // kernel/ipc: the objects of one kind in an IPC namespace
  kIpcObject,        // kernel/ipc: a semaphore set, message queue, shared memory segment
  kMqueue,           // kernel: a POSIX message queue
  kHostFile,         // fs/host: pollers and state of passed-through descriptors
  kGoferClient,      // fs/gofer: one request channel
  kGoferVolume,      // fs/gofer: what several mounts of one source share
  kPlatformSites,    // platform: an address space's rewritten call sites
  kPlatform,         // platform: an address space's keeper
  kPlatformVcpus,    // platform/kvm: who has which virtual CPU
  kPlatformPool,     // platform: template and stub pool; kvm's memory
  kMemFile,          // memfile: page allocation
  kWaitQueue,        // base: waiters (callbacks take kTaskWake only)
  kTaskWake,         // kernel: a task's wake flag
  kTrace,            // trace: counters
  kLeaf,             // anything held over no other lock at all
};

}  // namespace base

#endif  // BASE_LOCK_RANK_H_

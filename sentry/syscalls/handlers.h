// Every handler, by family; each family stands in the file that its head names.
//
// Shape of a handler (STYLE 9): raw integers into types, unknown bits refused;
// look up file, task or path; call one method; copy out last.
#ifndef SENTRY_SYSCALLS_HANDLERS_H_
#define SENTRY_SYSCALLS_HANDLERS_H_

#include "sentry/abi/fs.h"
#include "sentry/abi/resource.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/time.h"
#include "sentry/kernel/task.h"
#include "sentry/syscalls/arg_types.h"

namespace sentry {

class NsFile;

// The two descriptors that pipe(2) and socketpair(2) give.
struct FdPair {
  int32_t first;
  int32_t second;
};

// --- read_write.cc: bytes in and out of descriptors ---
SyscallResult SysRead(Task& task, Fd fd, UserAddr buf, Size count);
SyscallResult SysWrite(Task& task, Fd fd, UserAddr buf, Size count);
SyscallResult SysPread64(Task& task, Fd fd, UserAddr buf, Size count, int64_t offset);
SyscallResult SysPwrite64(Task& task, Fd fd, UserAddr buf, Size count, int64_t offset);
SyscallResult SysReadv(Task& task, Fd fd, UserAddr iov, uint64_t count);
SyscallResult SysWritev(Task& task, Fd fd, UserAddr iov, uint64_t count);
SyscallResult SysPreadv(Task& task, Fd fd, UserAddr iov, uint64_t count, int64_t offset);
SyscallResult SysPwritev(Task& task, Fd fd, UserAddr iov, uint64_t count, int64_t offset);
SyscallResult SysPreadv2(Task& task, Fd fd, UserAddr iov, uint64_t count, int64_t offset, int64_t offset_high,
                         uint32_t flags);
SyscallResult SysPwritev2(Task& task, Fd fd, UserAddr iov, uint64_t count, int64_t offset, int64_t offset_high,
                          uint32_t flags);
SyscallResult SysLseek(Task& task, Fd fd, int64_t offset, int32_t whence);

// --- copy.cc: bytes from one descriptor to another ---
SyscallResult SysSendfile(Task& task, Fd out, Fd in, UserInOut<int64_t> offset, Size count);
SyscallResult SysCopyFileRange(Task& task, Fd in, UserInOut<int64_t> in_offset, Fd out, UserInOut<int64_t> out_offset,
                               Size count, uint32_t flags);
SyscallResult SysSplice(Task& task, Fd in, UserInOut<int64_t> in_offset, Fd out, UserInOut<int64_t> out_offset,
                        Size count, uint32_t flags);
SyscallResult SysTee(Task& task, Fd in, Fd out, Size count, uint32_t flags);

// --- open.cc: descriptors come and go ---
SyscallResult SysOpen(Task& task, UserPath path, OpenFlags flags, FileMode mode);
SyscallResult SysOpenat(Task& task, DirFd dir, UserPath path, OpenFlags flags, FileMode mode);
SyscallResult SysOpenat2(Task& task, DirFd dir, UserPath path, UserAddr how, Size size);
SyscallResult SysCreat(Task& task, UserPath path, FileMode mode);
SyscallResult SysClose(Task& task, Fd fd);
SyscallResult SysCloseRange(Task& task, uint32_t first, uint32_t last, uint32_t flags);
SyscallResult SysDup(Task& task, Fd fd);
SyscallResult SysDup2(Task& task, Fd old_fd, Fd new_fd);
SyscallResult SysDup3(Task& task, Fd old_fd, Fd new_fd, OpenFlags flags);
SyscallResult SysPipe(Task& task, UserOut<FdPair> fds);
SyscallResult SysPipe2(Task& task, UserOut<FdPair> fds, OpenFlags flags);
SyscallResult SysMemfdCreate(Task& task, UserAddr name, uint32_t flags);

// --- fcntl.cc: what else a descriptor can do ---
SyscallResult SysFcntl(Task& task, Fd fd, uint32_t command, uint64_t arg);
SyscallResult SysIoctl(Task& task, Fd fd, uint32_t request, uint64_t arg);
SyscallResult SysFlock(Task& task, Fd fd, uint32_t operation);
SyscallResult SysFsync(Task& task, Fd fd);
SyscallResult SysFdatasync(Task& task, Fd fd);
SyscallResult SysSync(Task& task);
SyscallResult SysSyncfs(Task& task, Fd fd);
SyscallResult SysSyncFileRange(Task& task, Fd fd, int64_t offset, int64_t bytes, uint32_t flags);
SyscallResult SysFallocate(Task& task, Fd fd, int32_t mode, int64_t offset, int64_t length);
SyscallResult SysFadvise64(Task& task, Fd fd, int64_t offset, int64_t length, int32_t advice);
SyscallResult SysReadahead(Task& task, Fd fd, int64_t offset, Size count);
SyscallResult SysTruncate(Task& task, UserPath path, int64_t length);
SyscallResult SysFtruncate(Task& task, Fd fd, int64_t length);

// --- stat.cc: what is known of a file ---
SyscallResult SysStat(Task& task, UserPath path, UserOut<abi::Stat> buf);
SyscallResult SysLstat(Task& task, UserPath path, UserOut<abi::Stat> buf);
SyscallResult SysFstat(Task& task, Fd fd, UserOut<abi::Stat> buf);
SyscallResult SysNewfstatat(Task& task, DirFd dir, UserPath path, UserOut<abi::Stat> buf, uint32_t flags);
SyscallResult SysStatx(Task& task, DirFd dir, UserPath path, uint32_t flags, uint32_t mask, UserOut<abi::Statx> buf);
SyscallResult SysStatfs(Task& task, UserPath path, UserOut<abi::Statfs> buf);
SyscallResult SysFstatfs(Task& task, Fd fd, UserOut<abi::Statfs> buf);
SyscallResult SysAccess(Task& task, UserPath path, FileMode mode);
SyscallResult SysFaccessat(Task& task, DirFd dir, UserPath path, FileMode mode);
SyscallResult SysFaccessat2(Task& task, DirFd dir, UserPath path, FileMode mode, uint32_t flags);
SyscallResult SysReadlink(Task& task, UserPath path, UserAddr buf, int32_t size);
SyscallResult SysReadlinkat(Task& task, DirFd dir, UserPath path, UserAddr buf, int32_t size);
SyscallResult SysGetdents(Task& task, Fd fd, UserAddr buf, uint32_t count);
SyscallResult SysGetdents64(Task& task, Fd fd, UserAddr buf, uint32_t count);
SyscallResult SysGetcwd(Task& task, UserAddr buf, Size size);

// --- names.cc: names made, moved and removed ---
SyscallResult SysMkdir(Task& task, UserPath path, FileMode mode);
SyscallResult SysMkdirat(Task& task, DirFd dir, UserPath path, FileMode mode);
SyscallResult SysRmdir(Task& task, UserPath path);
SyscallResult SysMknod(Task& task, UserPath path, FileMode mode, uint32_t dev);
SyscallResult SysMknodat(Task& task, DirFd dir, UserPath path, FileMode mode, uint32_t dev);
SyscallResult SysLink(Task& task, UserPath old_path, UserPath new_path);
SyscallResult SysLinkat(Task& task, DirFd old_dir, UserPath old_path, DirFd new_dir, UserPath new_path, uint32_t flags);
SyscallResult SysSymlink(Task& task, UserPath target, UserPath path);
SyscallResult SysSymlinkat(Task& task, UserPath target, DirFd dir, UserPath path);
SyscallResult SysUnlink(Task& task, UserPath path);
SyscallResult SysUnlinkat(Task& task, DirFd dir, UserPath path, uint32_t flags);
SyscallResult SysRename(Task& task, UserPath old_path, UserPath new_path);
SyscallResult SysRenameat(Task& task, DirFd old_dir, UserPath old_path, DirFd new_dir, UserPath new_path);
SyscallResult SysRenameat2(Task& task, DirFd old_dir, UserPath old_path, DirFd new_dir, UserPath new_path,
                           uint32_t flags);
SyscallResult SysChdir(Task& task, UserPath path);
SyscallResult SysFchdir(Task& task, Fd fd);
SyscallResult SysChroot(Task& task, UserPath path);
SyscallResult SysUmask(Task& task, FileMode mask);

// --- attributes.cc: owner, mode, times, extended attributes ---
SyscallResult SysChmod(Task& task, UserPath path, FileMode mode);
SyscallResult SysFchmod(Task& task, Fd fd, FileMode mode);
SyscallResult SysFchmodat(Task& task, DirFd dir, UserPath path, FileMode mode);
SyscallResult SysChown(Task& task, UserPath path, uint32_t uid, uint32_t gid);
SyscallResult SysLchown(Task& task, UserPath path, uint32_t uid, uint32_t gid);
SyscallResult SysFchown(Task& task, Fd fd, uint32_t uid, uint32_t gid);
SyscallResult SysFchownat(Task& task, DirFd dir, UserPath path, uint32_t uid, uint32_t gid, uint32_t flags);
SyscallResult SysUtime(Task& task, UserPath path, UserAddr times);
SyscallResult SysUtimes(Task& task, UserPath path, UserAddr times);
SyscallResult SysFutimesat(Task& task, DirFd dir, UserPath path, UserAddr times);
SyscallResult SysUtimensat(Task& task, DirFd dir, UserPath path, UserAddr times, uint32_t flags);
SyscallResult SysSetxattr(Task& task, UserPath path, UserAddr name, UserAddr value, Size size, int32_t flags);
SyscallResult SysLsetxattr(Task& task, UserPath path, UserAddr name, UserAddr value, Size size, int32_t flags);
SyscallResult SysFsetxattr(Task& task, Fd fd, UserAddr name, UserAddr value, Size size, int32_t flags);
SyscallResult SysGetxattr(Task& task, UserPath path, UserAddr name, UserAddr value, Size size);
SyscallResult SysLgetxattr(Task& task, UserPath path, UserAddr name, UserAddr value, Size size);
SyscallResult SysFgetxattr(Task& task, Fd fd, UserAddr name, UserAddr value, Size size);
SyscallResult SysListxattr(Task& task, UserPath path, UserAddr list, Size size);
SyscallResult SysLlistxattr(Task& task, UserPath path, UserAddr list, Size size);
SyscallResult SysFlistxattr(Task& task, Fd fd, UserAddr list, Size size);
SyscallResult SysRemovexattr(Task& task, UserPath path, UserAddr name);
SyscallResult SysLremovexattr(Task& task, UserPath path, UserAddr name);
SyscallResult SysFremovexattr(Task& task, Fd fd, UserAddr name);

// --- mount.cc: the mount tree ---
SyscallResult SysMount(Task& task, UserAddr source, UserPath target, UserAddr type, HexFlags flags, UserAddr data);
SyscallResult SysMountSetattr(Task& task, DirFd dir, UserPath path, uint32_t flags, UserAddr attr, Size size);
SyscallResult SysUmount2(Task& task, UserPath target, uint32_t flags);
SyscallResult SysPivotRoot(Task& task, UserPath new_root, UserPath put_old);

// --- poll.cc: waiting for several files ---
SyscallResult SysPoll(Task& task, UserAddr fds, uint32_t count, int32_t timeout_ms);
SyscallResult SysPpoll(Task& task, UserAddr fds, uint32_t count, UserInOut<abi::Timespec> timeout,
                       UserIn<abi::SignalSet> mask, Size mask_size);
SyscallResult SysSelect(Task& task, int32_t count, UserAddr read, UserAddr write, UserAddr except,
                        UserInOut<abi::Timeval> timeout);
SyscallResult SysPselect6(Task& task, int32_t count, UserAddr read, UserAddr write, UserAddr except,
                          UserInOut<abi::Timespec> timeout, UserAddr mask);
SyscallResult SysEpollCreate(Task& task, int32_t size);
SyscallResult SysEpollCreate1(Task& task, uint32_t flags);
SyscallResult SysEpollCtl(Task& task, Fd epoll, int32_t operation, Fd fd, UserAddr event);
SyscallResult SysEpollWait(Task& task, Fd epoll, UserAddr events, int32_t max, int32_t timeout_ms);
SyscallResult SysEpollPwait(Task& task, Fd epoll, UserAddr events, int32_t max, int32_t timeout_ms,
                            UserIn<abi::SignalSet> mask, Size mask_size);
SyscallResult SysEpollPwait2(Task& task, Fd epoll, UserAddr events, int32_t max, UserIn<abi::Timespec> timeout,
                             UserIn<abi::SignalSet> mask, Size mask_size);

// --- event_fds.cc: eventfd, timerfd, signalfd ---
SyscallResult SysEventfd(Task& task, uint32_t initial);
// mqueue.cc
SyscallResult SysMqOpen(Task& task, UserPath name, OpenFlags flags, FileMode mode, UserAddr attr);
SyscallResult SysMqUnlink(Task& task, UserPath name);
SyscallResult SysMqTimedsend(Task& task, Fd fd, UserAddr message, Size size, uint32_t priority, UserAddr timeout);
SyscallResult SysMqTimedreceive(Task& task, Fd fd, UserAddr message, Size size, UserOut<uint32_t> priority,
                                UserAddr timeout);
SyscallResult SysMqNotify(Task& task, Fd fd, UserAddr event);
SyscallResult SysMqGetsetattr(Task& task, Fd fd, UserAddr fresh, UserAddr old);
// sysv_sem.cc
SyscallResult SysSemget(Task& task, int32_t key, int32_t count, HexFlags flags);
SyscallResult SysSemop(Task& task, int32_t id, UserAddr ops, uint32_t count);
SyscallResult SysSemtimedop(Task& task, int32_t id, UserAddr ops, uint32_t count, UserAddr timeout);
SyscallResult SysSemctl(Task& task, int32_t id, int32_t number, int32_t command, UserAddr arg);
// sysv_msg.cc
SyscallResult SysMsgget(Task& task, int32_t key, HexFlags flags);
SyscallResult SysMsgsnd(Task& task, int32_t id, UserAddr message, Size size, HexFlags flags);
SyscallResult SysMsgrcv(Task& task, int32_t id, UserAddr message, Size size, int64_t type, HexFlags flags);
SyscallResult SysMsgctl(Task& task, int32_t id, int32_t command, UserAddr buffer);
// sysv_shm.cc
SyscallResult SysShmget(Task& task, int32_t key, Size size, HexFlags flags);
SyscallResult SysShmat(Task& task, int32_t id, UserAddr addr, HexFlags flags);
SyscallResult SysShmctl(Task& task, int32_t id, int32_t command, UserAddr buffer);
SyscallResult SysShmdt(Task& task, UserAddr addr);
SyscallResult SysInotifyInit(Task& task);  // inotify.cc
SyscallResult SysInotifyInit1(Task& task, uint32_t flags);
SyscallResult SysInotifyAddWatch(Task& task, Fd fd, UserPath path, HexFlags mask);
SyscallResult SysInotifyRmWatch(Task& task, Fd fd, int32_t wd);
SyscallResult SysEventfd2(Task& task, uint32_t initial, uint32_t flags);
SyscallResult SysTimerfdCreate(Task& task, int32_t clock, uint32_t flags);
SyscallResult SysTimerfdSettime(Task& task, Fd fd, uint32_t flags, UserIn<abi::Itimerspec> value,
                                UserOut<abi::Itimerspec> old);
SyscallResult SysTimerfdGettime(Task& task, Fd fd, UserOut<abi::Itimerspec> value);
SyscallResult SysSignalfd(Task& task, Fd fd, UserIn<abi::SignalSet> mask, Size mask_size);
SyscallResult SysSignalfd4(Task& task, Fd fd, UserIn<abi::SignalSet> mask, Size mask_size, uint32_t flags);

// --- socket.cc, socket_message.cc: sockets ---
SyscallResult SysSocket(Task& task, int32_t domain, uint32_t type, int32_t protocol);
SyscallResult SysSocketpair(Task& task, int32_t domain, uint32_t type, int32_t protocol, UserOut<FdPair> fds);
SyscallResult SysBind(Task& task, Fd fd, UserAddr address, uint32_t length);
SyscallResult SysListen(Task& task, Fd fd, int32_t backlog);
SyscallResult SysAccept(Task& task, Fd fd, UserAddr address, UserInOut<uint32_t> length);
SyscallResult SysAccept4(Task& task, Fd fd, UserAddr address, UserInOut<uint32_t> length, uint32_t flags);
SyscallResult SysConnect(Task& task, Fd fd, UserAddr address, uint32_t length);
SyscallResult SysGetsockname(Task& task, Fd fd, UserAddr address, UserInOut<uint32_t> length);
SyscallResult SysGetpeername(Task& task, Fd fd, UserAddr address, UserInOut<uint32_t> length);
SyscallResult SysShutdown(Task& task, Fd fd, int32_t how);
SyscallResult SysGetsockopt(Task& task, Fd fd, int32_t level, int32_t name, UserAddr value, UserInOut<uint32_t> length);
SyscallResult SysSetsockopt(Task& task, Fd fd, int32_t level, int32_t name, UserAddr value, uint32_t length);
SyscallResult SysSendto(Task& task, Fd fd, UserAddr buf, Size length, uint32_t flags, UserAddr address,
                        uint32_t address_length);
SyscallResult SysRecvfrom(Task& task, Fd fd, UserAddr buf, Size length, uint32_t flags, UserAddr address,
                          UserInOut<uint32_t> address_length);
SyscallResult SysSendmsg(Task& task, Fd fd, UserAddr message, uint32_t flags);
SyscallResult SysRecvmsg(Task& task, Fd fd, UserAddr message, uint32_t flags);
SyscallResult SysSendmmsg(Task& task, Fd fd, UserAddr messages, uint32_t count, uint32_t flags);
SyscallResult SysRecvmmsg(Task& task, Fd fd, UserAddr messages, uint32_t count, uint32_t flags,
                          UserInOut<abi::Timespec> timeout);

// --- memory.cc: the address space ---
SyscallResult SysMmap(Task& task, UserAddr addr, Size length, MmapProt prot, MmapFlags flags, Fd fd, uint64_t offset);
SyscallResult SysMunmap(Task& task, UserAddr addr, Size length);
SyscallResult SysMprotect(Task& task, UserAddr addr, Size length, MmapProt prot);
SyscallResult SysMremap(Task& task, UserAddr old_addr, Size old_size, Size new_size, HexFlags flags, UserAddr new_addr);
SyscallResult SysBrk(Task& task, UserAddr addr);
SyscallResult SysMadvise(Task& task, UserAddr addr, Size length, int32_t advice);
SyscallResult SysMsync(Task& task, UserAddr addr, Size length, int32_t flags);
SyscallResult SysMincore(Task& task, UserAddr addr, Size length, UserAddr vec);
SyscallResult SysMlock(Task& task, UserAddr addr, Size length);
SyscallResult SysMlock2(Task& task, UserAddr addr, Size length, uint32_t flags);
SyscallResult SysMunlock(Task& task, UserAddr addr, Size length);
SyscallResult SysMlockall(Task& task, uint32_t flags);
SyscallResult SysMunlockall(Task& task);
SyscallResult SysMembarrier(Task& task, int32_t command, uint32_t flags, int32_t cpu);

// --- process.cc: processes and threads ---
SyscallResult SysFork(Task& task);
SyscallResult SysVfork(Task& task);
SyscallResult SysClone(Task& task, HexFlags flags, UserAddr stack, UserAddr parent_tid, UserAddr child_tid,
                       UserAddr tls);
SyscallResult SysClone3(Task& task, UserAddr args, Size size);
SyscallResult SysExecve(Task& task, UserPath path, UserAddr argv, UserAddr envp);
SyscallResult SysExecveat(Task& task, DirFd dir, UserPath path, UserAddr argv, UserAddr envp, uint32_t flags);
SyscallResult SysExit(Task& task, int32_t code);
SyscallResult SysExitGroup(Task& task, int32_t code);
SyscallResult SysWait4(Task& task, int32_t pid, UserOut<int32_t> status, uint32_t options, UserOut<abi::Rusage> usage);
SyscallResult SysWaitid(Task& task, int32_t which, int32_t id, UserAddr info, uint32_t options,
                        UserOut<abi::Rusage> usage);
SyscallResult SysSetTidAddress(Task& task, UserAddr addr);
SyscallResult SysSetRobustList(Task& task, UserAddr head, Size size);
SyscallResult SysGetRobustList(Task& task, int32_t tid, UserOut<uint64_t> head, UserOut<uint64_t> size);
SyscallResult SysGetpid(Task& task);
SyscallResult SysGettid(Task& task);
SyscallResult SysGetppid(Task& task);
SyscallResult SysGetpgrp(Task& task);
SyscallResult SysGetpgid(Task& task, int32_t pid);
SyscallResult SysSetpgid(Task& task, int32_t pid, int32_t pgid);
SyscallResult SysGetsid(Task& task, int32_t pid);
SyscallResult SysSetsid(Task& task);
SyscallResult SysPidfdOpen(Task& task, int32_t pid, uint32_t flags);
SyscallResult SysPidfdSendSignal(Task& task, Fd fd, SignalNumber signal, UserAddr info, uint32_t flags);

// --- namespaces.cc: namespaces ---
SyscallResult SysUnshare(Task& task, HexFlags flags);
SyscallResult SysSetns(Task& task, Fd fd, int32_t nstype);
// ioctl(2) of a namespace's file.
SyscallResult NamespaceIoctl(Task& task, const NsFile& file, uint32_t request, uint64_t arg);

// --- signal.cc: signals ---
SyscallResult SysRtSigaction(Task& task, SignalNumber signal, UserIn<abi::SigAction> action,
                             UserOut<abi::SigAction> old, Size size);
SyscallResult SysRtSigprocmask(Task& task, int32_t how, UserIn<abi::SignalSet> set, UserOut<abi::SignalSet> old,
                               Size size);
SyscallResult SysRtSigreturn(Task& task);
SyscallResult SysRtSigpending(Task& task, UserOut<abi::SignalSet> set, Size size);
SyscallResult SysRtSigtimedwait(Task& task, UserIn<abi::SignalSet> set, UserAddr info, UserIn<abi::Timespec> timeout,
                                Size size);
SyscallResult SysRtSigqueueinfo(Task& task, int32_t pid, SignalNumber signal, UserAddr info);
SyscallResult SysRtTgsigqueueinfo(Task& task, int32_t tgid, int32_t tid, SignalNumber signal, UserAddr info);
SyscallResult SysRtSigsuspend(Task& task, UserIn<abi::SignalSet> mask, Size size);
SyscallResult SysSigaltstack(Task& task, UserAddr stack, UserAddr old);
SyscallResult SysKill(Task& task, int32_t pid, SignalNumber signal);
SyscallResult SysTkill(Task& task, int32_t tid, SignalNumber signal);
SyscallResult SysTgkill(Task& task, int32_t tgid, int32_t tid, SignalNumber signal);
SyscallResult SysPause(Task& task);
SyscallResult SysRestartSyscall(Task& task);

// --- futex.cc: futexes ---
SyscallResult SysFutex(Task& task, UserAddr addr, int32_t operation, uint32_t value, UserAddr timeout, UserAddr addr2,
                       uint32_t value3);

// --- time.cc: clocks and sleeping ---
SyscallResult SysClockGettime(Task& task, int32_t clock, UserOut<abi::Timespec> time);
SyscallResult SysClockGetres(Task& task, int32_t clock, UserOut<abi::Timespec> resolution);
SyscallResult SysClockSettime(Task& task, int32_t clock, UserIn<abi::Timespec> time);
SyscallResult SysClockNanosleep(Task& task, int32_t clock, uint32_t flags, UserIn<abi::Timespec> request,
                                UserAddr remaining);
SyscallResult SysNanosleep(Task& task, UserIn<abi::Timespec> request, UserAddr remaining);
SyscallResult SysGettimeofday(Task& task, UserOut<abi::Timeval> time, UserOut<abi::Timezone> zone);
SyscallResult SysSettimeofday(Task& task, UserIn<abi::Timeval> time, UserIn<abi::Timezone> zone);
SyscallResult SysTime(Task& task, UserOut<int64_t> time);
SyscallResult SysTimes(Task& task, UserOut<abi::Tms> buf);

// --- timer.cc: alarm and timers ---
SyscallResult SysAlarm(Task& task, uint32_t seconds);
SyscallResult SysGetitimer(Task& task, int32_t which, UserOut<abi::Itimerval> value);
SyscallResult SysSetitimer(Task& task, int32_t which, UserIn<abi::Itimerval> value, UserOut<abi::Itimerval> old);
SyscallResult SysTimerCreate(Task& task, int32_t clock, UserAddr event, UserOut<int32_t> id);
SyscallResult SysTimerSettime(Task& task, int32_t id, uint32_t flags, UserIn<abi::Itimerspec> value,
                              UserOut<abi::Itimerspec> old);
SyscallResult SysTimerGettime(Task& task, int32_t id, UserOut<abi::Itimerspec> value);
SyscallResult SysTimerGetoverrun(Task& task, int32_t id);
SyscallResult SysTimerDelete(Task& task, int32_t id);

// --- identity.cc: who the caller is ---
SyscallResult SysGetuid(Task& task);
SyscallResult SysGeteuid(Task& task);
SyscallResult SysGetgid(Task& task);
SyscallResult SysGetegid(Task& task);
SyscallResult SysGetresuid(Task& task, UserOut<uint32_t> ruid, UserOut<uint32_t> euid, UserOut<uint32_t> suid);
SyscallResult SysGetresgid(Task& task, UserOut<uint32_t> rgid, UserOut<uint32_t> egid, UserOut<uint32_t> sgid);
SyscallResult SysSetuid(Task& task, uint32_t uid);
SyscallResult SysSetgid(Task& task, uint32_t gid);
SyscallResult SysSetreuid(Task& task, uint32_t ruid, uint32_t euid);
SyscallResult SysSetregid(Task& task, uint32_t rgid, uint32_t egid);
SyscallResult SysSetresuid(Task& task, uint32_t ruid, uint32_t euid, uint32_t suid);
SyscallResult SysSetresgid(Task& task, uint32_t rgid, uint32_t egid, uint32_t sgid);
SyscallResult SysSetfsuid(Task& task, uint32_t uid);
SyscallResult SysSetfsgid(Task& task, uint32_t gid);
SyscallResult SysGetgroups(Task& task, int32_t count, UserAddr list);
SyscallResult SysSetgroups(Task& task, int32_t count, UserAddr list);
SyscallResult SysCapget(Task& task, UserAddr header, UserAddr data);
SyscallResult SysCapset(Task& task, UserAddr header, UserAddr data);

// --- limits.cc: limits, usage ---
SyscallResult SysGetrlimit(Task& task, uint32_t resource, UserOut<abi::Rlimit64> limit);
SyscallResult SysSetrlimit(Task& task, uint32_t resource, UserIn<abi::Rlimit64> limit);
SyscallResult SysPrlimit64(Task& task, int32_t pid, uint32_t resource, UserIn<abi::Rlimit64> limit,
                           UserOut<abi::Rlimit64> old);
SyscallResult SysGetrusage(Task& task, int32_t who, UserOut<abi::Rusage> usage);

// --- priority.cc: nice and I/O priorities ---
SyscallResult SysGetpriority(Task& task, int32_t which, int32_t who);
SyscallResult SysSetpriority(Task& task, int32_t which, int32_t who, int32_t nice);
SyscallResult SysIoprioGet(Task& task, int32_t which, int32_t who);
SyscallResult SysIoprioSet(Task& task, int32_t which, int32_t who, int32_t priority);

// --- sched.cc: scheduling policies, CPUs ---
SyscallResult SysSchedYield(Task& task);
SyscallResult SysSchedGetaffinity(Task& task, int32_t pid, uint32_t size, UserAddr mask);
SyscallResult SysSchedSetaffinity(Task& task, int32_t pid, uint32_t size, UserAddr mask);
SyscallResult SysSchedGetscheduler(Task& task, int32_t pid);
SyscallResult SysSchedSetscheduler(Task& task, int32_t pid, int32_t policy, UserIn<int32_t> param);
SyscallResult SysSchedGetparam(Task& task, int32_t pid, UserOut<int32_t> param);
SyscallResult SysSchedSetparam(Task& task, int32_t pid, UserIn<int32_t> param);
SyscallResult SysSchedGetattr(Task& task, int32_t pid, UserAddr attr, uint32_t size, uint32_t flags);
SyscallResult SysSchedSetattr(Task& task, int32_t pid, UserAddr attr, uint32_t flags);
SyscallResult SysSchedGetPriorityMax(Task& task, int32_t policy);
SyscallResult SysSchedGetPriorityMin(Task& task, int32_t policy);
SyscallResult SysSchedRrGetInterval(Task& task, int32_t pid, UserOut<abi::Timespec> interval);
SyscallResult SysGetcpu(Task& task, UserOut<uint32_t> cpu, UserOut<uint32_t> node, UserAddr unused);

// --- system.cc: the machine ---
SyscallResult SysUname(Task& task, UserOut<abi::NewUtsname> name);
SyscallResult SysSethostname(Task& task, UserAddr name, int32_t length);
SyscallResult SysSetdomainname(Task& task, UserAddr name, int32_t length);
SyscallResult SysSysinfo(Task& task, UserOut<abi::Sysinfo> info);
SyscallResult SysGetrandom(Task& task, UserAddr buf, Size count, uint32_t flags);
SyscallResult SysSeccomp(Task& task, uint32_t operation, uint32_t flags, UserAddr arg);  // seccomp.cc
SyscallResult SysPrctl(Task& task, int32_t option, uint64_t arg2, uint64_t arg3, uint64_t arg4, uint64_t arg5);
SyscallResult SysArchPrctl(Task& task, int32_t code, UserAddr addr);
SyscallResult SysPersonality(Task& task, uint32_t persona);
SyscallResult SysSyslog(Task& task, int32_t type, UserAddr buf, int32_t length);

}  // namespace sentry

#endif  // SENTRY_SYSCALLS_HANDLERS_H_

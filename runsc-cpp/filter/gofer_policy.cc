#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "runsc-cpp/filter/policy.h"

namespace runsc {
namespace {

constexpr FilterRule kPolicy[] = {
    // --- Walks on descriptors: the jail is all that paths can reach ---
    Allow(__NR_openat, "one component at a time, below a directory's descriptor"),
    Allow(__NR_openat2, "the same, with RESOLVE_* where the host has it"),
    Allow(__NR_newfstatat, "attributes"),
    Allow(__NR_fstat, "attributes"),
    Allow(__NR_statx, "attributes, birth time included"),
    Allow(__NR_readlinkat, "the target of a link; never followed here"),
    Allow(__NR_getdents64, "directory listings"),
    Allow(__NR_lseek, "where a directory listing goes on"),
    Allow(__NR_statfs, "statfs of a guest"),
    Allow(__NR_fstatfs, "statfs; which files are of a pseudo file system"),
    Allow(__NR_fgetxattr, "extended attributes"),
    Allow(__NR_flistxattr, "extended attributes"),
    Allow(__NR_fsetxattr, "extended attributes of a writable volume"),
    Allow(__NR_fremovexattr, "the same"),
    Allow(__NR_close, "descriptors leave the table"),
    Allow(__NR_fcntl, "glibc's fdopendir and our duplicates"),

    // --- Writable volumes; a read-only export refuses before it gets here ---
    Allow(__NR_mkdirat, "writable volumes"),
    Allow(__NR_mknodat, "fifos and sockets of writable volumes"),
    Allow(__NR_symlinkat, "writable volumes"),
    Allow(__NR_linkat, "writable volumes"),
    Allow(__NR_unlinkat, "writable volumes"),
    Allow(__NR_renameat2, "writable volumes"),
    Allow(__NR_fchmod, "writable volumes"),
    Allow(__NR_fchmodat, "writable volumes"),
    Allow(__NR_fchownat, "writable volumes"),
    Allow(__NR_fchown, "writable volumes"),
    Allow(__NR_utimensat, "writable volumes"),
    Allow(__NR_ftruncate, "writable volumes"),
    Allow(__NR_fsync, "writable volumes"),
    Allow(__NR_fdatasync, "writable volumes"),

    // --- The connection ---
    Allow(__NR_sendmsg, "a donated descriptor"),
    Allow(__NR_recvmsg, "the end of the connection"),
    Allow(__NR_recvfrom, "the same"),
    Allow(__NR_poll, "the same"),
    Allow(__NR_ppoll, "the same"),
    Allow(__NR_futex, "requests, and locks"),
    Allow(__NR_write, "the log"),

    // --- glibc ---
    Allow(__NR_mmap, "heap; never executable", Masked(2, PROT_EXEC, 0)),
    Allow(__NR_mprotect, "heap; never executable", Masked(2, PROT_EXEC, 0)),
    Allow(__NR_munmap, "heap"),
    Allow(__NR_mremap, "realloc of large blocks"),
    Allow(__NR_madvise, "heap trimming"),
    Allow(__NR_brk, "heap"),
    Allow(__NR_rt_sigprocmask, "glibc, in abort() and at a thread's end"),
    Allow(__NR_rt_sigreturn, "return from a signal handler"),
    Allow(__NR_rt_sigaction, "abort()"),
    Allow(__NR_gettid, "abort()"),
    Allow(__NR_getpid, "abort()"),
    Allow(__NR_tgkill, "abort()"),
    Allow(__NR_exit, "end of a thread"),
    Allow(__NR_exit_group, "end of the process"),
    Allow(__NR_rseq, "end of a thread"),
    Allow(__NR_set_robust_list, "start of a thread"),
    Allow(__NR_sched_yield, "spinning on a request"),
    Allow(__NR_restart_syscall, "the host restarts an interrupted wait by it"),
    Allow(__NR_clock_gettime, "when the host's vDSO can't answer"),
};

}  // namespace

std::span<const FilterRule> GoferPolicy() { return kPolicy; }

}  // namespace runsc

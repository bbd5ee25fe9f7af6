#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "runsc-cpp/filter/policy.h"

namespace runsc {
namespace {

constexpr uint32_t kOpenAlways = O_NOFOLLOW | O_CLOEXEC;

constexpr FilterRule kPolicy[] = {
    // --- Walks on descriptors: the jail is all that paths can reach ---
    Allow(__NR_openat, "one component at a time, below a directory's descriptor", Masked(2, kOpenAlways, kOpenAlways)),
    Allow(__NR_statx, "attributes, by descriptor or descriptor and component",
          Masked(2, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_NOFOLLOW)),
    Allow(__NR_readlinkat, "the target of a link; never followed here"),
    Allow(__NR_getdents64, "directory listings"),
    Allow(__NR_lseek, "where a directory listing goes on", EqualsInt(2, 0 /* SEEK_SET */)),
    Allow(__NR_fstatfs, "statfs of a guest; which files are of a pseudo file system"),
    Allow(__NR_fgetxattr, "extended attributes"),
    Allow(__NR_flistxattr, "extended attributes"),
    Allow(__NR_fsync, "fsync of a guest"),
    Allow(__NR_fcntl, "a mount's root becomes a node's descriptor", EqualsInt(1, F_DUPFD_CLOEXEC)),
    Allow(__NR_close, "descriptors leave the table"),

    // --- Writable volumes; a read-only mount refuses all of these itself ---
    Allow(__NR_mkdirat, "Mkdir"),
    Allow(__NR_symlinkat, "Symlink"),
    Allow(__NR_unlinkat, "Unlink, and undoing a half-made file"),
    Allow(__NR_mknodat, "Mknod of a fifo", Masked(2, S_IFMT, S_IFIFO)),
    Allow(__NR_mknodat, "Mknod of a socket's node", Masked(2, S_IFMT, S_IFSOCK)),
    Allow(__NR_mknodat, "Mknod of a whiteout", Masked(2, S_IFMT, S_IFCHR), EqualsInt(3, 0)),
    Allow(__NR_mknodat, "Mknod of /dev/null's like", Masked(2, S_IFMT, S_IFCHR), EqualsInt(3, 0x103)),
    Allow(__NR_mknodat, "Mknod of /dev/zero's like", Masked(2, S_IFMT, S_IFCHR), EqualsInt(3, 0x105)),
    Allow(__NR_mknodat, "Mknod of /dev/full's like", Masked(2, S_IFMT, S_IFCHR), EqualsInt(3, 0x107)),
    Allow(__NR_mknodat, "Mknod of /dev/random's like", Masked(2, S_IFMT, S_IFCHR), EqualsInt(3, 0x108)),
    Allow(__NR_mknodat, "Mknod of /dev/urandom's like", Masked(2, S_IFMT, S_IFCHR), EqualsInt(3, 0x109)),
    Allow(__NR_mknodat, "Mknod of /dev/tty's like", Masked(2, S_IFMT, S_IFCHR), EqualsInt(3, 0x500)),
    Allow(__NR_mknodat, "Mknod of /dev/ptmx's like", Masked(2, S_IFMT, S_IFCHR), EqualsInt(3, 0x502)),
    Allow(__NR_linkat, "Link"),
    Allow(__NR_renameat2, "Rename"),
    Allow(__NR_fchown, "owners"),
    Allow(__NR_fchownat, "owners", Masked(4, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_NOFOLLOW)),
    Allow(__NR_fchmod, "modes"),
    Allow(452 /* fchmodat2, newer than these headers */,
          "modes, by descriptor: a fifo or socket can't be opened for it", EqualsInt(3, AT_EMPTY_PATH)),
    Allow(__NR_utimensat, "times"),
    Allow(__NR_ftruncate, "sizes"),
    Allow(__NR_fsetxattr, "user.* attributes"),
    Allow(__NR_fremovexattr, "user.* attributes"),

    // --- The connection ---
    Allow(__NR_futex, "turns of a channel, and locks"),
    Allow(__NR_sendmsg, "a donated descriptor", EqualsInt(2, MSG_NOSIGNAL)),
    Allow(__NR_poll, "the main thread waits for the client's end", EqualsInt(1, 1)),
    Allow(__NR_restart_syscall, "that poll, after SIGSTOP and SIGCONT"),
    Allow(__NR_shutdown, "a channel dropped for nonsense", EqualsInt(1, SHUT_RDWR)),
    Allow(__NR_sched_setaffinity, "a channel's thread follows its client's CPU", EqualsInt(0, 0)),
    Allow(__NR_write, "the log"),

    // --- glibc ---
    Allow(__NR_mmap, "malloc; never executable", Masked(2, PROT_EXEC, 0),
          Masked(3, MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS)),
    Allow(__NR_mprotect, "malloc grows an arena; never executable", Masked(2, PROT_EXEC, 0)),
    Allow(__NR_munmap, "malloc"),
    Allow(__NR_mremap, "realloc of large blocks"),
    Allow(__NR_madvise, "malloc trims; the stack of a thread that ends"),
    Allow(__NR_brk, "malloc"),
    Allow(__NR_clock_gettime, "when the host's vDSO can't answer"),
    Allow(__NR_rt_sigprocmask, "abort(), and a thread's end"),
    Allow(__NR_getpid, "abort()"),
    Allow(__NR_gettid, "abort()"),
    Allow(__NR_tgkill, "abort()", EqualsInt(2, SIGABRT)),
    Allow(__NR_exit, "end of a thread"),
    Allow(__NR_exit_group, "end of the process"),
};

}  // namespace

std::span<const FilterRule> GoferPolicy() { return kPolicy; }

}  // namespace runsc

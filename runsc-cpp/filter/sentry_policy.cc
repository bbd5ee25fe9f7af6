#include <linux/futex.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <iterator>

#include "platform/kvm/api.h"
#include "runsc-cpp/filter/policy.h"
#include "sentry/net/hostinet/option_table.h"

namespace runsc {
namespace {

// What pthread_create asks for; nothing that would make a process.
constexpr uint64_t kThreadFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                                  CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

// KVM's calls, on this platform's own descriptors.
constexpr FilterRule OnKvm(uint32_t request, const char* reason) {
  using platform::kvm::kFdCount;
  using platform::kvm::kFirstFd;
  static_assert(kFirstFd % kFdCount == 0);
  return Allow(__NR_ioctl, reason, Masked(0, UINT32_MAX & ~uint32_t{kFdCount - 1}, kFirstFd), EqualsInt(1, request));
}

constexpr FilterRule kTracingRules[] = {
    Allow(__NR_ptrace, "the ptrace platform: stubs are the only processes within reach"),
};

constexpr FilterRule kCommonRules[] = {
    // --- Threads: one a guest thread, and a few of our own ---
    Allow(__NR_clone, "pthread_create: a thread, never a process", Masked(0, ~uint64_t{0xff}, kThreadFlags)),
    Refuse(__NR_clone3, "glibc tries it first; its flags lie in memory, where a filter can't look"),
    Allow(__NR_set_robust_list, "glibc, at the start of each thread"),
    Allow(__NR_rseq, "glibc, at the start and end of each thread"),
    Allow(__NR_exit, "end of a thread"),
    Allow(__NR_exit_group, "end of the sandbox"),
    Allow(__NR_futex, "locks, and every wait of a task"),
    Allow(__NR_gettid, "a task's thread learns where kicks go"),
    Allow(__NR_getpid, "tgkill's first argument"),
    Allow(__NR_sched_yield, "sched_yield of a guest"),
    Allow(__NR_sched_setaffinity, "ptrace: tracer and stub on one CPU"),
    Allow(__NR_sched_setscheduler, "a guest's thread gives way to others: its own and its stub's",
          EqualsInt(1, SCHED_OTHER)),
    Allow(__NR_sched_setscheduler, "the same", EqualsInt(1, SCHED_BATCH)),
    Allow(__NR_sched_setscheduler, "the same", EqualsInt(1, SCHED_IDLE)),
    Allow(__NR_setpriority, "the same, one thread each, and never to a nice below 0", EqualsInt(0, PRIO_PROCESS),
          Masked(2, 0xffffffe0, 0)),
    Allow(__NR_sched_getaffinity, "glibc counts CPUs"),
    Allow(__NR_getcpu, "ptrace: which CPU the tracer is on"),
    Allow(__NR_prctl, "a task's thread gets the guest's name", EqualsInt(0, PR_SET_NAME)),

    // --- Memory ---
    Allow(__NR_mmap, "stacks, heap, windows on the memory file and donated files; never executable",
          Masked(2, PROT_EXEC, 0)),
    Allow(__NR_mprotect, "glibc's stack guards and heap; never executable", Masked(2, PROT_EXEC, 0)),
    Allow(__NR_munmap, "the same"),
    Allow(__NR_mremap, "glibc's realloc of large blocks"),
    Allow(__NR_madvise, "glibc trims its heap and dead threads' stacks; memfile drops pages"),
    Allow(__NR_brk, "glibc's heap"),
    Allow(__NR_fallocate, "memfile punches freed pages out of the memory file"),
    Allow(__NR_ftruncate, "memfile grows the memory file"),
    Allow(__NR_mincore, "which pages of a donated file the host holds"),
    Allow(__NR_membarrier, "membarrier of a guest"),

    // --- Signals: kicks and user copies ---
    Allow(__NR_rt_sigprocmask, "glibc, around thread creation"),
    Allow(__NR_rt_sigreturn, "return from the handler that recovers a user copy"),
    Allow(__NR_rt_sigaction, "abort() restores the default action"),
    Allow(__NR_sigaltstack, "the stack of the fault handler, for each thread"),
    Allow(__NR_tgkill, "a kick of a stub's thread, whether one has ended, and abort()"),
    Allow(__NR_kill, "the end of a stub: the pid namespace holds nothing but stubs"),
    Allow(__NR_restart_syscall, "the host restarts an interrupted wait by it"),

    // --- The platform ---
    Allow(__NR_wait4, "stops of stub threads"),
    Allow(__NR_waitid, "stops and deaths of stubs"),

    // --- Descriptors that were given at start, by the gofer, or at SCM_RIGHTS ---
    Allow(__NR_read, "stdin, eventfds"),
    Allow(__NR_write, "stdout, stderr, the log, eventfds"),
    Allow(__NR_readv, "stdin"),
    Allow(__NR_writev, "stdout"),
    Allow(__NR_preadv2, "standard streams, with RWF_NOWAIT"),
    Allow(__NR_pwritev2, "the same"),
    Allow(__NR_pread64, "donated files"),
    Allow(__NR_pwrite64, "donated files of writable volumes"),
    Allow(__NR_lseek, "a standard stream's own offset; SEEK_DATA for accounting"),
    Allow(__NR_fstat, "what a standard stream or donated file is"),
    Allow(__NR_newfstatat, "fstat of glibc: an empty path, on a descriptor", EqualsInt(3, 0x1000 /* AT_EMPTY_PATH */)),
    Allow(__NR_statx, "the same", EqualsInt(2, 0x1000)),
    Allow(__NR_fsync, "fsync of a guest on a writable volume"),
    Allow(__NR_fdatasync, "the same"),
    Allow(__NR_close, "donated files leave the cache"),
    Allow(__NR_fcntl, "flags of a standard stream", EqualsInt(1, 3 /* F_GETFL */)),
    Allow(__NR_fcntl, "a gofer's memory that can't shrink", EqualsInt(1, 1034 /* F_GET_SEALS */)),
    Allow(__NR_accept4,
          "control connections, of a listening socket that was given; the peer's address is not asked for",
          EqualsInt(1, 0), EqualsInt(3, SOCK_CLOEXEC)),
    Allow(__NR_eventfd2, "what wakes the threads of a terminal and of a first process"),
    Allow(__NR_fcntl, "a second descriptor of a standard stream", EqualsInt(1, 1030 /* F_DUPFD_CLOEXEC */)),
    Allow(__NR_poll, "readiness of a standard stream; the control socket"),
    Allow(__NR_ppoll, "the same"),
    Allow(__NR_epoll_wait, "the thread that watches standard streams; deaths of stubs"),
    Allow(__NR_epoll_pwait, "the same"),
    Allow(__NR_epoll_ctl, "the same"),
    Allow(__NR_ioctl, "bytes waiting in a standard stream", EqualsInt(1, FIONREAD)),
    Allow(__NR_ioctl, "size of the terminal behind a standard stream", EqualsInt(1, TIOCGWINSZ)),
    Allow(__NR_ioctl, "settings of the terminal behind a standard stream", EqualsInt(1, TCGETS)),
    Allow(__NR_sendmsg,
          "gofers, keepers, runsc-cpp; donated files go to stubs; datagrams of guests; never a connection",
          Masked(2, MSG_FASTOPEN | MSG_ZEROCOPY, 0)),
    Allow(__NR_recvmsg, "gofers, keepers, runsc-cpp; guests' sockets"),
    Allow(__NR_sendto, "the same, without descriptors or address", Masked(3, MSG_FASTOPEN | MSG_ZEROCOPY, 0),
          Equals(4, 0)),
    Allow(__NR_recvfrom, "the same"),
    Allow(__NR_shutdown, "the end of a gofer's connection; shutdown of a guest"),

    // --- Guests' sockets, which the netgofer makes, binds and connects ---
    Allow(__NR_getsockname, "the same call of a guest"),
    Allow(__NR_getpeername, "the same call of a guest"),
    Allow(__NR_ioctl, "bytes not yet sent", EqualsInt(1, 0x5411 /* SIOCOUTQ */)),
    Allow(__NR_ioctl, "whether urgent data is next", EqualsInt(1, 0x8905 /* SIOCATMARK */)),

    // --- Time and chance ---
    Allow(__NR_clock_gettime, "when the host's vDSO can't answer"),
    Allow(__NR_clock_nanosleep, "the timer thread; the pause before a kill"),
    Allow(__NR_nanosleep, "the same"),
    Allow(__NR_getrandom, "getrandom of a guest, AT_RANDOM, layout"),
};

constexpr FilterRule kKvmRules[] = {
    OnKvm(KVM_RUN, "guest code"),
    OnKvm(KVM_CREATE_VCPU, "one more virtual CPU, up to twice as many as there are CPUs"),
    OnKvm(KVM_SET_USER_MEMORY_REGION, "a slot for more of the guests' memory; what shadows page tables is dropped"),
    OnKvm(platform::kvm::kSetCpuid, "a new virtual CPU"),
    OnKvm(KVM_SET_XCRS, "the same"),
    OnKvm(platform::kvm::kSetMsrs, "the same, or one that stopped"),
    OnKvm(KVM_GET_SREGS, "the same"),
    OnKvm(KVM_SET_SREGS, "the same"),
    OnKvm(KVM_SET_DEVICE_ATTR, "the same: its time stamps"),
    OnKvm(KVM_SET_VCPU_EVENTS, "the same; an exception that a kick came before"),
    OnKvm(KVM_GET_VCPU_EVENTS, "whether there is such an exception"),
    OnKvm(platform::kvm::kGetXsave, "a virtual CPU changes hands; signal frames"),
    OnKvm(platform::kvm::kGetXsave2, "the same"),
    OnKvm(platform::kvm::kSetXsave, "the same"),
    OnKvm(KVM_GET_DEBUGREGS, "what a debug exception was for"),
    OnKvm(KVM_SET_DEBUGREGS, "the same"),
};

// One rule an option and direction: no other reaches the host.
constexpr size_t CountOptionRules() {
  size_t count = 0;
  for (const auto& option : sentry::hostinet::kHostOptions) {
    count += option.use == sentry::hostinet::OptionUse::kBoth ? 2 : 1;
  }
  return count;
}
constexpr size_t kOptionRules = CountOptionRules();

constexpr size_t kOfTracing = std::size(kTracingRules), kOfKvm = std::size(kKvmRules);
constexpr size_t kOfAll = std::size(kCommonRules) + kOptionRules;

// The first rules and the last ones are for platforms that need them.
constexpr std::array<FilterRule, kOfTracing + kOfAll + kOfKvm> JoinRules() {
  using sentry::hostinet::OptionUse;
  std::array<FilterRule, kOfTracing + kOfAll + kOfKvm> rules{};
  size_t n = 0;
  for (const FilterRule& rule : kTracingRules) rules[n++] = rule;
  for (const FilterRule& rule : kCommonRules) rules[n++] = rule;
  for (const auto& option : sentry::hostinet::kHostOptions) {
    const ArgRule level = EqualsInt(1, static_cast<uint32_t>(option.level));
    const ArgRule name = EqualsInt(2, static_cast<uint32_t>(option.name));
    if (option.use != OptionUse::kSet)
      rules[n++] = Allow(__NR_getsockopt, "an option of a guest's socket", level, name);
    if (option.use == OptionUse::kGet) continue;
    const ArgRule length = Masked(4, UINT32_MAX & ~uint32_t{2 * sentry::hostinet::kMaxOptionSize - 1}, 0);
    rules[n++] = Allow(__NR_setsockopt, "an option of a guest's socket", level, name, length);
  }
  for (const FilterRule& rule : kKvmRules) rules[n++] = rule;
  return rules;
}
constexpr auto kPolicy = JoinRules();

}  // namespace

std::span<const FilterRule> SentryPolicy() { return std::span(kPolicy).subspan(kOfTracing, kOfAll); }
std::span<const FilterRule> TracingSentryPolicy() { return std::span(kPolicy).first(kOfTracing + kOfAll); }
std::span<const FilterRule> KvmSentryPolicy() { return std::span(kPolicy).last(kOfAll + kOfKvm); }

}  // namespace runsc

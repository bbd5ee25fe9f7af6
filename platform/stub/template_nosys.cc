// The template process: a freestanding program that makes stub processes.
//
// Runs without libc, on a stack in its own data. It holds no memory but its own
// image and no descriptor but those of layout.h. A stub is a copy of it whose
// first thread becomes the keeper (template_entry.S) after InitStub.
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "platform/stub/layout.h"

extern "C" [[noreturn]] void KeeperLoop();
extern "C" int CloneGuestThread(uint64_t flags, uint64_t region);
extern "C" [[gnu::visibility("hidden")]] void SignalEntry();  // platform/systrap/trap_entry.S

namespace platform::stub {
namespace {

constexpr long kMapShared = 1, kMapFixed = 0x10, kProtRead = 1, kProtWrite = 2;
constexpr long kCloneParent = 0x8000;

constexpr long kAfUnix = 1, kSockStream = 1, kSockSeqpacket = 5, kSigBlock = 0;
constexpr long kMsgNoSignal = 0x4000, kEintr = -4;
constexpr uint32_t kTextBase = STUB_BASE & 0xffffffff;
constexpr uint32_t kTextSize = 0x10000;  // template.lds

long Call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long ret;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(ret)
               : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return ret;
}

template <typename T>
long Addr(T* p) {
  return reinterpret_cast<long>(p);
}

[[noreturn]] void Exit(long code) {
  for (;;) Call(SYS_exit_group, code);
}

// --- The stubs' seccomp filter --------------------------------------------------
// A call is one of the list, made at an instruction of the stub's text, or it
// raises SIGSYS: how trapped threads are taken (which narrow this by a filter of
// their own, trap_entry.S), and the end of any other. For traced ones it is the
// second fence, behind a tracer that takes their calls (and EXITKILL, which ends
// them before they could run without one), and shows vsyscall entries, which
// PTRACE_SYSEMU does not see.

constexpr uint32_t kNr = 0, kArch = 4, kIpLow = 8, kIpHigh = 12;
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define ALLOW_CALL(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
const sock_filter kFilter[] = {
    LOAD(kArch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
    LOAD(kIpHigh),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STUB_BASE >> 32, 0, 3),
    LOAD(kIpLow),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kTextBase, 0, 1),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kTextBase + kTextSize, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    LOAD(kNr),
    ALLOW_CALL(SYS_read),         // wait for a request
    ALLOW_CALL(SYS_write),        // answer it
    ALLOW_CALL(SYS_mmap),         // MapOp::kMap
    ALLOW_CALL(SYS_munmap),       // MapOp::kUnmap
    ALLOW_CALL(SYS_mprotect),     // MapOp::kProtect
    ALLOW_CALL(SYS_madvise),      // reserved for mm's hints
    ALLOW_CALL(SYS_clone),        // a new guest thread
    ALLOW_CALL(SYS_recvmsg),      // donated descriptors
    ALLOW_CALL(SYS_close_range),  // and their end
    ALLOW_CALL(SYS_pause),        // a guest thread before its tracer came
    ALLOW_CALL(SYS_exit),         // and after it left
    ALLOW_CALL(SYS_exit_group),   // the sentry is gone
    // A trapped thread's start ...
    ALLOW_CALL(SYS_seccomp),
    // ... and its handler.
    ALLOW_CALL(SYS_futex),
    ALLOW_CALL(SYS_rt_sigreturn),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
};

void SetName(const char* name) { Call(SYS_prctl, PR_SET_NAME, Addr(name)); }

struct KernelSigaction {
  void (*handler)();
  uint64_t flags;
  void (*restorer)();
  uint64_t mask;
};

// Everything that can befall a trapped thread comes to one handler, on the stack
// in the thread's region. A kick masks itself, so that kicks don't pile up there.
void InstallHandlers() {
  constexpr uint64_t kFlags = 0x4 | 0x04000000 | 0x08000000;  // SIGINFO, RESTORER, ONSTACK
  constexpr uint64_t kNoDefer = 0x40000000;
  constexpr int kSigUrg = 23;
  constexpr int kSignals[] = {4, 5, 7, 8, 11, kSigUrg, 31};  // SIGILL, TRAP, BUS, FPE, SEGV; SIGSYS
  for (const int signo : kSignals) {
    const KernelSigaction action = {SignalEntry, kFlags | (signo == kSigUrg ? 0 : kNoDefer), SignalEntry, 0};
    if (Call(SYS_rt_sigaction, signo, Addr(&action), 0, sizeof(action.mask)) != 0) Exit(5);
  }
}

// What a new stub process does before any guest code is near: the last code that
// may trust its own memory.
[[noreturn]] void InitStub(const NewStubRequest& request, int keeper_socket) {
  SetName("runsc-stub");
  Call(SYS_dup2, keeper_socket, STUB_FD_SOCKET);
  const long page = Call(SYS_mmap, STUB_REQUEST_PAGE, sizeof(KeeperRequest), kProtRead, kMapShared | kMapFixed,
                         STUB_FD_REQUESTS, static_cast<long>(request.slot) * sizeof(KeeperRequest));
  if (page != STUB_REQUEST_PAGE) Exit(1);
  uint64_t region = 0;
  if (request.mode == StubMode::kTrapped) {
    InstallHandlers();
    region = STUB_REGIONS;
    const long mapped = Call(SYS_mmap, STUB_REGIONS, STUB_REGION_SIZE, kProtRead | kProtWrite, kMapShared | kMapFixed,
                             STUB_FD_REGIONS, static_cast<long>(request.region) * STUB_REGION_SIZE);
    if (mapped != STUB_REGIONS) Exit(6);
    if (Call(SYS_mprotect, STUB_REGIONS, STUB_REGION_READ_ONLY, kProtRead) != 0) Exit(7);
  }
  Call(SYS_close_range, STUB_FD_DONATED, ~0u, 0);
  const sock_fprog prog = {sizeof(kFilter) / sizeof(kFilter[0]), const_cast<sock_filter*>(kFilter)};
  // SPEC_ALLOW: the guest is kept from nothing by a slower processor here.
  if (Call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, Addr(&prog)) != 0) {
    Exit(STUB_STATUS_NO_SECCOMP);
  }
  const KeeperHello first_thread = CloneGuestThread(kThreadFlags, region);
  if (first_thread < 0) Exit(4);
  Call(SYS_write, STUB_FD_SOCKET, Addr(&first_thread), sizeof(first_thread));
  KeeperLoop();
}

struct Iovec {
  void* base;
  uint64_t len;
};
struct Msghdr {
  void* name;
  uint64_t namelen;
  Iovec* iov;
  uint64_t iovlen;
  void* control;
  uint64_t controllen;
  uint64_t flags;
};
struct ControlFd {
  uint64_t len = 20;  // CMSG_LEN(sizeof(int))
  int32_t level = 1;  // SOL_SOCKET
  int32_t type = 1;   // SCM_RIGHTS
  int32_t fd = -1;
  int32_t padding = 0;
};

void Reply(NewStubReply reply, int fd) {
  Iovec iov = {&reply, sizeof(reply)};
  ControlFd control;
  control.fd = fd;
  Msghdr msg = {nullptr, 0, &iov, 1, fd >= 0 ? &control : nullptr, fd >= 0 ? sizeof(control) : 0, 0};
  long sent;
  do {
    sent = Call(SYS_sendmsg, STUB_FD_SOCKET, Addr(&msg), kMsgNoSignal);
  } while (sent == kEintr);
}

void NewStub(const NewStubRequest& request) {
  int pair[2];
  long ret = Call(SYS_socketpair, kAfUnix, kSockStream, 0, Addr(pair));
  if (ret < 0) return Reply({request.slot, request.region, static_cast<int32_t>(ret)}, -1);
  // CLONE_PARENT: the sentry's child, so that it can wait for the stub.
  ret = Call(SYS_clone, kCloneParent);
  if (ret == 0) InitStub(request, pair[1]);
  Reply({request.slot, request.region, static_cast<int32_t>(ret)}, ret > 0 ? pair[0] : -1);
  Call(SYS_close, pair[0]);
  Call(SYS_close, pair[1]);
}

// Returns in the new template, too. That one is placed before it makes anything: what
// its stubs use is charged where they were born.
void NewTemplate(const NewStubRequest& request, int place) {
  int pair[2];
  long ret = Call(SYS_socketpair, kAfUnix, kSockSeqpacket, 0, Addr(pair));
  if (ret < 0) return Reply({request.slot, 0, static_cast<int32_t>(ret)}, -1);
  ret = Call(SYS_clone, kCloneParent);
  if (ret == 0) {
    Call(SYS_dup2, pair[1], STUB_FD_SOCKET);
    char byte = 0;
    Call(SYS_sendto, place, Addr(&byte), 1, kMsgNoSignal);
    while (Call(SYS_read, place, Addr(&byte), 1) == kEintr) {
    }
    Call(SYS_close_range, STUB_FD_REQUESTS + 1, ~0u, 0);
    return;
  }
  Reply({request.slot, 0, static_cast<int32_t>(ret)}, ret > 0 ? pair[0] : -1);
  Call(SYS_close, pair[0]);
  Call(SYS_close, pair[1]);
}

// The size of what came, or a negative errno. `fd`: came with it, or -1.
long Receive(NewStubRequest& request, int& fd) {
  Iovec iov = {&request, sizeof(request)};
  ControlFd control;
  Msghdr msg = {nullptr, 0, &iov, 1, &control, control.len, 0};
  const long got = Call(SYS_recvmsg, STUB_FD_SOCKET, Addr(&msg));
  fd = got > 0 && msg.controllen > 0 ? control.fd : -1;
  return got;
}

void DropPrivileges() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  Call(SYS_capset, Addr(&header), Addr(none));
  if (Call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Exit(3);
  // 0 would still feed a host's core_pattern that is a pipe; 1 is too little for either.
  const uint64_t no_core[2] = {1, 1};
  Call(SYS_setrlimit, 4 /* RLIMIT_CORE */, Addr(no_core));
}

// Where exec put the vDSO, from its stack; 0: nowhere.
uint64_t FindVdso(const uint64_t* stack) {
  constexpr uint64_t kAtSysinfoEhdr = 33;
  const uint64_t* p = stack + 1 + *stack + 1;  // argc, argv, null
  while (*p++ != 0) {
  }
  for (; p[0] != 0; p += 2) {
    if (p[0] == kAtSysinfoEhdr) return p[1];
  }
  return 0;
}

// Moves a whole mapping that ends at `end` to where it then ends at `to`; how long it
// was, 0 if there is none. (The host moves these mappings as a whole or not at all.)
uint64_t MoveMapping(uint64_t end, uint64_t to, bool begins_there) {
  constexpr uint64_t kPage = 4096, kMaxPages = 16;
  constexpr long kMayMove = 1, kFixed = 2;
  for (uint64_t size = kPage; size <= kMaxPages * kPage; size += kPage) {
    const uint64_t from = begins_there ? end : end - size, target = begins_there ? to : to - size;
    const long moved = Call(SYS_mremap, static_cast<long>(from), static_cast<long>(size), static_cast<long>(size),
                            kMayMove | kFixed, static_cast<long>(target));
    if (moved == static_cast<long>(target)) return size;
  }
  return 0;
}

// Keeps the host's vDSO: text, and its data below in one mapping or more.
bool KeepVdso(uint64_t vdso) {
  if (vdso == 0) return false;
  if (MoveMapping(vdso, STUB_VDSO, true) == 0) return false;
  uint64_t moved = 0;
  while (const uint64_t size = MoveMapping(vdso - moved, STUB_VDSO - moved, false)) moved += size;
  return moved > 0;
}

}  // namespace

extern "C" [[noreturn]] void TemplateMain(const uint64_t* stack) {
  SetName("runsc-template");
  // A terminal's ^C and the like are the sentry's affair.
  const uint64_t all = ~uint64_t{0};
  Call(SYS_rt_sigprocmask, kSigBlock, Addr(&all), 0, sizeof(all));
  DropPrivileges();
  // Guests get the whole space below the stub: its own stack goes. (A host that seals
  // its vDSO keeps it; then it lies where exec put it.)
  const bool vdso = KeepVdso(FindVdso(stack));
  Call(SYS_munmap, 0, STUB_BASE);
  Call(SYS_munmap, STUB_IMAGE_END, (vdso ? STUB_REQUEST_PAGE : STUB_END) - STUB_IMAGE_END);
  Call(SYS_munmap, STUB_REGIONS, STUB_END - STUB_REGIONS);
  Reply({kTemplateReady, 0, vdso}, -1);
  for (;;) {
    NewStubRequest request;
    int place;
    const long got = Receive(request, place);
    if (got == kEintr) continue;
    if (got != sizeof(request)) Exit(0);
    if (request.slot == kNewTemplate) {
      NewTemplate(request, place);
    } else {
      NewStub(request);
    }
    if (place >= 0) Call(SYS_close, place);
  }
}

}  // namespace platform::stub

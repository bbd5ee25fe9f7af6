#include "platform/ptrace/traced_thread.h"

#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "base/log.h"

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

namespace platform::ptrace {
namespace {

using base::Errno;
using base::HostErrno;
using base::Result;
using sentry::arch::FpState;
using sentry::arch::Registers;

static_assert(sizeof(user_regs_struct) == sizeof(Registers));
constexpr size_t kWords = sizeof(Registers) / 8;
#define REG_INDEX(name) (offsetof(Registers, name) / 8)

// A POKEUSER costs 0.75 us, a SETREGS 1.8 us (README.md).
constexpr int kMaxPokes = 2;
constexpr uint64_t kTaskSize = 0x7ffffffff000;              // the host refuses bases from here on
constexpr uint64_t kMinRestart = -516, kMaxRestart = -512;  // the host's -ERESTART*

// glibc's ptrace() is variadic and sets errno for PEEK; the raw call is plainer.
long Ptrace(long request, pid_t tid, uint64_t addr, uint64_t data) {
  return syscall(SYS_ptrace, request, tid, addr, data);
}
template <typename T>
uint64_t Addr(T* p) {
  return reinterpret_cast<uint64_t>(p);
}

// Whether PTRACE_SETREGS takes `value` for the register; it stops at the first
// that it does not.
bool HostAccepts(size_t index, uint64_t value) {
  switch (index) {
    case REG_INDEX(fs_base):
    case REG_INDEX(gs_base):
      return value < kTaskSize;
    case REG_INDEX(cs):
    case REG_INDEX(ss):
      return value <= 0xffff && (value & 3) == 3;
    case REG_INDEX(ds):
    case REG_INDEX(es):
    case REG_INDEX(fs):
    case REG_INDEX(gs):
      return value == 0 || (value <= 0xffff && (value & 3) == 3);
    default:
      return true;
  }
}

// The host's XSAVE image may be larger than ours (AMX), and has to be given whole.
constexpr size_t kMaxHostXstate = 16384;

}  // namespace

pid_t CurrentTid() {
  thread_local const pid_t tid = static_cast<pid_t>(syscall(SYS_gettid));
  return tid;
}

Result<std::unique_ptr<TracedThread>> TracedThread::Attach(std::shared_ptr<stub::StubProcess> stub) {
  const stub::GuestThread guest = TRY(stub->NewThread());
  const pid_t tid = guest.tid;
  // Its first stop is awaited below: better on this CPU.
  if (const int cpu = sched_getcpu(); cpu >= 0 && cpu < CPU_SETSIZE) {
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(cpu, &here);
    sched_setaffinity(tid, sizeof(here), &here);
  }
  // EXITKILL: without its tracer the thread would run on with host system calls.
  const uint64_t options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
  if (Ptrace(PTRACE_SEIZE, tid, 0, options) != 0 || Ptrace(PTRACE_INTERRUPT, tid, 0, 0) != 0) {
    const Errno error = HostErrno();
    stub->ThreadGone(guest);
    LOG(kError, "can't trace stub thread %d of process %d: %s", tid, stub->pid(), base::ErrnoName(error));
    return error;
  }
  std::unique_ptr<TracedThread> thread(new TracedThread(std::move(stub), tid));
  const int status = thread->Wait();
  if (status < 0 || !thread->GetRegisters(thread->cached_)) return Errno::kESRCH;
  // It has the template's mask, which blocks all. What the host sends to the
  // process stays pending; only faults and kicks come through.
  uint64_t mask = ~uint64_t{0};
  for (int sig : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, kKickSignal}) mask &= ~(uint64_t{1} << (sig - 1));
  Ptrace(PTRACE_SETSIGMASK, tid, sizeof(mask), Addr(&mask));
  return thread;
}

TracedThread::~TracedThread() {
  End();
  stub_->ThreadGone({tid_});
}

void TracedThread::End() {
  if (gone_) return;
  if (CurrentTid() != tracer_) {
    // Not ours to detach from, and it must not live on.
    stub_->Kill();
    Reap();
    return;
  }
  // Its own exit, in stub text: a thread can't be killed alone.
  Registers regs = cached_;
  regs.rip = STUB_BASE + STUB_THREAD_EXIT_OFFSET;
  regs.rax = 0;
  regs.cs = 0x33;
  regs.ss = 0x2b;
  regs.eflags &= ~uint64_t{0x40500};  // TF, DF, AC
  SetRegisters(regs);
  if (Ptrace(PTRACE_DETACH, tid_, 0, 0) != 0) {
    stub_->Kill();
    Reap();
  }
}

void TracedThread::Reap() {
  int status;
  for (;;) {
    const pid_t got = waitpid(tid_, &status, __WALL);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 || WIFEXITED(status) || WIFSIGNALED(status)) break;
  }
  gone_ = true;
}

int TracedThread::Wait() {
  int status;
  for (;;) {
    if (waitpid(tid_, &status, __WALL) == tid_) break;
    if (errno != EINTR) {
      gone_ = true;
      return -1;
    }
  }
  if (WIFSTOPPED(status)) return status;
  gone_ = true;
  return -1;
}

int TracedThread::RunToStop() {
  // It fails if the thread was killed in its stop; the wait tells.
  Ptrace(PTRACE_SYSEMU, tid_, 0, 0);
  return Wait();
}

bool TracedThread::GetRegisters(Registers& out) {
  if (Ptrace(PTRACE_GETREGS, tid_, 0, Addr(&cached_)) != 0) {
    Reap();
    return false;
  }
  out = cached_;
  return true;
}

void TracedThread::Poke(size_t index, uint64_t value) { Ptrace(PTRACE_POKEUSER, tid_, index * 8, value); }

void TracedThread::SetRegisters(const Registers& regs) {
  uint64_t want[kWords], have[kWords];
  memcpy(want, &regs, sizeof(want));
  memcpy(have, &cached_, sizeof(have));
  // orig_rax only says whether the host's own restart of system calls may apply;
  // it must not.
  const bool restart = regs.rax >= kMinRestart && regs.rax <= kMaxRestart;
  want[REG_INDEX(orig_rax)] = restart ? ~uint64_t{0} : have[REG_INDEX(orig_rax)];
  int changed = 0;
  bool all_accepted = true;
  for (size_t i = 0; i < kWords; i++) {
    if (!HostAccepts(i, want[i])) {
      // Such a value may be what the thread has itself (wrfsbase).
      all_accepted = false;
      want[i] = have[i];
    }
    changed += want[i] != have[i];
  }
  if (changed > kMaxPokes && all_accepted) {
    want[REG_INDEX(orig_rax)] = ~uint64_t{0};
    Ptrace(PTRACE_SETREGS, tid_, 0, Addr(&want));
  } else if (changed > 0) {
    for (size_t i = 0; i < kWords; i++) {
      if (want[i] != have[i]) Poke(i, want[i]);
    }
  }
  memcpy(&cached_, want, sizeof(cached_));
}

Result<void> TracedThread::GetFpState(FpState& out) {
  alignas(64) std::byte image[kMaxHostXstate];
  iovec iov = {image, sizeof(image)};
  if (Ptrace(PTRACE_GETREGSET, tid_, NT_X86_XSTATE, Addr(&iov)) != 0) return HostErrno();
  if (iov.iov_len < out.size()) return Errno::kEIO;
  memcpy(out.data(), image, out.size());
  out.Sanitize();
  return base::Ok();
}

void TracedThread::SetFpState(const FpState& state) {
  // The host takes only a whole image of its own size.
  alignas(64) std::byte image[kMaxHostXstate] = {};
  iovec iov = {image, sizeof(image)};
  static const size_t host_size = [&] {
    return Ptrace(PTRACE_GETREGSET, tid_, NT_X86_XSTATE, Addr(&iov)) == 0 ? iov.iov_len : size_t{0};
  }();
  if (host_size < state.size()) return;
  memset(image, 0, host_size);
  memcpy(image, state.data(), state.size());
  iov.iov_len = host_size;
  if (Ptrace(PTRACE_SETREGSET, tid_, NT_X86_XSTATE, Addr(&iov)) != 0) {
    LOG(kDebug, "PTRACE_SETREGSET of the FPU state: %s", base::ErrnoName(HostErrno()));
  }
}

bool TracedThread::GetSignalInfo(siginfo_t& info) { return Ptrace(PTRACE_GETSIGINFO, tid_, 0, Addr(&info)) == 0; }

bool TracedThread::PeekWord(uint64_t addr, uint64_t& out) {
  return Ptrace(PTRACE_PEEKDATA, tid_, addr, Addr(&out)) == 0;
}

}  // namespace platform::ptrace

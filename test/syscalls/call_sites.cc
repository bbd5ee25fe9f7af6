// System calls made many times from one place: a kernel may then find a faster way for
// it, and nothing but the speed may show.
#include <asm/prctl.h>
#include <limits.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#include <atomic>

#include "test/syscalls/harness/test.h"

TOUCHES("getpid", "getppid", "getpgid", "getuid", "gettid", "arch_prctl", "mprotect", "setitimer")

// mov $number, %eax; syscall, in text of its own, with a way in behind the mov.
asm(R"(
    .text
    .balign 4096
    .globl call_site_getpgid, call_site_getpgid_syscall, call_site_getuid
call_site_getpgid:
    mov $121, %eax
call_site_getpgid_syscall:
    syscall
    ret
call_site_getuid:
    mov $102, %eax
    syscall
    ret
call_site_getpid:
    mov $39, %eax
    syscall
    ret
call_site_getppid:
    mov $110, %eax
    syscall
    ret
    .globl call_site_any, call_site_any_compare
call_site_any:                          # long call_site_any(long number, long a, long b, long c)
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    syscall
call_site_any_compare:
    cmp $-4096, %rax
    ja 1f
    ret
1:
    sub %rax, %rdx                      # tells the way it came
    mov $-1, %rax
    ret
call_site_pause:
    mov $34, %eax
    syscall
    ret
    .balign 4096
)");
extern "C" {
long call_site_getpgid(long pid);
extern char call_site_getpgid_syscall[];
long call_site_getuid();
long call_site_getpid();
long call_site_getppid();
long call_site_pause();
long call_site_any(long number, long a = 0, long b = 0, long c = 0);
extern char call_site_any_compare[];
}

namespace {

constexpr int kOften = 100;

volatile sig_atomic_t g_ticks, g_bad;

struct Result {
  long rax, rcx, r11, rbx, rdx, rsi, r8, r9, r10, r12, r15;
};

// A call of a site with known registers; what it leaves in them.
Result CallWithRegisters(void* site, long rdi) {
  Result r;
  register long r8 asm("r8") = 8, r9 asm("r9") = 9, r10 asm("r10") = 10, r12 asm("r12") = 12, r15 asm("r15") = 15;
  long rax = 121, rcx, rbx = 3, rdx = 4, rsi = 5, r11_out;
  asm volatile("sub $256, %%rsp\n call *%[site]\n add $256, %%rsp\n mov %%r11, %[r11]"
               : "+a"(rax), "=c"(rcx), [r11] "=&r"(r11_out), "+b"(rbx), "+d"(rdx), "+S"(rsi), "+D"(rdi), "+r"(r8),
                 "+r"(r9), "+r"(r10), "+r"(r12), "+r"(r15)
               : [site] "r"(site)
               : "r11", "memory", "cc");
  r = {rax, rcx, r11_out, rbx, rdx, rsi, r8, r9, r10, r12, r15};
  return r;
}

TEST(CallSites, RegistersAreKept) {
  const long group = getpgid(0);
  for (int i = 0; i < kOften; i++) {
    const Result r = CallWithRegisters(reinterpret_cast<void*>(&call_site_getpgid), 0);
    ASSERT_EQ(r.rax, group);
    ASSERT_EQ(r.rcx, reinterpret_cast<long>(call_site_getpgid_syscall) + 2);
    ASSERT_EQ(r.r11 & 0x2, 0x2);  // eflags
    ASSERT_EQ(r.rbx, 3);
    ASSERT_EQ(r.rdx, 4);
    ASSERT_EQ(r.rsi, 5);
    ASSERT_EQ(r.r8, 8);
    ASSERT_EQ(r.r9, 9);
    ASSERT_EQ(r.r10, 10);
    ASSERT_EQ(r.r12, 12);
    ASSERT_EQ(r.r15, 15);
  }
}

TEST(CallSites, RedZoneAndFlagsAreKept) {
  for (int i = 0; i < kOften; i++) {
    long low = 0, flags = 0;
    asm volatile(
        "movq $0x1234, -8(%%rsp)\n movq $0x5678, -128(%%rsp)\n"
        "lea 1f(%%rip), %%r12\n stc\n"
        // As a leaf function would: no call, so that the red zone stays ours.
        "mov $121, %%eax\n syscall\n 1:\n setc %b[flags]\n"
        "mov -8(%%rsp), %[low]\n add -128(%%rsp), %[low]"
        : [low] "=&r"(low), [flags] "+&r"(flags)
        : "D"(0L)
        : "rax", "rcx", "r11", "r12", "memory", "cc");
    ASSERT_EQ(low, 0x1234 + 0x5678);
    ASSERT_EQ(flags & 1, 1);
  }
}

TEST(CallSites, VectorRegistersAreKept) {
  for (int i = 0; i < kOften; i++) {
    double out = 0, in = i + 0.5;
    asm volatile("movsd %[in], %%xmm7\n mov $121, %%eax\n xor %%edi, %%edi\n syscall\n movsd %%xmm7, %[out]"
                 : [out] "=m"(out)
                 : [in] "m"(in)
                 : "rax", "rcx", "r11", "rdi", "xmm7", "memory");
    ASSERT_EQ(out, in);
  }
}

TEST(CallSites, AJumpIntoTheMiddleIsACall) {
  const long group = getpgid(0), user = getuid();
  for (int i = 0; i < kOften; i++) {
    ASSERT_EQ(call_site_getpgid(0), group);
    long rax = 102;  // not the number that stands there
    asm volatile("call *%[site]" : "+a"(rax) : [site] "r"(call_site_getpgid_syscall), "D"(0L) : "rcx", "r11", "memory");
    ASSERT_EQ(rax, user);
  }
}

TEST(CallSites, TheLookAtTheResultIsKept) {
  st::Pipe pipe;
  char c = 'x';
  for (int i = 0; i < kOften; i++) {
    ASSERT_EQ(call_site_any(SYS_write, pipe.w, reinterpret_cast<long>(&c), 1), 1);
    ASSERT_EQ(call_site_any(SYS_read, pipe.r, reinterpret_cast<long>(&c), 1), 1);
    ASSERT_EQ(c, 'x');
    ASSERT_EQ(call_site_any(SYS_getpid), getpid());
    ASSERT_EQ(call_site_any(SYS_read, -1), -1);  // EBADF
    ASSERT_EQ(call_site_any(1000000), -1);       // ENOSYS
    ASSERT_EQ(call_site_any(-1), -1);
  }
}

TEST(CallSites, AJumpToTheLookAtTheResultIsOne) {
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_any(SYS_getpid), getpid());
  for (const long value : {0L, 5L, -1L, -4095L, -4096L, -4097L, LONG_MIN, LONG_MAX}) {
    long rax = value;
    // The compare, and on to a `ret`, whichever way it goes.
    asm volatile("call *%[site]" : "+a"(rax) : [site] "r"(call_site_any_compare) : "rdx", "memory", "cc");
    ASSERT_EQ(rax, static_cast<unsigned long>(value) > -4096UL ? -1 : value);
  }
}

TEST(CallSites, WhoWaitsThereMeanwhileComesBack) {
  // One thread blocks in a call of the site while others use it so often that it may
  // change under him.
  st::Pipe pipe;
  char c = 0;
  std::atomic<long> result{-2};
  st::Thread reader([&] { result = call_site_any(SYS_read, pipe.r, reinterpret_cast<long>(&c), 1); });
  st::WaitBlocked(getpid(), reader.tid());
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_any(SYS_getpid), getpid());
  MUST(write(pipe.w, "y", 1));
  reader.Join();
  EXPECT_EQ(result.load(), 1);
  EXPECT_EQ(c, 'y');
}

TEST(CallSites, AnInterruptedCallOfAnyNumberIsRestarted) {
  st::Pipe pipe;
  st::OnSignal(
      SIGUSR1, [](int) { g_ticks = g_ticks + 1; }, SA_RESTART);
  g_ticks = 0;
  const pid_t self = getpid();
  for (int i = 0; i < 20; i++) {
    const pid_t child = st::Spawn([&] {
      st::WaitBlocked(self);
      MUST(kill(self, SIGUSR1));
      st::SleepMs(5);
      MUST(write(pipe.w, "z", 1));
    });
    char c = 0;
    ASSERT_EQ(call_site_any(SYS_read, pipe.r, reinterpret_cast<long>(&c), 1), 1);
    ASSERT_EQ(c, 'z');
    EXPECT_EXITED(st::WaitStatus(child), 0);
  }
  EXPECT_EQ(g_ticks, 20);
}

TEST(CallSites, AnswersFollowTheProcess) {
  const long self = syscall(SYS_getpid);
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_getpid(), self);
  const pid_t child = st::Spawn([&] {
    EXPECT_EQ(call_site_getpid(), syscall(SYS_getpid));
    EXPECT_TRUE(call_site_getpid() != self);
    for (int i = 0; i < kOften; i++) EXPECT_EQ(call_site_getppid(), self);
  });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  ASSERT_EQ(call_site_getpid(), self);
}

TEST(CallSites, TheParentIsTheNewOne) {
  int fds[2];
  MUST(pipe(fds));
  const pid_t child = st::Spawn([&] {
    const pid_t middle = getpid();
    if (MUST(fork()) == 0) {
      for (int i = 0; i < kOften; i++) {
        if (call_site_getppid() != middle) _exit(1);
      }
      const char ready = 'r';
      MUST(write(fds[1], &ready, 1));
      st::WaitUntil([&] { return call_site_getppid() != middle; });
      const char ok = call_site_getppid() == syscall(SYS_getppid) ? 'o' : 'x';
      MUST(write(fds[1], &ok, 1));
      _exit(0);
    }
    char c;
    MUST(read(fds[0], &c, 1));
  });
  EXPECT_EXITED(st::WaitStatus(child), 0);
  char c = 0;
  EXPECT_EQ(read(fds[0], &c, 1), 1);
  EXPECT_EQ(c, 'o');
}

TEST(CallSites, SetuidChangesTheAnswer) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    for (int i = 0; i < kOften; i++) EXPECT_EQ(call_site_getuid(), 0);
    MUST(setuid(1234));
    EXPECT_EQ(call_site_getuid(), 1234);
  });
}

// A tick finds the thread in text, in the call's place included; not where no program
// has mapped anything (this one lies below, its stack above).
void OnTick(int, siginfo_t*, void* context) {
  const auto* uc = static_cast<ucontext_t*>(context);
  const auto rip = static_cast<uintptr_t>(uc->uc_mcontext.gregs[REG_RIP]);
  if (rip >= 0x50000000 && rip < 0x80000000) g_bad = g_bad + 1;
  g_ticks = g_ticks + 1;
}

TEST(CallSites, SignalsShowTheSite) {
  st::OnSignalInfo(SIGALRM, OnTick);
  const itimerval every = {{0, 200}, {0, 200}};
  MUST(setitimer(ITIMER_REAL, &every, nullptr));
  const long group = getpgid(0), self = getpid();
  st::WaitUntil([&] {
    for (int i = 0; i < 2000; i++) {
      EXPECT_EQ(call_site_getpgid(0), group);
      EXPECT_EQ(call_site_getpid(), self);
    }
    return g_ticks > 200;
  });
  const itimerval off = {};
  MUST(setitimer(ITIMER_REAL, &off, nullptr));
  EXPECT_EQ(g_bad, 0);
}

volatile int g_steps;
volatile uintptr_t g_step_at[64];

void OnStep(int, siginfo_t*, void* context) {
  const auto* uc = static_cast<ucontext_t*>(context);
  if (g_steps < 64) g_step_at[g_steps] = static_cast<uintptr_t>(uc->uc_mcontext.gregs[REG_RIP]);
  g_steps = g_steps + 1;
}

TEST(CallSites, StepsAreThoseOfTheSite) {
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_getpgid(0), getpgid(0));
  st::OnSignalInfo(SIGTRAP, OnStep);
  long result = 121;
  asm volatile(
      "sub $256, %%rsp\n pushfq\n orq $0x100, (%%rsp)\n popfq\n"
      "call call_site_getpgid\n"
      "pushfq\n andq $~0x100, (%%rsp)\n popfq\n add $256, %%rsp"
      : "+a"(result)
      : "D"(0L)
      : "rcx", "r11", "memory", "cc");
  EXPECT_EQ(result, getpgid(0));
  // At its begin and behind the mov at least.
  const auto start = reinterpret_cast<uintptr_t>(&call_site_getpgid);
  int seen = 0;
  for (int i = 0; i < g_steps && i < 64; i++) {
    EXPECT_TRUE(g_step_at[i] < 0x50000000 || g_step_at[i] > 0x80000000);
    seen += g_step_at[i] == start || g_step_at[i] == start + 5 || g_step_at[i] == start + 7;
  }
  EXPECT_GE(seen, 2);
}

TEST(CallSites, AHandlerMayCallFromTheSameSite) {
  st::OnSignal(SIGALRM, [](int) {
    if (call_site_getpgid(0) <= 0 || call_site_getpid() != getpid()) g_bad = g_bad + 1;
    g_ticks = g_ticks + 1;
  });
  g_ticks = 0;
  g_bad = 0;
  const itimerval every = {{0, 200}, {0, 200}};
  MUST(setitimer(ITIMER_REAL, &every, nullptr));
  const long group = getpgid(0);
  st::WaitUntil([&] {
    for (int i = 0; i < 2000; i++) EXPECT_EQ(call_site_getpgid(0), group);
    return g_ticks > 100;
  });
  const itimerval off = {};
  MUST(setitimer(ITIMER_REAL, &off, nullptr));
  EXPECT_EQ(g_bad, 0);
}

TEST(CallSites, ThreadsMayRunThereMeanwhile) {
  const long group = getpgid(0), self = getpid();
  std::atomic<int> wrong{0};
  {
    const auto run = [&] {
      const long tid = st::GetTid();
      for (int i = 0; i < 5000; i++) {
        wrong += call_site_getpgid(0) != group || call_site_getpid() != self || syscall(SYS_gettid) != tid;
      }
    };
    st::Thread a(run), b(run), c(run), d(run);
  }
  EXPECT_EQ(wrong.load(), 0);
}

TEST(CallSites, CodeThatIsWrittenToIsWhatWasWritten) {
  const long page = 4096, group = getpgid(0);
  auto* code = reinterpret_cast<unsigned char*>(&call_site_getpgid);
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_getpgid(0), group);
  MUST(mprotect(code, page, PROT_READ | PROT_WRITE));
  code[1] = 102;  // the number in the mov: getuid
  EXPECT_EQ(code[0], 0xb8);
  EXPECT_EQ(code[5], 0x0f);
  EXPECT_EQ(code[6], 0x05);
  MUST(mprotect(code, page, PROT_READ | PROT_EXEC));
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_getpgid(0), static_cast<long>(getuid()));
  MUST(mprotect(code, page, PROT_READ | PROT_WRITE));
  code[1] = 121;
  MUST(mprotect(code, page, PROT_READ | PROT_EXEC));
  EXPECT_EQ(call_site_getpgid(0), group);
}

TEST(CallSites, GsIsTheGuests) {
  unsigned long data[2] = {0x1111, 0x2222};
  const long group = getpgid(0);
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_getpgid(0), group);
  unsigned long base = 1;
  MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
  EXPECT_EQ(base, 0u);
  MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, data));
  for (int i = 0; i < kOften; i++) {
    ASSERT_EQ(call_site_getpgid(0), group);
    unsigned long seen = 0;
    asm volatile("mov %%gs:8, %0" : "=r"(seen));
    ASSERT_EQ(seen, 0x2222u);
  }
  MUST(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
  EXPECT_EQ(base, reinterpret_cast<unsigned long>(data));
  MUST(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
}

TEST(CallSites, TheGsSelectorMayBeLoaded) {
  const long group = getpgid(0);
  for (int i = 0; i < kOften; i++) {
    ASSERT_EQ(call_site_getpgid(0), group);
    if (i % 10 == 0) asm volatile("mov %0, %%gs" : : "r"(0));
  }
}

TEST(CallSites, AllOfTheLowAddressesCanBeMapped) {
  const long group = getpgid(0);
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_getpgid(0), group);
  // Wherever a kernel might have put something of its own.
  constexpr uintptr_t kFrom = 0x50000000, kTo = 0x7ff00000, kStep = 0x100000;
  for (uintptr_t at = kFrom; at < kTo; at += kStep) {
    auto* p = static_cast<volatile uintptr_t*>(mmap(reinterpret_cast<void*>(at), kStep, PROT_READ | PROT_WRITE,
                                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    ASSERT_TRUE(p == reinterpret_cast<void*>(at));
    for (const uintptr_t part : {uintptr_t{0}, kStep / 2, kStep - 4096}) {
      p[part / sizeof *p] = at + part;
      ASSERT_EQ(p[part / sizeof *p], at + part);
    }
    MUST(munmap(reinterpret_cast<void*>(at), kStep));
  }
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_getpgid(0), group);
}

sigjmp_buf g_jump;

// Whether a store there is a fault.
bool Faults(uintptr_t at) {
  st::OnSignal(SIGSEGV, [](int) { siglongjmp(g_jump, 1); });
  if (sigsetjmp(g_jump, 1) != 0) return true;
  *reinterpret_cast<volatile long*>(at) = 1;
  return false;
}

TEST(CallSites, WhatWasUnmappedIsGone) {
  // The same places, one by one and as a whole, before and after calls have been made
  // often from one place.
  constexpr uintptr_t kFrom = 0x60000000, kTo = 0x60100000, kStep = 0x8000;
  for (const bool often : {false, true}) {
    for (int i = 0; often && i < kOften; i++) ASSERT_EQ(call_site_getpgid(0), getpgid(0));
    for (uintptr_t at = kFrom; at < kTo; at += kStep) {
      ASSERT_TRUE(Faults(at));
      MUST(mmap(reinterpret_cast<void*>(at), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0));
      ASSERT_TRUE(!Faults(at));
    }
    MUST(munmap(reinterpret_cast<void*>(kFrom), kTo - kFrom));
    for (uintptr_t at = kFrom; at < kTo; at += kStep) ASSERT_TRUE(Faults(at));
    MUST(mmap(reinterpret_cast<void*>(kFrom), kTo - kFrom, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    for (uintptr_t at = kFrom; at < kTo; at += kStep) ASSERT_TRUE(!Faults(at));
    MUST(mprotect(reinterpret_cast<void*>(kFrom), kTo - kFrom, PROT_READ));
    for (uintptr_t at = kFrom; at < kTo; at += kStep) ASSERT_TRUE(Faults(at));
    MUST(munmap(reinterpret_cast<void*>(kFrom), kTo - kFrom));
  }
  ASSERT_EQ(call_site_getpgid(0), getpgid(0));
}

TEST(CallSites, AnInterruptedCallIsRestarted) {
  for (int i = 0; i < kOften; i++) ASSERT_EQ(call_site_getpgid(0), getpgid(0));
  struct sigaction action = {};
  action.sa_handler = [](int) { g_ticks = g_ticks + 1; };
  MUST(sigaction(SIGUSR1, &action, nullptr));
  g_ticks = 0;
  const pid_t self = getpid();
  for (int i = 0; i < 20; i++) {
    const pid_t child = st::Spawn([&] {
      st::WaitBlocked(self);
      MUST(kill(self, SIGUSR1));
    });
    EXPECT_EQ(call_site_pause(), -EINTR);
    EXPECT_EXITED(st::WaitStatus(child), 0);
  }
  EXPECT_EQ(g_ticks, 20);
}

}  // namespace

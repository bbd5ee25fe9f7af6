// What a system call, a signal and a switch of threads leave as it was: registers, flags, floating point; vsyscall.
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

#include "test/syscalls/harness/test.h"

TOUCHES("getpid", "rt_sigreturn", "gettimeofday", "time", "getcpu")

namespace {

TEST(Registers, SurviveASyscall) {
  unsigned long rbx = 0x1111, r12 = 0x2222, r15 = 0x3333, rdi = 7, rsi = 8, rdx = 9, out_rdi, out_rsi, out_rdx;
  long rax = SYS_getpid;
  asm volatile("syscall"
               : "+a"(rax), "+b"(rbx), "=D"(out_rdi), "=S"(out_rsi), "=d"(out_rdx)
               : "D"(rdi), "S"(rsi), "d"(rdx)
               : "rcx", "r11", "memory");
  EXPECT_EQ(rax, getpid());
  EXPECT_TRUE(rbx == 0x1111 && r12 == 0x2222 && r15 == 0x3333);
  EXPECT_TRUE(out_rdi == 7 && out_rsi == 8 && out_rdx == 9);
}

TEST(Registers, RcxAndR11TellReturnAndFlags) {
  unsigned long rcx, r11, flags;
  long rax = SYS_getpid;
  asm volatile("pushfq\n pop %3\n syscall\n 1: lea 1b(%%rip), %%rdx\n sub %%rdx, %%rcx\n mov %%r11, %2"
               : "+a"(rax), "=c"(rcx), "=r"(r11), "=&r"(flags)
               :
               : "rdx", "r11", "memory");
  EXPECT_EQ(rcx, 0u);
  EXPECT_EQ(r11 & 0x8d5, flags & 0x8d5);
}

TEST(Registers, UnknownNumbersAreENOSYS) {
  EXPECT_ERR(syscall(5000), ENOSYS);
  EXPECT_ERR(syscall(-1), ENOSYS);
  EXPECT_ERR(syscall(0x7fffffff), ENOSYS);
  EXPECT_ERR(syscall(400), ENOSYS);
}

TEST(Registers, VectorsSurviveSyscallsAndSwitches) {
  alignas(16) double in[2] = {1.25, -3.5}, out[2] = {};
  long rax = SYS_sched_yield;
  asm volatile("movapd %2, %%xmm9\n syscall\n movapd %%xmm9, %1"
               : "+a"(rax), "=m"(out)
               : "m"(in)
               : "rcx", "r11", "xmm9", "memory");
  EXPECT_TRUE(out[0] == 1.25 && out[1] == -3.5);
}

TEST(Registers, FloatingPointSurvivesASignal) {
  st::OnSignal(SIGUSR1, [](int) {
    volatile double x = 3.0;
    for (int i = 0; i < 10; i++) x = x * 1.5;
    asm volatile("pxor %%xmm8, %%xmm8\n pxor %%xmm1, %%xmm1" ::: "xmm8", "xmm1");
  });
  alignas(16) double in[2] = {7.5, 8.5}, out[2] = {};
  long rax = SYS_tkill;
  asm volatile("movapd %2, %%xmm8\n syscall\n movapd %%xmm8, %1"
               : "+a"(rax), "=m"(out)
               : "m"(in), "D"(st::GetTid()), "S"(SIGUSR1)
               : "rcx", "r11", "xmm8", "memory");
  EXPECT_TRUE(out[0] == 7.5 && out[1] == 8.5);
}

TEST(Registers, ControlWordsAreInherited) {
  uint32_t csr = 0x7f80;  // round towards zero, all masked
  asm volatile("ldmxcsr %0" ::"m"(csr));
  EXPECT_CHILD_OK([] {
    uint32_t got;
    asm volatile("stmxcsr %0" : "=m"(got));
    EXPECT_EQ(got & 0x6000, 0x6000u);
  });
  uint32_t got;
  asm volatile("stmxcsr %0" : "=m"(got));
  EXPECT_EQ(got & 0x6000, 0x6000u);
}

TEST(Registers, ThreadsKeepTheirOwn) {
  auto work = [] {
    for (int i = 0; i < 300; i++) {
      double x = i * 0.5 + st::GetTid(), y;
      long rax = SYS_sched_yield;
      asm volatile("movsd %2, %%xmm7\n syscall\n movsd %%xmm7, %1"
                   : "+a"(rax), "=m"(y)
                   : "m"(x)
                   : "rcx", "r11", "xmm7", "memory");
      ASSERT_TRUE(x == y);
    }
  };
  st::Thread a(work), b(work), c(work);
}

TEST(Registers, DirectionFlagIsClearInHandlers) {
  static unsigned long flags;
  st::OnSignal(SIGUSR1, [](int) { asm volatile("pushfq\n pop %0" : "=r"(flags)); });
  long rax = SYS_tkill;
  asm volatile("std\n syscall\n cld" : "+a"(rax) : "D"(st::GetTid()), "S"(SIGUSR1) : "rcx", "r11", "memory", "cc");
  EXPECT_EQ(flags & 0x400, 0u);
}

TEST(Registers, HandlerSeesTheContext) {
  static unsigned long seen;
  st::OnSignalInfo(SIGUSR1, [](int, siginfo_t*, void* c) {
    seen = static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RBX];
    static_cast<ucontext_t*>(c)->uc_mcontext.gregs[REG_RBX] = 0x777;
  });
  unsigned long rbx = 0xabcdef;
  long rax = SYS_tkill;
  asm volatile("syscall" : "+a"(rax), "+b"(rbx) : "D"(st::GetTid()), "S"(SIGUSR1) : "rcx", "r11", "memory");
  EXPECT_EQ(seen, 0xabcdefu);
  EXPECT_EQ(rbx, 0x777u);
  EXPECT_EQ(rax, 0);
}

TEST(Registers, RedZoneSurvivesASignal) {
  st::OnSignal(SIGUSR1, [](int) {});
  long rax = SYS_tkill, got;
  asm volatile("movq $0x1234, -64(%%rsp)\n syscall\n movq -64(%%rsp), %1"
               : "+a"(rax), "=r"(got)
               : "D"(st::GetTid()), "S"(SIGUSR1)
               : "rcx", "r11", "memory");
  EXPECT_EQ(got, 0x1234);
}

sigjmp_buf g_jump;

TEST(Vsyscall, TimeAndDayAtFixedAddresses) {
  // Old static programs call these addresses. A kernel may be told to have no such page.
  st::OnSignal(SIGSEGV, [](int) { siglongjmp(g_jump, 1); });
  if (sigsetjmp(g_jump, 1) != 0) SKIP("no vsyscall page");
  auto day = reinterpret_cast<long (*)(struct timeval*, void*)>(0xffffffffff600000);
  auto now = reinterpret_cast<time_t (*)(time_t*)>(0xffffffffff600400);
  auto cpu = reinterpret_cast<long (*)(unsigned*, unsigned*, void*)>(0xffffffffff600800);
  struct timeval tv = {};
  EXPECT_EQ(day(&tv, nullptr), 0);
  time_t t = 0;
  EXPECT_EQ(now(&t), t);
  EXPECT_LE(llabs(t - tv.tv_sec), 2);
  unsigned number = 9999;
  EXPECT_EQ(cpu(&number, nullptr, nullptr), 0);
  EXPECT_LT(number, 9999u);
}

TEST(Vdso, IsMapped) {
  auto* p = reinterpret_cast<const char*>(getauxval(AT_SYSINFO_EHDR));
  ASSERT_TRUE(p != nullptr);
  EXPECT_EQ(std::string(p, 4), "\177ELF");
}

}  // namespace

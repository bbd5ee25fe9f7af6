// Vector registers, MXCSR and x87 of many threads: each has its own pattern and finds it
// again, whatever the others and the kernel do.
#include <cpuid.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "test/hostile/cases.h"
#include "test/hostile/child.h"
#include "test/hostile/output.h"
#include "test/hostile/probe.h"

namespace hostile {
namespace {

constexpr int kCrowd = 20;

enum class Width { kXmm, kYmm, kZmm };

Width WidestHere() {
  unsigned a, b, c, d;
  __cpuid(1, a, b, c, d);
  if ((c & bit_OSXSAVE) == 0) return Width::kXmm;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  __cpuid_count(7, 0, a, b, c, d);
  if ((b & bit_AVX512F) != 0 && (low & 0xe6) == 0xe6) return Width::kZmm;
  return (low & 6) == 6 ? Width::kYmm : Width::kXmm;
}

struct alignas(64) Registers {
  uint8_t vectors[32][64];
  uint64_t masks[8];
  uint32_t mxcsr;
  uint16_t fcw;
  double x87[4];
};

// How the thread spends the time between loading its registers and storing them.
struct Pause {
  uint64_t spins;  // turns of a loop, first
  long number;     // then this call
  uint64_t rdi, rsi;
};

#define EACH16(OP) OP(0) OP(1) OP(2) OP(3) OP(4) OP(5) OP(6) OP(7) OP(8) OP(9) OP(10) OP(11) OP(12) OP(13) OP(14) OP(15)
#define EACH_HIGH(OP) \
  OP(16) OP(17) OP(18) OP(19) OP(20) OP(21) OP(22) OP(23) OP(24) OP(25) OP(26) OP(27) OP(28) OP(29) OP(30) OP(31)
#define CLOBBERS                                                                                                \
  "rcx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
      "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)"
#define WAIT                       \
  "mov %[spins], %%rcx\n"          \
  "1: test %%rcx, %%rcx\n jz 2f\n" \
  "dec %%rcx\n jmp 1b\n"           \
  "2: syscall\n"
static_assert(offsetof(Registers, masks) == 2048 && offsetof(Registers, mxcsr) == 2112 &&
              offsetof(Registers, x87) == 2120);
#define LOAD_SCALARS                          \
  "fldcw 2116(%[in])\n ldmxcsr 2112(%[in])\n" \
  "fldl 2120(%[in])\n fldl 2128(%[in])\n fldl 2136(%[in])\n fldl 2144(%[in])\n"
#define STORE_SCALARS                                                                   \
  "fstpl 2144(%[out])\n fstpl 2136(%[out])\n fstpl 2128(%[out])\n fstpl 2120(%[out])\n" \
  "stmxcsr 2112(%[out])\n fnstcw 2116(%[out])\n fninit\n ldmxcsr %[plain]\n"
#define OPERANDS \
  [in] "r"(&in), [out] "r"(&out), [spins] "r"(pause.spins), [plain] "m"(plain), "D"(pause.rdi), "S"(pause.rsi), "d"(0l)

#define LOAD_XMM(n) "movups 64*" #n "(%[in]), %%xmm" #n "\n"
#define STORE_XMM(n) "movups %%xmm" #n ", 64*" #n "(%[out])\n"
#define LOAD_YMM(n) "vmovups 64*" #n "(%[in]), %%ymm" #n "\n"
#define STORE_YMM(n) "vmovups %%ymm" #n ", 64*" #n "(%[out])\n"
#define LOAD_ZMM(n) "vmovups 64*" #n "(%[in]), %%zmm" #n "\n"
#define STORE_ZMM(n) "vmovups %%zmm" #n ", 64*" #n "(%[out])\n"
#define EACH_MASK(OP) OP(1) OP(2) OP(3) OP(4) OP(5) OP(6) OP(7)
#define LOAD_MASK(n) "kmovw 2048+8*" #n "(%[in]), %%k" #n "\n"
#define STORE_MASK(n) "kmovw %%k" #n ", 2048+8*" #n "(%[out])\n"

long HoldXmm(const Registers& in, Registers& out, const Pause& pause) {
  const uint32_t plain = 0x1f80;
  long ret = pause.number;
  asm volatile(EACH16(LOAD_XMM) LOAD_SCALARS WAIT STORE_SCALARS EACH16(STORE_XMM) : "+a"(ret) : OPERANDS : CLOBBERS);
  return ret;
}
long HoldYmm(const Registers& in, Registers& out, const Pause& pause) {
  const uint32_t plain = 0x1f80;
  long ret = pause.number;
  asm volatile(EACH16(LOAD_YMM) LOAD_SCALARS WAIT STORE_SCALARS EACH16(STORE_YMM) "vzeroupper\n"
               : "+a"(ret)
               : OPERANDS
               : CLOBBERS);
  return ret;
}
long HoldZmm(const Registers& in, Registers& out, const Pause& pause) {
  const uint32_t plain = 0x1f80;
  long ret = pause.number;
  asm volatile(EACH16(LOAD_ZMM) EACH_HIGH(LOAD_ZMM) EACH_MASK(LOAD_MASK)
                   LOAD_SCALARS WAIT STORE_SCALARS EACH_MASK(STORE_MASK) EACH_HIGH(STORE_ZMM)
                       EACH16(STORE_ZMM) "vzeroupper\n"
               : "+a"(ret)
               : OPERANDS
               : CLOBBERS);
  return ret;
}

long Hold(Width width, const Registers& in, Registers& out, const Pause& pause) {
  switch (width) {
    case Width::kXmm:
      return HoldXmm(in, out, pause);
    case Width::kYmm:
      return HoldYmm(in, out, pause);
    case Width::kZmm:
      return HoldZmm(in, out, pause);
  }
  return 0;
}

Registers Pattern(uint64_t seed, Width width) {
  Registers registers = {};
  const size_t bytes = width == Width::kXmm ? 16 : width == Width::kYmm ? 32 : 64;
  const int count = width == Width::kZmm ? 32 : 16;
  for (int i = 0; i < count; i++) {
    for (size_t j = 0; j < bytes; j++) registers.vectors[i][j] = static_cast<uint8_t>(seed * 37 + i * 11 + j * 3 + 1);
  }
  if (width == Width::kZmm) {
    for (int i = 1; i < 8; i++) registers.masks[i] = (seed * 977 + i * 31) & 0xffff;
  }
  registers.mxcsr = 0x1f80 | (seed & 3) << 13;
  registers.fcw = static_cast<uint16_t>(0x37f & ~0xc00) | static_cast<uint16_t>(seed >> 2 & 3) << 10;
  for (int i = 0; i < 4; i++) registers.x87[i] = static_cast<double>(seed * 8 + i);
  return registers;
}

void Round(Violations& violations, uint64_t seed, Width width, const Pause& pause) {
  const Registers in = Pattern(seed, width);
  Registers out = {};
  Hold(width, in, out, pause);
  violations.Check(memcmp(&in, &out, sizeof(in)) == 0);
}

// Spoils all that a handler can.
void Spoil(int) {
  Registers out;
  Hold(WidestHere(), Pattern(999, WidestHere()), out, {0, SYS_sched_yield, 0, 0});
  const uint32_t mxcsr = 0x7fbf & ~0x3fu;
  asm volatile("ldmxcsr %0\n fldpi\n fldpi\n" ::"m"(mxcsr));
}

void Vectors(const Options& options) {
  static const timespec kShort = {0, 1000};
  static const Pause kPauses[] = {
      {0, SYS_sched_yield, 0, 0},      {0, SYS_nanosleep, reinterpret_cast<uint64_t>(&kShort), 0},
      {20'000, SYS_sched_yield, 0, 0}, {0, 5000, 0, 0},
      {3'000'000, 5000, 0, 0},         {0, SYS_getppid, 0, 0},
  };
  const Width widest = WidestHere();
  struct sigaction action = {};
  action.sa_handler = Spoil;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
  for (const bool storm : {false, true}) {
    Violations violations(storm ? "vectors, with signals" : "vectors");
    const uint64_t end = NowNs() + (options.full ? 15 : 2) * uint64_t{1'000'000'000};
    std::vector<std::thread> threads;
    std::atomic<pid_t> tids[kCrowd];
    for (auto& tid : tids) tid = 0;
    for (int i = 0; i < kCrowd; i++) {
      threads.emplace_back([&, i] {
        tids[i] = static_cast<pid_t>(syscall(SYS_gettid));
        // Some use all there is, some less: what is not in use is initial for others only.
        const Width width = i % 4 == 0 ? Width::kXmm : i % 4 == 1 && widest != Width::kXmm ? Width::kYmm : widest;
        for (int round = 0; NowNs() < end; round++) Round(violations, i + 1, width, kPauses[(round + i) % 6]);
      });
    }
    while (storm && NowNs() < end) {
      for (const auto& tid : tids) {
        if (tid != 0) syscall(SYS_tgkill, getpid(), tid.load(), SIGUSR1);
      }
      usleep(500);
    }
    for (std::thread& thread : threads) thread.join();
  }
}

// Over fork and exit of children that spoil theirs, and in the children.
void Forks(const Options& options) {
  Violations violations("vectors over fork");
  const Width widest = WidestHere();
  const uint64_t end = NowNs() + (options.full ? 5 : 1) * uint64_t{1'000'000'000};
  for (uint64_t round = 0; NowNs() < end; round++) {
    const Registers in = Pattern(round, widest);
    Registers out = {};
    const long pid = Hold(widest, in, out, {0, SYS_fork, 0, 0});
    const bool same = memcmp(&in, &out, sizeof(in)) == 0;
    if (pid == 0) _exit(same ? 0 : 1);
    violations.Check(same && pid > 0);
    violations.Check(Await(static_cast<pid_t>(pid)) == "exit 0");
  }
}

constexpr Case kCases[] = {
    {"vectors", Vectors},
    {"vectors_fork", Forks},
};

}  // namespace

std::span<const Case> VectorCases() { return kCases; }

}  // namespace hostile

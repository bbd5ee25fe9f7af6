#include "platform/kvm/exceptions.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cstring>

#include "platform/processor.h"

namespace platform::kvm {
namespace {

using sentry::arch::FpState;

constexpr uint64_t kRip = 0x401234;
constexpr uint32_t kError = 0x55;

void Expect(const ExceptionEvent& event, int signo, int code, uint64_t addr) {
  EXPECT_EQ(event.signo, signo);
  EXPECT_EQ(event.code, code);
  EXPECT_EQ(event.addr.value, addr);
}

// As arch/x86/kernel/traps.c has them, but debug and floating point.
TEST(Exceptions, EachVector) {
  struct Row {
    int signo, code;
    bool at_rip;
  };
  constexpr Row kSegv = {SIGSEGV, SI_KERNEL, false}, kBus = {SIGBUS, SI_KERNEL, false};
  for (unsigned v = 0; v < 32; v++) {
    Row want = kSegv;
    if (v == 1 || v == 14 || v == 16 || v == 19) continue;
    if (v == 0) want = {SIGFPE, FPE_INTDIV, true};
    if (v == 3) want = {SIGTRAP, SI_KERNEL, false};
    if (v == 6) want = {SIGILL, ILL_ILLOPN, true};
    if (v == 11 || v == 12) want = kBus;
    if (v == 17) want = {SIGBUS, BUS_ADRALN, false};
    SCOPED_TRACE(v);
    const ExceptionEvent event = ExceptionOf(static_cast<uint8_t>(v), kError, 0, kRip, nullptr);
    Expect(event, want.signo, want.code, want.at_rip ? kRip : 0);
    ASSERT_TRUE(event.trap);
    EXPECT_EQ(event.trap->number, v);
    EXPECT_EQ(event.trap->error, kError);
  }
}

TEST(Exceptions, Debug) {
  const auto code = [](uint32_t dr6) {
    const ExceptionEvent event = ExceptionOf(kDebug, 0, dr6, kRip, nullptr);
    Expect(event, SIGTRAP, event.code, kRip);
    return event.code;
  };
  EXPECT_EQ(code(0x4000), TRAP_TRACE);
  EXPECT_EQ(code(0x4001), TRAP_TRACE);
  EXPECT_EQ(code(0xffff4ff0), TRAP_TRACE);
  for (uint32_t bit = 1; bit < 0x10; bit <<= 1) EXPECT_EQ(code(bit), TRAP_HWBKPT);
  EXPECT_EQ(code(0), TRAP_BRKPT);  // int1
  EXPECT_EQ(code(0xffff0ff0), TRAP_BRKPT);
}

// si_code for each of the six flags, IE DE ZE OE UE PE.
constexpr int kCodes[] = {FPE_FLTINV, FPE_FLTUND, FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES};

int FpuCode(uint16_t control, uint16_t status) {
  FpState fp;
  std::memcpy(fp.data(), &control, 2);
  std::memcpy(fp.data() + 2, &status, 2);
  const ExceptionEvent event = ExceptionOf(kFpError, 0, 0, kRip, &fp);
  Expect(event, SIGFPE, event.code, kRip);
  return event.code;
}

int SimdCode(uint32_t mxcsr) {
  FpState fp;
  std::memcpy(fp.data() + 24, &mxcsr, 4);
  const ExceptionEvent event = ExceptionOf(kSimdError, 0, 0, kRip, &fp);
  Expect(event, SIGFPE, event.code, kRip);
  return event.code;
}

TEST(Exceptions, FloatingPoint) {
  for (unsigned i = 0; i < 6; i++) {
    SCOPED_TRACE(i);
    const uint32_t flag = 1u << i, others = 0x3f & ~flag;
    EXPECT_EQ(FpuCode(0x340, static_cast<uint16_t>(flag)), kCodes[i]);
    EXPECT_EQ(SimdCode(flag), kCodes[i]);
    // What is masked does not count.
    EXPECT_EQ(FpuCode(static_cast<uint16_t>(0x340 | others), 0x3f), kCodes[i]);
    EXPECT_EQ(SimdCode(others << 7 | 0x3f), kCodes[i]);
    EXPECT_EQ(FpuCode(0x37f, static_cast<uint16_t>(flag)), 0);
    EXPECT_EQ(SimdCode(0x1f80 | flag), 0);
  }
  // Of several the first in Linux's order: invalid, divide, overflow, underflow, inexact.
  EXPECT_EQ(SimdCode(0x3f), FPE_FLTINV);
  EXPECT_EQ(SimdCode(0x3e), FPE_FLTDIV);
  EXPECT_EQ(SimdCode(0x3a), FPE_FLTOVF);
  EXPECT_EQ(SimdCode(0x32), FPE_FLTUND);
  // Rounding and flushing modes are no exceptions.
  EXPECT_EQ(SimdCode(0xe040 | 4), FPE_FLTDIV);
  Expect(ExceptionOf(kFpError, 0, 0, kRip, nullptr), SIGFPE, 0, kRip);
  Expect(ExceptionOf(kSimdError, 0, 0, kRip, nullptr), SIGFPE, 0, kRip);
}

TEST(Exceptions, AccessOfPageFaults) {
  const auto is = [](MemoryProtection p, bool read, bool write, bool execute) {
    return p.read == read && p.write == write && p.execute == execute;
  };
  for (const uint32_t present : {0u, 1u}) {
    EXPECT_TRUE(is(AccessOf(present | 4), true, false, false));
    EXPECT_TRUE(is(AccessOf(present | 4 | 2), false, true, false));
    EXPECT_TRUE(is(AccessOf(present | 4 | 16), false, false, true));
  }
}

}  // namespace
}  // namespace platform::kvm

#include "platform/ptrace/fault_access.h"

#include <gtest/gtest.h>

#include <string_view>

namespace platform::ptrace {
namespace {

constexpr uint64_t kStack = 0x7000, kSource = 0x5000, kTarget = 0x6000;

// What the instruction does at kTarget (rdi), with rsi at kSource.
Access Of(std::string_view code, uint64_t addr = kTarget) {
  sentry::arch::Registers regs = {};
  regs.rdi = kTarget, regs.rsi = kSource, regs.rsp = kStack;
  return Classify({reinterpret_cast<const uint8_t*>(code.data()), code.size()}, regs, addr);
}

TEST(Classify, Stores) {
  for (std::string_view code : {
           "\x88\x07",                  // mov %al, (%rdi)
           "\x48\x89\x47\x08",          // mov %rax, 8(%rdi)
           "\xc6\x07\x01",              // movb $1, (%rdi)
           "\x66\xc7\x07\x01",          // movw
           "\xf0\x48\x0f\xb1\x17",      // lock cmpxchg
           "\x0f\x11\x07",              // movups
           "\xc5\xfe\x7f\x07",          // vmovdqu
           "\x62\xf1\xfe\x48\x7f\x07",  // vmovdqu64 zmm
           "\x83\x07\x01",              // addl $1, (%rdi)
           "\xf3\x48\xab",              // rep stos
           "\x48\xa5",                  // movs
           "\xff\x07",                  // incl
       }) {
    EXPECT_EQ(Of(code), Access::kStore) << testing::PrintToString(code);
  }
}

TEST(Classify, LoadsAreNeverStores) {
  for (std::string_view code : {
           "\x8b\x07",          // mov (%rdi), %eax
           "\x0f\xb6\x07",      // movzx
           "\x48\x3b\x07",      // cmp (%rdi), %rax
           "\x39\x07",          // cmp %eax, (%rdi)
           "\x83\x3f\x01",      // cmpl $1, (%rdi)
           "\x0f\x10\x07",      // movups load
           "\xf3\x0f\x7e\x07",  // movq load
           "\xc5\xfa\x7e\x07",  // vmovq load
           "\xff\x17",          // call *(%rdi)
           "\xff\x37",          // push (%rdi)
           "\x89\xc7",          // mov between registers
           "\x0f\xae\x17",      // ldmxcsr
           "\x66\x66\x66\x66",  // cut off
           "",
       }) {
    EXPECT_NE(Of(code), Access::kStore) << testing::PrintToString(code);
  }
  EXPECT_EQ(Of("\x48\xa5", kSource), Access::kUnknown);
}

TEST(Classify, PushAndCallStoreBelowTheStackPointer) {
  for (std::string_view code : {"\x50", "\x41\x57", "\xe8\x01\x02\x03\x04", "\xff\xd0"}) {
    EXPECT_EQ(Of(code, kStack - 8), Access::kStore);
    EXPECT_NE(Of(code, kStack), Access::kStore);
  }
}

}  // namespace
}  // namespace platform::ptrace

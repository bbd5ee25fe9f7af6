#include "platform/kvm/exceptions.h"

#include <signal.h>

#include <cstring>

namespace platform::kvm {
namespace {

using sentry::arch::FpState;

constexpr uint32_t kTrapBits = 0xf, kSingleStep = 1 << 14;  // of DR6
// Of an XSAVE image: control and status words, MXCSR.
constexpr size_t kFcw = 0, kFsw = 2, kMxcsr = 24;

template <typename T>
T Load(const FpState& fp, size_t offset) {
  T value;
  std::memcpy(&value, fp.data() + offset, sizeof value);
  return value;
}

// si_code of what is raised and not masked, in Linux's order (fpu__exception_code).
int FpCode(uint32_t raised) {
  constexpr uint32_t kInvalid = 1, kDenormal = 2, kDivide = 4, kOver = 8, kUnder = 16, kInexact = 32;
  if ((raised & kInvalid) != 0) return FPE_FLTINV;
  if ((raised & kDivide) != 0) return FPE_FLTDIV;
  if ((raised & kOver) != 0) return FPE_FLTOVF;
  if ((raised & (kUnder | kDenormal)) != 0) return FPE_FLTUND;
  if ((raised & kInexact) != 0) return FPE_FLTRES;
  return 0;
}

int FpuCode(const FpState& fp) { return FpCode(Load<uint16_t>(fp, kFsw) & ~uint32_t{Load<uint16_t>(fp, kFcw)}); }

int SimdCode(const FpState& fp) {
  const auto mxcsr = Load<uint32_t>(fp, kMxcsr);
  return FpCode(mxcsr & ~(mxcsr >> 7) & 0x3f);
}

ExceptionEvent Signal(uint8_t vector, uint32_t trap_bits, uint64_t rip, const FpState* fp) {
  switch (vector) {
    case kDivideError:
      return {SIGFPE, FPE_INTDIV, UserAddr(rip)};
    case kDebug: {
      const bool traced = (trap_bits & kSingleStep) != 0;
      const bool watched = (trap_bits & kTrapBits) != 0;
      return {SIGTRAP, traced ? TRAP_TRACE : watched ? TRAP_HWBKPT : TRAP_BRKPT, UserAddr(rip)};
    }
    case kBreakpoint:
      return {SIGTRAP, SI_KERNEL, UserAddr(0)};
    case kInvalidOpcode:
      return {SIGILL, ILL_ILLOPN, UserAddr(rip)};
    case kNoSegment:
    case kStackFault:
      return {SIGBUS, SI_KERNEL, UserAddr(0)};
    case kAlignmentCheck:
      return {SIGBUS, BUS_ADRALN, UserAddr(0)};
    case kFpError:
      return {SIGFPE, fp == nullptr ? 0 : FpuCode(*fp), UserAddr(rip)};
    case kSimdError:
      return {SIGFPE, fp == nullptr ? 0 : SimdCode(*fp), UserAddr(rip)};
    default:
      return {SIGSEGV, SI_KERNEL, UserAddr(0)};
  }
}

}  // namespace

ExceptionEvent ExceptionOf(uint8_t vector, uint32_t error_code, uint32_t trap_bits, uint64_t rip, const FpState* fp) {
  ExceptionEvent event = Signal(vector, trap_bits, rip, fp);
  event.trap = {vector, error_code};
  return event;
}

}  // namespace platform::kvm

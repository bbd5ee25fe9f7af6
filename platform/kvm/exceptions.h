// What Linux would make of an exception of ring 3 (arch/x86/kernel/traps.c).
#ifndef PLATFORM_KVM_EXCEPTIONS_H_
#define PLATFORM_KVM_EXCEPTIONS_H_

#include <cstdint>

#include "platform/platform.h"

namespace platform::kvm {

inline constexpr uint8_t kDivideError = 0, kDebug = 1, kBreakpoint = 3, kOverflow = 4, kBounds = 5, kInvalidOpcode = 6,
                         kNoSegment = 11, kStackFault = 12, kGeneralProtection = 13, kPageFault = 14, kFpError = 16,
                         kAlignmentCheck = 17, kSimdError = 19;

// Of all vectors but page faults. `trap_bits`: DR6 (debug). `fp`: the FPU state (FPU and
// SIMD errors; otherwise it may be null).
ExceptionEvent ExceptionOf(uint8_t vector, uint32_t error_code, uint32_t trap_bits, uint64_t rip,
                           const sentry::arch::FpState* fp);

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_EXCEPTIONS_H_

// The places of ring0.S.
#ifndef PLATFORM_KVM_RING0_H_
#define PLATFORM_KVM_RING0_H_

#include <cstdint>

#include "platform/kvm/layout.h"

extern "C" const char ring0_text[], ring0_answer[], ring0_sysret[], ring0_call_exit[], ring0_compat[],
    ring0_resume_cr3[], ring0_resume[], ring0_vectors[], ring0_end[];

namespace platform::kvm {

// Where the guest has it.
inline uint64_t TextAddress(const char* place) {
  return Ring0Address(RING0_TEXT) + static_cast<uint64_t>(place - ring0_text);
}

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_RING0_H_

// What kind of access a fault was. ptrace tells a fault's address but not its
// error code.
#ifndef PLATFORM_PTRACE_FAULT_ACCESS_H_
#define PLATFORM_PTRACE_FAULT_ACCESS_H_

#include <cstdint>
#include <span>

#include "platform/ptrace/traced_thread.h"
#include "sentry/usermem/user_addr.h"

namespace platform::ptrace {

enum class Access { kLoad, kStore, kUnknown };

// What the instruction, executed with `regs`, does at `addr`. Never wrong where
// it says load or store, but it knows only the common instructions.
Access Classify(std::span<const uint8_t> instruction, const sentry::arch::Registers& regs, uint64_t addr);

// Execute if the fault is at rip, else what Classify says; an unknown access is
// reported as a read, and as a write if the same fault comes back (`repeats`).
// It then costs two faults.
sentry::MemoryProtection GuessAccess(TracedThread& thread, const sentry::arch::Registers& regs, uint64_t addr,
                                     int repeats);

}  // namespace platform::ptrace

#endif  // PLATFORM_PTRACE_FAULT_ACCESS_H_

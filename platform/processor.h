// What platforms know alike of the processor and of Linux' fixed addresses.
#ifndef PLATFORM_PROCESSOR_H_
#define PLATFORM_PROCESSOR_H_

#include <sys/syscall.h>

#include <cstdint>
#include <optional>

#include "sentry/usermem/user_addr.h"

namespace platform {

inline constexpr uint64_t kVsyscallPage = 0xffffffffff600000;

// Calls of the vsyscall page, by their fixed entries.
inline std::optional<uint64_t> VsyscallNumber(uint64_t rip) {
  switch (rip) {
    case kVsyscallPage:
      return SYS_gettimeofday;
    case kVsyscallPage + 0x400:
      return SYS_time;
    case kVsyscallPage + 0x800:
      return SYS_getcpu;
    default:
      return std::nullopt;
  }
}

// Of a page fault's error code (Intel SDM volume 3, 4.7).
inline sentry::MemoryProtection AccessOf(uint64_t error_code) {
  constexpr uint64_t kWrite = 2, kFetch = 16;
  if ((error_code & kFetch) != 0) return {.execute = true};
  if ((error_code & kWrite) != 0) return {.write = true};
  return {.read = true};
}

}  // namespace platform

#endif  // PLATFORM_PROCESSOR_H_

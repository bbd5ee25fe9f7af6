// ioctl(2) requests that hold for many kinds of files (man 2 ioctl_list).
// Those of terminals are in tty.h.
#ifndef SENTRY_ABI_IOCTL_H_
#define SENTRY_ABI_IOCTL_H_

#include <cstdint>

namespace sentry::abi {

// Answered by the system call layer for every file.
inline constexpr uint32_t kFioNClex = 0x5450, kFioClex = 0x5451, kFioNBio = 0x5421, kFioAsync = 0x5452;
// Bytes that a read would give at once.
inline constexpr uint32_t kFioNRead = 0x541B;
inline constexpr uint32_t kFioQSize = 0x5460;

// The parts of a request's number (asm-generic/ioctl.h).
constexpr uint32_t IoctlNumber(uint32_t dir, uint32_t type, uint32_t nr, uint32_t size) {
  return (dir << 30) | (size << 16) | (type << 8) | nr;
}
inline constexpr uint32_t kIocNone = 0, kIocWrite = 1, kIocRead = 2;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_IOCTL_H_

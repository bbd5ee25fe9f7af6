// What a process asks to be different (man 2 personality).
#ifndef SENTRY_ABI_PERSONALITY_H_
#define SENTRY_ABI_PERSONALITY_H_

#include <cstdint>

namespace sentry::abi {

inline constexpr uint32_t kPersonalityMask = 0xff;  // the execution domain
inline constexpr uint32_t kPerLinux = 0, kPerLinux32 = 8;

// Flags. The others mean nothing to 64-bit programs on Linux: ADDR_LIMIT_32BIT, ADDR_LIMIT_3GB, SHORT_INODE,
// WHOLE_SECONDS, FDPIC_FUNCPTRS. Of these ADDR_COMPAT_LAYOUT and MMAP_PAGE_ZERO are only kept: mappings are always
// placed from the top, and nobody may map below mmap_min_addr.
inline constexpr uint32_t kUname26 = 0x0020000, kAddrNoRandomize = 0x0040000, kMmapPageZero = 0x0100000;
inline constexpr uint32_t kAddrCompatLayout = 0x0200000, kReadImpliesExec = 0x0400000, kStickyTimeouts = 0x4000000;

// What a program that gains privileges does not take over.
inline constexpr uint32_t kPerClearOnSetId = kReadImpliesExec | kAddrNoRandomize | kAddrCompatLayout | kMmapPageZero;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_PERSONALITY_H_

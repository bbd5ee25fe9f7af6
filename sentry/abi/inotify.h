// inotify(7) of Linux.
#ifndef SENTRY_ABI_INOTIFY_H_
#define SENTRY_ABI_INOTIFY_H_

#include <cstdint>

namespace sentry::abi {

inline constexpr uint32_t kInAccess = 0x1, kInModify = 0x2, kInAttrib = 0x4, kInCloseWrite = 0x8;
inline constexpr uint32_t kInCloseNoWrite = 0x10, kInOpen = 0x20, kInMovedFrom = 0x40, kInMovedTo = 0x80;
inline constexpr uint32_t kInCreate = 0x100, kInDelete = 0x200, kInDeleteSelf = 0x400, kInMoveSelf = 0x800;
inline constexpr uint32_t kInAllEvents = 0xfff;

// In events only.
inline constexpr uint32_t kInUnmount = 0x2000, kInQOverflow = 0x4000, kInIgnored = 0x8000, kInIsDir = 0x40000000;

// In inotify_add_watch's mask only.
inline constexpr uint32_t kInOnlyDir = 0x01000000, kInDontFollow = 0x02000000, kInExclUnlink = 0x04000000;
inline constexpr uint32_t kInMaskCreate = 0x10000000, kInMaskAdd = 0x20000000, kInOneShot = 0x80000000;
// Linux's ALL_INOTIFY_BITS: one of them must be set.
inline constexpr uint32_t kInAllBits = kInAllEvents | kInUnmount | kInQOverflow | kInIgnored | kInIsDir | kInOnlyDir |
                                       kInDontFollow | kInExclUnlink | kInMaskCreate | kInMaskAdd | kInOneShot;

inline constexpr uint32_t kInCloExec = 02000000, kInNonBlock = 04000;

// The name follows, padded with zeros to a multiple of this struct's size.
struct InotifyEvent {
  int32_t wd;
  uint32_t mask;
  uint32_t cookie;
  uint32_t len;
};
static_assert(sizeof(InotifyEvent) == 16);

}  // namespace sentry::abi

#endif  // SENTRY_ABI_INOTIFY_H_

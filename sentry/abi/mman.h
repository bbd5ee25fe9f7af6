// Constants of man 2 mmap, mprotect, mremap, madvise, msync, mlock (x86-64).
#ifndef SENTRY_ABI_MMAN_H_
#define SENTRY_ABI_MMAN_H_

#include <cstdint>

#include "sentry/abi/signal.h"  // SEGV_*, BUS_*

namespace sentry::abi {

inline constexpr uint32_t kProtNone = 0x0;
inline constexpr uint32_t kProtRead = 0x1;
inline constexpr uint32_t kProtWrite = 0x2;
inline constexpr uint32_t kProtExec = 0x4;
inline constexpr uint32_t kProtSem = 0x8;
inline constexpr uint32_t kProtGrowsDown = 0x01000000;
inline constexpr uint32_t kProtGrowsUp = 0x02000000;

inline constexpr uint32_t kMapShared = 0x01;
inline constexpr uint32_t kMapPrivate = 0x02;
inline constexpr uint32_t kMapSharedValidate = 0x03;
inline constexpr uint32_t kMapTypeMask = 0x0f;
inline constexpr uint32_t kMapFixed = 0x10;
inline constexpr uint32_t kMapAnonymous = 0x20;
inline constexpr uint32_t kMap32Bit = 0x40;
inline constexpr uint32_t kMapGrowsDown = 0x0100;
inline constexpr uint32_t kMapDenyWrite = 0x0800;
inline constexpr uint32_t kMapExecutable = 0x1000;
inline constexpr uint32_t kMapLocked = 0x2000;
inline constexpr uint32_t kMapNoReserve = 0x4000;
inline constexpr uint32_t kMapPopulate = 0x8000;
inline constexpr uint32_t kMapNonBlock = 0x10000;
inline constexpr uint32_t kMapStack = 0x20000;
inline constexpr uint32_t kMapHugeTlb = 0x40000;
inline constexpr uint32_t kMapSync = 0x80000;
inline constexpr uint32_t kMapFixedNoReplace = 0x100000;
inline constexpr uint32_t kMapUninitialized = 0x4000000;

inline constexpr uint32_t kMremapMayMove = 1;
inline constexpr uint32_t kMremapFixed = 2;
inline constexpr uint32_t kMremapDontUnmap = 4;

inline constexpr int kMsAsync = 1;
inline constexpr int kMsInvalidate = 2;
inline constexpr int kMsSync = 4;

inline constexpr uint32_t kMclCurrent = 1;
inline constexpr uint32_t kMclFuture = 2;
inline constexpr uint32_t kMclOnFault = 4;
inline constexpr uint32_t kMlockOnFault = 1;

inline constexpr int kMadvNormal = 0;
inline constexpr int kMadvRandom = 1;
inline constexpr int kMadvSequential = 2;
inline constexpr int kMadvWillNeed = 3;
inline constexpr int kMadvDontNeed = 4;
inline constexpr int kMadvFree = 8;
inline constexpr int kMadvRemove = 9;
inline constexpr int kMadvDontFork = 10;
inline constexpr int kMadvDoFork = 11;
inline constexpr int kMadvMergeable = 12;
inline constexpr int kMadvUnmergeable = 13;
inline constexpr int kMadvHugePage = 14;
inline constexpr int kMadvNoHugePage = 15;
inline constexpr int kMadvDontDump = 16;
inline constexpr int kMadvDoDump = 17;
inline constexpr int kMadvWipeOnFork = 18;
inline constexpr int kMadvKeepOnFork = 19;
inline constexpr int kMadvCold = 20;
inline constexpr int kMadvPageOut = 21;
inline constexpr int kMadvPopulateRead = 22;
inline constexpr int kMadvPopulateWrite = 23;
inline constexpr int kMadvDontNeedLocked = 24;
inline constexpr int kMadvCollapse = 25;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_MMAN_H_

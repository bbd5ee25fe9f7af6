// fcntl(2) and flock(2) of x86-64 Linux.
#ifndef SENTRY_ABI_FCNTL_H_
#define SENTRY_ABI_FCNTL_H_

#include <cstdint>

namespace sentry::abi {

inline constexpr uint32_t kFDupFd = 0, kFGetFd = 1, kFSetFd = 2, kFGetFl = 3, kFSetFl = 4;
inline constexpr uint32_t kFGetLk = 5, kFSetLk = 6, kFSetLkW = 7, kFSetOwn = 8, kFGetOwn = 9;
inline constexpr uint32_t kFSetSig = 10, kFGetSig = 11, kFSetOwnEx = 15, kFGetOwnEx = 16;
inline constexpr uint32_t kFOfdGetLk = 36, kFOfdSetLk = 37, kFOfdSetLkW = 38;
inline constexpr uint32_t kFSetLease = 1024, kFGetLease = 1025, kFNotify = 1026, kFDupFdCloExec = 1030;
inline constexpr uint32_t kFSetPipeSz = 1031, kFGetPipeSz = 1032, kFAddSeals = 1033, kFGetSeals = 1034;
inline constexpr uint64_t kFdCloExec = 1;

inline constexpr int16_t kFRdLck = 0, kFWrLck = 1, kFUnLck = 2;

struct Flock {
  int16_t type;
  int16_t whence;
  int32_t pad0;
  int64_t start;
  int64_t len;
  int32_t pid;
  int32_t pad1;
};
static_assert(sizeof(Flock) == 32);

struct FOwnerEx {
  int32_t type;
  int32_t pid;
};
inline constexpr int32_t kFOwnerTid = 0, kFOwnerPid = 1, kFOwnerPgrp = 2;

// flock(2).
inline constexpr uint32_t kLockSh = 1, kLockEx = 2, kLockNb = 4, kLockUn = 8;

// fallocate(2).
inline constexpr int32_t kFallocKeepSize = 1, kFallocPunchHole = 2, kFallocCollapseRange = 8, kFallocZeroRange = 16;
inline constexpr int32_t kFallocInsertRange = 32, kFallocUnshareRange = 64;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_FCNTL_H_

// System V IPC of x86-64 Linux (man 7 sysvipc).
#ifndef SENTRY_ABI_SYSV_IPC_H_
#define SENTRY_ABI_SYSV_IPC_H_

#include <cstdint>

namespace sentry::abi {

inline constexpr int32_t kIpcPrivate = 0;
inline constexpr uint32_t kIpcCreat = 01000, kIpcExcl = 02000, kIpcNoWait = 04000;
inline constexpr int32_t kIpcRmid = 0, kIpcSet = 1, kIpcStat = 2, kIpcInfo = 3;
// Objects of a kind in a namespace, whatever the limits say (Linux's IPCMNI).
inline constexpr int32_t kIpcMni = 32768;

struct IpcPerm {  // ipc64_perm
  int32_t key;
  uint32_t uid, gid, cuid, cgid;
  uint32_t mode;
  uint16_t seq;
  uint16_t pad2;
  uint32_t pad3;
  uint64_t unused[2];
};
static_assert(sizeof(IpcPerm) == 48);

// --- Semaphores ---
inline constexpr int32_t kSemGetPid = 11, kSemGetVal = 12, kSemGetAll = 13, kSemGetNcnt = 14, kSemGetZcnt = 15;
inline constexpr int32_t kSemSetVal = 16, kSemSetAll = 17, kSemStat = 18, kSemInfo = 19, kSemStatAny = 20;
inline constexpr uint16_t kSemUndo = 0x1000;
inline constexpr int32_t kSemVmx = 32767, kSemAem = kSemVmx, kSemUsz = 20, kSemUme = 500;
inline constexpr int32_t kSemMns = 1024000000;  // SEMMNU and SEMMAP too

struct Sembuf {
  uint16_t num;
  int16_t op;
  int16_t flags;
};
static_assert(sizeof(Sembuf) == 6);

struct SemidDs {  // semid64_ds
  IpcPerm perm;
  int64_t otime;
  uint64_t unused1;
  int64_t ctime;
  uint64_t unused2;
  uint64_t nsems;
  uint64_t unused3[2];
};
static_assert(sizeof(SemidDs) == 104);

struct Seminfo {
  int32_t map, mni, mns, mnu, msl, opm, ume, usz, vmx, aem;
};
static_assert(sizeof(Seminfo) == 40);

// --- Messages ---
inline constexpr int32_t kMsgStat = 11, kMsgInfo = 12, kMsgStatAny = 13;
inline constexpr uint32_t kMsgNoError = 010000, kMsgExcept = 020000, kMsgCopy = 040000;
inline constexpr int32_t kMsgMni = 32000, kMsgMax = 8192, kMsgMnb = 16384;
inline constexpr int32_t kMsgPool = kMsgMni * (kMsgMnb / 1024), kMsgSsz = 16;
inline constexpr uint16_t kMsgSeg = 0xffff;

struct MsqidDs {  // msqid64_ds
  IpcPerm perm;
  int64_t stime, rtime, ctime;
  uint64_t cbytes, qnum, qbytes;
  int32_t lspid, lrpid;
  uint64_t unused[2];
};
static_assert(sizeof(MsqidDs) == 120);

struct Msginfo {
  int32_t pool, map, max, mnb, mni, ssz, tql;
  uint16_t seg;
  uint16_t pad;
};
static_assert(sizeof(Msginfo) == 32);

// --- Shared memory ---
inline constexpr int32_t kShmLock = 11, kShmUnlock = 12, kShmStat = 13, kShmInfo = 14, kShmStatAny = 15;
inline constexpr uint32_t kShmHugeTlb = 04000, kShmNoReserve = 010000;                                    // of shmget
inline constexpr uint32_t kShmRdOnly = 010000, kShmRnd = 020000, kShmRemap = 040000, kShmExec = 0100000;  // of shmat
inline constexpr uint32_t kShmDest = 01000, kShmLocked = 02000;  // of IpcPerm::mode
inline constexpr int32_t kShmMni = 4096;
inline constexpr uint64_t kShmMax = UINT64_MAX - (uint64_t{1} << 24), kShmAll = kShmMax, kShmMin = 1;

struct ShmidDs {  // shmid64_ds
  IpcPerm perm;
  uint64_t segsz;
  int64_t atime, dtime, ctime;
  int32_t cpid, lpid;
  uint64_t nattch;
  uint64_t unused[2];
};
static_assert(sizeof(ShmidDs) == 112);

struct Shminfo {  // shminfo64
  uint64_t max, min, mni, seg, all;
  uint64_t unused[4];
};
static_assert(sizeof(Shminfo) == 72);

struct ShmInfo {  // shm_info
  int32_t used_ids;
  uint32_t pad;
  uint64_t tot, rss, swp;  // pages
  uint64_t swap_attempts, swap_successes;
};
static_assert(sizeof(ShmInfo) == 48);

}  // namespace sentry::abi

#endif  // SENTRY_ABI_SYSV_IPC_H_

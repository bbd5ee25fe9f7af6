// seccomp(2) and the classic BPF that its filters are written in.
#ifndef SENTRY_ABI_SECCOMP_H_
#define SENTRY_ABI_SECCOMP_H_

#include <cstddef>
#include <cstdint>

namespace sentry::abi {

inline constexpr uint32_t kSeccompSetModeStrict = 0, kSeccompSetModeFilter = 1, kSeccompGetActionAvail = 2;
inline constexpr uint32_t kSeccompGetNotifSizes = 3;

// prctl(PR_GET_SECCOMP)'s answer.
inline constexpr int kSeccompModeDisabled = 0, kSeccompModeStrict = 1, kSeccompModeFilter = 2;

inline constexpr uint64_t kSeccompFilterTsync = 1 << 0, kSeccompFilterLog = 1 << 1, kSeccompFilterSpecAllow = 1 << 2;
inline constexpr uint64_t kSeccompFilterNewListener = 1 << 3, kSeccompFilterTsyncEsrch = 1 << 4;
inline constexpr uint64_t kSeccompFilterWaitKillable = 1 << 5;
inline constexpr uint64_t kSeccompFilterAllFlags = (1 << 6) - 1;

// A filter's answer: an action, and 16 bits of data. Read as a signed number, the
// lowest action wins.
inline constexpr uint32_t kSeccompRetKillProcess = 0x80000000, kSeccompRetKillThread = 0, kSeccompRetTrap = 0x00030000;
inline constexpr uint32_t kSeccompRetErrno = 0x00050000, kSeccompRetUserNotif = 0x7fc00000;
inline constexpr uint32_t kSeccompRetTrace = 0x7ff00000, kSeccompRetLog = 0x7ffc0000, kSeccompRetAllow = 0x7fff0000;
inline constexpr uint32_t kSeccompRetActionFull = 0xffff0000, kSeccompRetData = 0x0000ffff;

inline constexpr uint32_t kAuditArchX8664 = 0xc000003e;
inline constexpr int32_t kSysSeccomp = 1;  // si_code of SIGSYS

// What a filter looks at.
struct SeccompData {
  int32_t nr;
  uint32_t arch;
  uint64_t instruction_pointer;
  uint64_t args[6];
};
static_assert(sizeof(SeccompData) == 64 && offsetof(SeccompData, args) == 16);

struct SockFilter {
  uint16_t code;
  uint8_t jt;
  uint8_t jf;
  uint32_t k;
};
static_assert(sizeof(SockFilter) == 8);

struct SockFprog {
  uint16_t len;
  uint8_t pad[6];
  uint64_t filter;
};
static_assert(sizeof(SockFprog) == 16);

// --- User notification ---
struct SeccompNotifSizes {
  uint16_t notif;
  uint16_t resp;
  uint16_t data;
};
static_assert(sizeof(SeccompNotifSizes) == 6);

struct SeccompNotif {
  uint64_t id;
  uint32_t pid;
  uint32_t flags;
  SeccompData data;
};
static_assert(sizeof(SeccompNotif) == 80);

struct SeccompNotifResp {
  uint64_t id;
  int64_t val;
  int32_t error;
  uint32_t flags;
};
static_assert(sizeof(SeccompNotifResp) == 24);
inline constexpr uint32_t kSeccompNotifFlagContinue = 1;

struct SeccompNotifAddfd {
  uint64_t id;
  uint32_t flags;
  uint32_t srcfd;
  uint32_t newfd;
  uint32_t newfd_flags;
};
static_assert(sizeof(SeccompNotifAddfd) == 24);
inline constexpr uint32_t kSeccompAddfdSetfd = 1, kSeccompAddfdSend = 2;

inline constexpr uint32_t kSeccompIoctlRecv = 0xc0502100, kSeccompIoctlSend = 0xc0182101;
inline constexpr uint32_t kSeccompIoctlIdValid = 0x40082102, kSeccompIoctlIdValidWrongDir = 0x80082102;
inline constexpr uint32_t kSeccompIoctlAddfd = 0x40182103, kSeccompIoctlSetFlags = 0x40082104;
// An ioctl's number without the size of its argument (bits 16 to 29).
inline constexpr uint32_t kIoctlSizeMask = 0x3fff0000;
inline constexpr uint64_t kSeccompFdSyncWakeUp = 1;  // SECCOMP_IOCTL_NOTIF_SET_FLAGS

// --- Classic BPF (linux/filter.h): class, then size and mode, or operation and source ---
inline constexpr uint16_t kBpfLd = 0, kBpfLdx = 1, kBpfSt = 2, kBpfStx = 3, kBpfAlu = 4, kBpfJmp = 5, kBpfRet = 6;
inline constexpr uint16_t kBpfMisc = 7, kBpfClassMask = 7;
inline constexpr uint16_t kBpfW = 0, kBpfImm = 0, kBpfAbs = 0x20, kBpfMem = 0x60, kBpfLen = 0x80;
inline constexpr uint16_t kBpfAdd = 0, kBpfSub = 0x10, kBpfMul = 0x20, kBpfDiv = 0x30, kBpfOr = 0x40, kBpfAnd = 0x50;
inline constexpr uint16_t kBpfLsh = 0x60, kBpfRsh = 0x70, kBpfNeg = 0x80, kBpfXor = 0xa0;
inline constexpr uint16_t kBpfJa = 0, kBpfJeq = 0x10, kBpfJgt = 0x20, kBpfJge = 0x30, kBpfJset = 0x40;
inline constexpr uint16_t kBpfK = 0, kBpfX = 8, kBpfA = 0x10, kBpfTax = 0, kBpfTxa = 0x80;
inline constexpr size_t kBpfMaxInstructions = 4096, kBpfMemWords = 16;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_SECCOMP_H_

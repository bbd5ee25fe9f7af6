// Signals of x86-64 Linux (man 7 signal, man 2 sigaction).
#ifndef SENTRY_ABI_SIGNAL_H_
#define SENTRY_ABI_SIGNAL_H_

#include <compare>
#include <cstdint>
#include <type_traits>

namespace sentry::abi {

inline constexpr int kSigHup = 1, kSigInt = 2, kSigQuit = 3, kSigIll = 4, kSigTrap = 5, kSigAbrt = 6, kSigBus = 7;
inline constexpr int kSigFpe = 8, kSigKill = 9, kSigUsr1 = 10, kSigSegv = 11, kSigUsr2 = 12, kSigPipe = 13;
inline constexpr int kSigAlrm = 14, kSigTerm = 15, kSigStkFlt = 16, kSigChld = 17, kSigCont = 18, kSigStop = 19;
inline constexpr int kSigTstp = 20, kSigTtin = 21, kSigTtou = 22, kSigUrg = 23, kSigXcpu = 24, kSigXfsz = 25;
inline constexpr int kSigVtalrm = 26, kSigProf = 27, kSigWinch = 28, kSigIo = 29, kSigPwr = 30, kSigSys = 31;
inline constexpr int kSigRtMin = 32, kSigMax = 64;

// A set of signals: bit n-1 for signal n, as the 8-byte sigset_t.
struct SignalSet {
  uint64_t bits = 0;
  constexpr bool Has(int signo) const { return (bits >> (signo - 1)) & 1; }
  constexpr void Add(int signo) { bits |= uint64_t{1} << (signo - 1); }
  constexpr void Remove(int signo) { bits &= ~(uint64_t{1} << (signo - 1)); }
  friend constexpr SignalSet operator|(SignalSet a, SignalSet b) { return {a.bits | b.bits}; }
  friend constexpr SignalSet operator&(SignalSet a, SignalSet b) { return {a.bits & b.bits}; }
  friend constexpr SignalSet operator~(SignalSet a) { return {~a.bits}; }
  friend constexpr bool operator==(const SignalSet&, const SignalSet&) = default;
  constexpr bool empty() const { return bits == 0; }
};
static_assert(sizeof(SignalSet) == 8);
inline constexpr SignalSet kUnblockable{(uint64_t{1} << (kSigKill - 1)) | (uint64_t{1} << (kSigStop - 1))};

// struct sigaction as the kernel sees it.
struct SigAction {
  uint64_t handler = 0;  // SIG_DFL 0, SIG_IGN 1
  uint64_t flags = 0;
  uint64_t restorer = 0;
  SignalSet mask;
};
static_assert(sizeof(SigAction) == 32);
inline constexpr uint64_t kSigDfl = 0, kSigIgn = 1;
inline constexpr uint64_t kSaNoCldStop = 1, kSaNoCldWait = 2, kSaSigInfo = 4, kSaOnStack = 0x08000000;
inline constexpr uint64_t kSaRestart = 0x10000000, kSaNoDefer = 0x40000000, kSaResetHand = 0x80000000;
inline constexpr uint64_t kSaRestorer = 0x04000000;
inline constexpr uint64_t kMinSigStackSize = 2048;

inline constexpr int kSigBlock = 0, kSigUnblock = 1, kSigSetMask = 2;

struct SigAltStack {
  uint64_t sp = 0;
  int32_t flags = 2;  // SS_DISABLE
  int32_t pad = 0;
  uint64_t size = 0;
};
static_assert(sizeof(SigAltStack) == 24);
inline constexpr int32_t kSsOnStack = 1, kSsDisable = 2;
inline constexpr int32_t kSsAutoDisarm = INT32_MIN;

// siginfo_t; the union as the fields that some signal uses. Each member is as
// long as the union, so that no byte is hidden from a copy to the guest.
struct SigInfo {
  int32_t signo = 0;
  int32_t error = 0;
  int32_t code = 0;
  int32_t pad0 = 0;
  union Fields {
    uint8_t raw[112];
    // SI_USER, SI_TKILL, SI_QUEUE
    struct {
      int32_t pid;
      uint32_t uid;
      uint64_t value;
      uint8_t rest[96];
    } kill;
    // SI_TIMER
    struct {
      int32_t timer_id;
      int32_t overrun;
      uint64_t value;
      int32_t private_id;
      uint8_t rest[92];
    } timer;
    // SIGCHLD; times in clock ticks
    struct {
      int32_t pid;
      uint32_t uid;
      int32_t status;
      int32_t pad;
      int64_t utime;
      int64_t stime;
      uint8_t rest[80];
    } child;
    // SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP
    struct {
      uint64_t addr;
      int16_t addr_lsb;
      uint8_t rest[102];
    } fault;
    // SIGIO
    struct {
      int64_t band;
      int32_t fd;
      uint8_t rest[100];
    } poll;
    // SIGSYS
    struct {
      uint64_t call_addr;
      int32_t syscall;
      uint32_t arch;
      uint8_t rest[96];
    } sys;
  } u = {};
};
static_assert(sizeof(SigInfo) == 128);

static_assert(std::has_unique_object_representations_v<SigInfo>);

inline constexpr int kSiUser = 0, kSiKernel = 0x80, kSiQueue = -1, kSiTimer = -2, kSiMesgQ = -3, kSiTkill = -6;
inline constexpr int kSegvMapErr = 1, kSegvAccErr = 2, kBusAdrAln = 1, kBusAdrErr = 2;
inline constexpr int kCldExited = 1, kCldKilled = 2, kCldDumped = 3, kCldTrapped = 4, kCldStopped = 5;
inline constexpr int kCldContinued = 6;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_SIGNAL_H_

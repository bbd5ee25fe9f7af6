#include <cstring>

#include "sentry/syscalls/handlers.h"
#include "sentry/syscalls/seccomp.h"

namespace sentry {
namespace {

// man 2 prctl.
constexpr int32_t kSetPdeathsig = 1, kGetPdeathsig = 2, kGetDumpable = 3, kSetDumpable = 4, kGetKeepCaps = 7;
constexpr int32_t kSetKeepCaps = 8, kGetTiming = 13, kSetName = 15, kGetName = 16, kGetSeccomp = 21, kSetSeccomp = 22,
                  kCapBsetRead = 23;
constexpr int32_t kCapBsetDrop = 24, kGetTsc = 25, kGetSecurebits = 27, kSetSecurebits = 28, kSetTimerSlack = 29;
constexpr int32_t kGetTimerSlack = 30, kSetChildSubreaper = 36, kGetChildSubreaper = 37, kSetNoNewPrivs = 38;
constexpr int32_t kGetNoNewPrivs = 39, kGetTidAddress = 40, kCapAmbient = 47;
constexpr uint32_t kSecbitKeepCapsLocked = kSecbitKeepCaps << 1;
constexpr uint64_t kDefaultTimerSlack = 50'000;

SyscallResult ReadName(Task& task, UserAddr addr) {
  char name[16] = {};
  // Up to the NUL or 15 bytes, as strncpy_from_user.
  const Result<size_t> n = task.mm().CopyIn(addr, std::as_writable_bytes(std::span(name).first(15)));
  if (!n.ok()) return n.error();
  if (*n < 15 && std::memchr(name, 0, *n) == nullptr) return Errno::kEFAULT;
  task.SetName(name);
  return 0;
}

SyscallResult WriteName(Task& task, UserAddr addr) {
  char name[16] = {};
  const std::string current = task.name();
  current.copy(name, 15);
  return CopyOutFull(task.mm(), addr, std::as_bytes(std::span(name)));
}

template <typename Change>
SyscallResult ChangeCredentials(Task& task, Change change) {
  RefPtr<Credentials> fresh = MakeRef<Credentials>(task.creds());
  change(*fresh);
  task.SetCreds(std::move(fresh));
  return 0;
}

SyscallResult SetKeepCaps(Task& task, uint64_t value) {
  if (value > 1) return Errno::kEINVAL;
  if (task.creds().securebits & kSecbitKeepCapsLocked) return Errno::kEPERM;
  return ChangeCredentials(task, [&](Credentials& c) {
    c.securebits = value ? c.securebits | kSecbitKeepCaps : c.securebits & ~kSecbitKeepCaps;
  });
}

SyscallResult SetSecurebits(Task& task, uint64_t bits) {
  const uint32_t now = task.creds().securebits;
  const uint32_t locked = (now & kAllSecurebitLocks) >> 1;
  if ((bits & ~uint64_t{kAllSecbits}) != 0 || ((now ^ bits) & locked) != 0 || (now & kAllSecurebitLocks & ~bits) != 0 ||
      !task.creds().HasHere(Capability::kSetpcap)) {
    return Errno::kEPERM;
  }
  return ChangeCredentials(task, [&](Credentials& c) { c.securebits = static_cast<uint32_t>(bits); });
}

SyscallResult DropBounding(Task& task, uint64_t capability) {
  if (!task.creds().HasHere(Capability::kSetpcap)) return Errno::kEPERM;
  if (capability > kLastCapability) return Errno::kEINVAL;
  return ChangeCredentials(task, [&](Credentials& c) { c.bounding.bits &= ~(uint64_t{1} << capability); });
}

SyscallResult Ambient(Task& task, uint64_t operation, uint64_t capability, uint64_t arg4, uint64_t arg5) {
  constexpr uint64_t kIsSet = 1, kRaise = 2, kLower = 3, kClearAll = 4;
  if (operation == kClearAll) {
    if ((capability | arg4 | arg5) != 0) return Errno::kEINVAL;
    return ChangeCredentials(task, [](Credentials& c) { c.ambient = {}; });
  }
  if ((arg4 | arg5) != 0 || capability > kLastCapability) return Errno::kEINVAL;
  const uint64_t bit = uint64_t{1} << capability;
  const Credentials& now = task.creds();
  if (operation == kIsSet) return (now.ambient.bits & bit) != 0 ? 1 : 0;
  if (operation == kLower) return ChangeCredentials(task, [&](Credentials& c) { c.ambient.bits &= ~bit; });
  if (operation != kRaise) return Errno::kEINVAL;
  if ((now.permitted.bits & now.inheritable.bits & bit) == 0 || (now.securebits & kSecbitNoCapAmbientRaise) != 0) {
    return Errno::kEPERM;
  }
  return ChangeCredentials(task, [&](Credentials& c) { c.ambient.bits |= bit; });
}

SyscallResult SetNoNewPrivs(Task& task, uint64_t arg2, uint64_t rest) {
  if (arg2 != 1 || rest != 0) return Errno::kEINVAL;
  return ChangeCredentials(task, [](Credentials& c) { c.no_new_privs = true; });
}

SyscallResult SetTimerSlack(Task& task, uint64_t ns) {
  task.timer_slack_ns = static_cast<int64_t>(ns) <= 0 ? kDefaultTimerSlack : ns;
  return 0;
}

SyscallResult SetDumpable(Task& task, uint64_t value) {
  if (value > 1) return Errno::kEINVAL;
  task.mm().dumpable = static_cast<int>(value);
  return 0;
}

SyscallResult SetParentDeathSignal(Task& task, uint64_t signo) {
  if (signo > abi::kSigMax) return Errno::kEINVAL;
  task.parent_death_signal = static_cast<int32_t>(signo);
  return 0;
}

}  // namespace

SyscallResult SysPrctl(Task& task, int32_t option, uint64_t arg2, uint64_t arg3, uint64_t arg4, uint64_t arg5) {
  const UserAddr out(arg2);
  const uint64_t rest = arg3 | arg4 | arg5;
  switch (option) {
    case kSetPdeathsig:
      return SetParentDeathSignal(task, arg2);
    case kGetPdeathsig:
      return UserOut<int32_t>(out).Write(task.mm(), task.parent_death_signal);
    case kGetDumpable:
      return task.mm().dumpable.load();
    case kSetDumpable:
      return SetDumpable(task, arg2);
    case kGetKeepCaps:
      return (task.creds().securebits & kSecbitKeepCaps) != 0 ? 1 : 0;
    case kSetKeepCaps:
      return SetKeepCaps(task, arg2);
    case kGetTiming:
      return 0;  // PR_TIMING_STATISTICAL, the only one
    case kSetName:
      return ReadName(task, out);
    case kGetName:
      return WriteName(task, out);
    case kGetSeccomp:
      return static_cast<int>(task.seccomp_state().mode());
    case kSetSeccomp:
      return PrctlSetSeccomp(task, arg2, UserAddr(arg3));
    case kCapBsetRead:
      if (arg2 > kLastCapability) return Errno::kEINVAL;
      return static_cast<int>((task.creds().bounding.bits >> arg2) & 1);
    case kCapBsetDrop:
      return DropBounding(task, arg2);
    case kGetTsc:
      return UserOut<int32_t>(out).Write(task.mm(), 1);  // PR_TSC_ENABLE
    case kGetSecurebits:
      return task.creds().securebits;
    case kSetSecurebits:
      return SetSecurebits(task, arg2);
    case kSetTimerSlack:
      return SetTimerSlack(task, arg2);
    case kGetTimerSlack:
      return task.timer_slack_ns;
    case kSetChildSubreaper:
      task.group().child_subreaper = arg2 != 0;
      return 0;
    case kGetChildSubreaper:
      return UserOut<int32_t>(out).Write(task.mm(), task.group().child_subreaper ? 1 : 0);
    case kSetNoNewPrivs:
      return SetNoNewPrivs(task, arg2, rest);
    case kGetNoNewPrivs:
      if ((arg2 | rest) != 0) return Errno::kEINVAL;
      return task.creds().no_new_privs ? 1 : 0;
    case kGetTidAddress:
      return UserOut<uint64_t>(out).Write(task.mm(), task.clear_child_tid.value);
    case kCapAmbient:
      return Ambient(task, arg2, arg3, arg4, arg5);
    default:
      return Errno::kEINVAL;
  }
}

SyscallResult SysArchPrctl(Task& task, int32_t code, UserAddr addr) {
  constexpr int32_t kSetGs = 0x1001, kSetFs = 0x1002, kGetFs = 0x1003, kGetGs = 0x1004;
  const bool sets = code == kSetGs || code == kSetFs;
  if (sets && addr >= kMaxUserAddr) return Errno::kEPERM;
  switch (code) {
    case kSetFs:
      task.regs().fs_base = addr.value;
      return 0;
    case kSetGs:
      // The platform may use a GS that the guest does not.
      if (addr.value != 0) task.mm().StopRewriting();
      task.regs().gs_base = addr.value;
      return 0;
    case kGetFs:
      return UserOut<uint64_t>(addr).Write(task.mm(), task.regs().fs_base);
    case kGetGs:
      return UserOut<uint64_t>(addr).Write(task.mm(), task.regs().gs_base);
    default:
      return Errno::kEINVAL;
  }
}

}  // namespace sentry

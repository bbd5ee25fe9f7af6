// eventfd(2), timerfd_create(2), signalfd(2) ABI of x86-64 Linux.
#ifndef SENTRY_ABI_EVENTFD_H_
#define SENTRY_ABI_EVENTFD_H_

#include <cstddef>
#include <cstdint>

namespace sentry::abi {

inline constexpr uint32_t kEfdSemaphore = 1, kEfdNonBlock = 04000, kEfdCloExec = 02000000;

inline constexpr uint32_t kTfdTimerAbsTime = 1, kTfdTimerCancelOnSet = 2;
inline constexpr uint32_t kTfdNonBlock = 04000, kTfdCloExec = 02000000;

inline constexpr uint32_t kSfdNonBlock = 04000, kSfdCloExec = 02000000;

struct SignalfdSiginfo {
  uint32_t signo;
  int32_t error;
  int32_t code;
  uint32_t pid;
  uint32_t uid;
  int32_t fd;
  uint32_t tid;
  uint32_t band;
  uint32_t overrun;
  uint32_t trapno;
  int32_t status;
  int32_t sigval_int;
  uint64_t sigval_ptr;
  uint64_t utime;
  uint64_t stime;
  uint64_t addr;
  uint16_t addr_lsb;
  uint16_t pad2;
  int32_t syscall;
  uint64_t call_addr;
  uint32_t arch;
  uint8_t pad[28];
};
static_assert(sizeof(SignalfdSiginfo) == 128);
static_assert(offsetof(SignalfdSiginfo, sigval_ptr) == 48);
static_assert(offsetof(SignalfdSiginfo, addr) == 72);
static_assert(offsetof(SignalfdSiginfo, arch) == 96);

}  // namespace sentry::abi

#endif  // SENTRY_ABI_EVENTFD_H_

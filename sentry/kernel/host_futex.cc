#include "sentry/kernel/host_futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace sentry {

bool HostFutexWait(std::atomic<uint32_t>& word, uint32_t expected, Deadline deadline) {
  timespec ts;
  if (deadline) {
    const int64_t ns = *deadline < 0 ? 0 : *deadline;
    ts = {.tv_sec = ns / kNsPerSec, .tv_nsec = ns % kNsPerSec};
  }
  // WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC.
  const long rc = syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                          expected, deadline ? &ts : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
  return rc != 0 && errno == ETIMEDOUT;
}

void HostFutexWakeOne(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

}  // namespace sentry

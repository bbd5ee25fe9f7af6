// The host's futex, on words of the sentry's own memory.
#ifndef SENTRY_KERNEL_HOST_FUTEX_H_
#define SENTRY_KERNEL_HOST_FUTEX_H_

#include <atomic>
#include <cstdint>

#include "sentry/kernel/time/clock.h"

namespace sentry {

// Sleeps while `word` is `expected`; true: the deadline has passed. May return
// early.
bool HostFutexWait(std::atomic<uint32_t>& word, uint32_t expected, Deadline deadline);
void HostFutexWakeOne(std::atomic<uint32_t>& word);

}  // namespace sentry

#endif  // SENTRY_KERNEL_HOST_FUTEX_H_

// What is in the host's vDSO (man 7 vdso).
#ifndef SENTRY_LOADER_HOST_VDSO_H_
#define SENTRY_LOADER_HOST_VDSO_H_

#include <cstdint>

namespace sentry {

// Where the function lies from the start of the host's vDSO on; 0: it has none of that
// name, or there is no vDSO. Read from our own copy, which is like everyone's.
uint64_t HostVdsoOffset(const char* function);

}  // namespace sentry

#endif  // SENTRY_LOADER_HOST_VDSO_H_

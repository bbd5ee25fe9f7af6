// The one routine through which all guest memory is read and written.
//
// A load or store there can fail at any time: a guest truncates a file that it
// has mapped, or the host is out of memory for the memory file. The handler of
// SIGSEGV and SIGBUS knows these routines by their addresses and makes them
// return short; a fault at any other place aborts with one line (DESIGN 9).
#ifndef SENTRY_USERMEM_SAFE_COPY_H_
#define SENTRY_USERMEM_SAFE_COPY_H_

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sentry {

// Installs the handler, for the whole process, on the alternate stack where a
// thread has one. Once, before the host filter: it calls sigaction. `log_fd`
// gets the line of an abort.
void InstallSafeCopyHandler(int log_fd = 2);

// Return the number of bytes that could not be copied (zeroed), 0 for all. What
// lies before the bad byte has been written. Ranges must not overlap.
size_t SafeCopy(void* dst, const void* src, size_t n);
size_t SafeZero(void* dst, size_t n);

// Aligned words, sequentially consistent; nothing for a bad address.
std::optional<uint32_t> SafeLoadU32(const void* src);
// The value found; stored `desired` if that equals `expected`.
std::optional<uint32_t> SafeCompareExchangeU32(void* dst, uint32_t expected, uint32_t desired);

}  // namespace sentry

#endif  // SENTRY_USERMEM_SAFE_COPY_H_

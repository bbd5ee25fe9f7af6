// Descriptors in flight: those that messages hold, and that no process may have
// any more. A socket that lies in its own queue, or two in each other's, would
// live forever. Analogous to Linux's net/unix/garbage.c (before 6.10).
#ifndef SENTRY_NET_UNIX_GC_H_
#define SENTRY_NET_UNIX_GC_H_

#include <cstdint>

#include "sentry/net/unix/message.h"

namespace sentry {

// One for all namespaces. Its lock has rank kUnixSocketPair: taken before an
// endpoint's, held over no release of a file.
class UnixGc {
 public:
  // Counts `files` as in flight. ETOOMANYREFS: more than a user, or all users,
  // may have so.
  static Result<void> Attach(const Credentials& creds, const Files& files);
  static void Detach(uint32_t uid, const Files& files);
  // New references to files in flight, not seen by half by a running collection.
  static Files Copy(const Files& files);

  // Drops the messages of sockets that only such messages hold. Called when a
  // socket is gone, or a limit is met; free when no socket is in flight. No lock is held.
  static void Collect();

  static size_t files_in_flight();
};

inline constexpr int64_t kMaxInFlightPerUser = 16'384;
inline constexpr int64_t kMaxInFlight = 262'144;

}  // namespace sentry

#endif  // SENTRY_NET_UNIX_GC_H_

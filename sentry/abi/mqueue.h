// POSIX message queues of x86-64 Linux (man 7 mq_overview).
#ifndef SENTRY_ABI_MQUEUE_H_
#define SENTRY_ABI_MQUEUE_H_

#include <cstddef>
#include <cstdint>

namespace sentry::abi {

struct MqAttr {
  int64_t flags;
  int64_t maxmsg;
  int64_t msgsize;
  int64_t curmsgs;
  int64_t reserved[4];
};
static_assert(sizeof(MqAttr) == 64);

inline constexpr uint64_t kMqPrioMax = 32768;
// What CAP_SYS_RESOURCE may ask for, and what the sysctls may be set to.
inline constexpr int64_t kHardMsgMax = 65536, kHardMsgsizeMax = 16 << 20;
inline constexpr size_t kNotifyCookieLength = 32;
inline constexpr int64_t kMqueueMagic = 0x19800202;

}  // namespace sentry::abi

#endif  // SENTRY_ABI_MQUEUE_H_

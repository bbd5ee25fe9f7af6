#include "sentry/vfs/attributes.h"

#include <time.h>

#include "sentry/vfs/credentials.h"

namespace sentry {

Timespec RealtimeNow() {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return {now.tv_sec, now.tv_nsec};
}

namespace {
constexpr uint32_t kGroupExec = 0010;

bool DropsSetGid(const Credentials& creds, const Attributes& attributes) {
  if ((attributes.mode & abi::kSIsGid) == 0) return false;
  if ((attributes.mode & kGroupExec) != 0) return true;
  return !creds.InGroup(attributes.gid) && !creds.HasOver(attributes.uid, attributes.gid, Capability::kFsetid);
}
}  // namespace

uint32_t PermWithoutSetIds(const Credentials& creds, const Attributes& attributes) {
  uint32_t perm = attributes.perm();
  if (DropsSetGid(creds, attributes)) perm &= ~abi::kSIsGid;
  return perm & ~abi::kSIsUid;
}

std::optional<uint32_t> PermAfterWrite(const Credentials& creds, const Attributes& attributes) {
  if ((attributes.mode & (abi::kSIsUid | abi::kSIsGid)) == 0 || attributes.type() != abi::kSIfReg) return std::nullopt;
  if (creds.HasOver(attributes.uid, attributes.gid, Capability::kFsetid)) return std::nullopt;
  const uint32_t perm = PermWithoutSetIds(creds, attributes);
  if (perm == attributes.perm()) return std::nullopt;
  return perm;
}

bool RelatimeNeedsUpdate(const Attributes& attributes, const Timespec& now) {
  constexpr int64_t kDay = 24 * 60 * 60;
  return attributes.mtime >= attributes.atime || attributes.ctime >= attributes.atime ||
         now.sec - attributes.atime.sec >= kDay;
}

}  // namespace sentry

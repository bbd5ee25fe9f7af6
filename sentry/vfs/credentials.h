// Who a task is, for permission checks. Analogous to Linux's struct cred:
// immutable once published; a change makes a copy (man 7 credentials,
// capabilities).
#ifndef SENTRY_VFS_CREDENTIALS_H_
#define SENTRY_VFS_CREDENTIALS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/ref_ptr.h"
#include "sentry/vfs/user_namespace.h"

namespace sentry {

enum class Capability : uint8_t {
  kChown = 0,
  kDacOverride = 1,
  kDacReadSearch = 2,
  kFowner = 3,
  kFsetid = 4,
  kKill = 5,
  kSetgid = 6,
  kSetuid = 7,
  kSetpcap = 8,
  kLinuxImmutable = 9,
  kNetBindService = 10,
  kNetBroadcast = 11,
  kNetAdmin = 12,
  kNetRaw = 13,
  kIpcLock = 14,
  kIpcOwner = 15,
  kSysModule = 16,
  kSysRawio = 17,
  kSysChroot = 18,
  kSysPtrace = 19,
  kSysPacct = 20,
  kSysAdmin = 21,
  kSysBoot = 22,
  kSysNice = 23,
  kSysResource = 24,
  kSysTime = 25,
  kSysTtyConfig = 26,
  kMknod = 27,
  kLease = 28,
  kAuditWrite = 29,
  kAuditControl = 30,
  kSetfcap = 31,
  kMacOverride = 32,
  kMacAdmin = 33,
  kSyslog = 34,
  kWakeAlarm = 35,
  kBlockSuspend = 36,
  kAuditRead = 37,
  kPerfmon = 38,
  kBpf = 39,
  kCheckpointRestore = 40,
};
inline constexpr uint8_t kLastCapability = 40;

using base::RefPtr;

struct CapabilitySet {
  uint64_t bits = 0;
  constexpr bool Has(Capability c) const { return (bits >> static_cast<int>(c)) & 1; }
  constexpr bool Contains(CapabilitySet o) const { return (o.bits & ~bits) == 0; }
  constexpr CapabilitySet operator&(CapabilitySet o) const { return {bits & o.bits}; }
  constexpr CapabilitySet operator|(CapabilitySet o) const { return {bits | o.bits}; }
  static constexpr CapabilitySet All() { return {(uint64_t{1} << (kLastCapability + 1)) - 1}; }
  friend constexpr bool operator==(const CapabilitySet&, const CapabilitySet&) = default;
};

// man 7 capabilities, "The securebits flags"; each has its lock one bit higher.
inline constexpr uint32_t kSecbitNoRoot = 1 << 0, kSecbitNoSetuidFixup = 1 << 2, kSecbitKeepCaps = 1 << 4;
inline constexpr uint32_t kSecbitNoCapAmbientRaise = 1 << 6;
inline constexpr uint32_t kAllSecbits = 0xff, kAllSecurebitLocks = 0xaa;

struct Credentials : public base::RefCounted {
  Credentials() = default;
  Credentials(const Credentials& o) : base::RefCounted() { CopyFrom(o); }
  ~Credentials() override = default;

  uint32_t uid = 0, euid = 0, suid = 0, fsuid = 0;
  uint32_t gid = 0, egid = 0, sgid = 0, fsgid = 0;
  std::vector<uint32_t> groups;  // sorted
  // Ids are the kernel's; capabilities count in this namespace and those below it.
  RefPtr<UserNamespace> user_ns = UserNamespace::Initial();
  CapabilitySet permitted, effective, inheritable, bounding, ambient;
  uint32_t securebits = 0;
  bool no_new_privs = false;

  // Over what is the whole sandbox's (Linux's capable).
  bool Has(Capability c) const { return effective.Has(c) && user_ns->is_initial(); }
  // Over what belongs to `ns` (Linux's ns_capable).
  bool HasIn(const UserNamespace& ns, Capability c) const;
  // Over what the own namespace has, and files whose owner is known there (Linux's
  // capable_wrt_inode_uidgid).
  bool HasHere(Capability c) const { return effective.Has(c); }
  bool HasOver(uint32_t file_uid, uint32_t file_gid, Capability c) const;
  // Every capability, as who makes or enters user namespace `ns` gets (Linux's
  // set_cred_user_ns).
  void EnterUserNamespace(RefPtr<UserNamespace> ns);
  bool InGroup(uint32_t gid_asked) const {
    return gid_asked == fsgid || std::binary_search(groups.begin(), groups.end(), gid_asked);
  }

 private:
  void CopyFrom(const Credentials& o) {
    uid = o.uid, euid = o.euid, suid = o.suid, fsuid = o.fsuid;
    gid = o.gid, egid = o.egid, sgid = o.sgid, fsgid = o.fsgid;
    groups = o.groups;
    user_ns = o.user_ns;
    permitted = o.permitted, effective = o.effective, inheritable = o.inheritable;
    bounding = o.bounding, ambient = o.ambient;
    securebits = o.securebits;
    no_new_privs = o.no_new_privs;
  }
};

// Whether a process may be looked into: Linux's ptrace_may_access, for a caller that
// is not of it.
struct TraceTarget {
  const Credentials& creds;
  bool dumpable;                   // or has no memory
  const UserNamespace& memory_ns;  // in which its program was executed
};
enum class TraceIds : uint8_t { kReal, kFileSystem };  // PTRACE_MODE_REALCREDS, _FSCREDS
bool MayTrace(const Credentials& caller, TraceIds ids, const TraceTarget& target);

}  // namespace sentry

#endif  // SENTRY_VFS_CREDENTIALS_H_

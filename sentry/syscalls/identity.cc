#include <algorithm>

#include "sentry/kernel/kernel.h"
#include "sentry/syscalls/handlers.h"

namespace sentry {
namespace {

constexpr uint32_t kKeep = UINT32_MAX;  // -1: leave this one alone
constexpr int32_t kMaxGroups = 65536;

constexpr uint64_t Bit(Capability c) { return uint64_t{1} << static_cast<int>(c); }
// Linux's CAP_FS_SET: what goes by the file system's user id.
constexpr uint64_t kFilesystemCaps = Bit(Capability::kChown) | Bit(Capability::kMknod) | Bit(Capability::kDacOverride) |
                                     Bit(Capability::kDacReadSearch) | Bit(Capability::kFowner) |
                                     Bit(Capability::kFsetid) | Bit(Capability::kMacOverride) |
                                     Bit(Capability::kLinuxImmutable);

RefPtr<Credentials> Copy(Task& task) { return MakeRef<Credentials>(task.creds()); }
const UserNamespace& NsOf(Task& task) { return *task.creds().user_ns; }

// The kernel's id for one that may be "keep". EINVAL: no such id here.
Result<uint32_t> ToUid(Task& task, uint32_t uid) {
  if (uid == kKeep) return kKeep;
  const uint32_t kuid = NsOf(task).ToKernelUid(uid);
  if (kuid == kInvalidId) return Errno::kEINVAL;
  return kuid;
}
Result<uint32_t> ToGid(Task& task, uint32_t gid) {
  if (gid == kKeep) return kKeep;
  const uint32_t kgid = NsOf(task).ToKernelGid(gid);
  if (kgid == kInvalidId) return Errno::kEINVAL;
  return kgid;
}

// What a change of user ids does to capabilities (man 7 capabilities, "Effect of
// user ID changes on capabilities"): Linux's cap_emulate_setxuid.
void FixCapabilities(const Credentials& before, Credentials& after) {
  if (after.securebits & kSecbitNoSetuidFixup) return;
  const uint32_t root = before.user_ns->ToKernelUid(0);
  const bool had_root = before.uid == root || before.euid == root || before.suid == root;
  const bool has_root = after.uid == root || after.euid == root || after.suid == root;
  if (had_root && !has_root) {
    if ((after.securebits & kSecbitKeepCaps) == 0) after.permitted = after.effective = {};
    after.ambient = {};
  }
  if (before.euid == root && after.euid != root) after.effective = {};
  if (before.euid != root && after.euid == root) after.effective = after.permitted;
}

SyscallResult Commit(Task& task, RefPtr<Credentials> fresh) {
  task.CommitCreds(std::move(fresh));
  return 0;
}

SyscallResult CommitUser(Task& task, RefPtr<Credentials> fresh) {
  FixCapabilities(task.creds(), *fresh);
  return Commit(task, std::move(fresh));
}

bool IsOneOf(uint32_t id, uint32_t a, uint32_t b, uint32_t c) { return id == kKeep || id == a || id == b || id == c; }

// struct __user_cap_header_struct and its data, versions 1 and 3.
struct CapHeader {
  uint32_t version;
  int32_t pid;
};
struct CapData {
  uint32_t effective, permitted, inheritable;
};
constexpr uint32_t kCapV1 = 0x19980330, kCapV2 = 0x20071026, kCapV3 = 0x20080522;

// How many CapData the version has. An unknown one is answered with ours.
Result<size_t> CapWords(Task& task, UserAddr header, uint32_t version) {
  if (version == kCapV1) return size_t{1};
  if (version == kCapV2 || version == kCapV3) return size_t{2};
  TRY(UserOut<uint32_t>(header).Write(task.mm(), kCapV3));
  return Errno::kEINVAL;
}

}  // namespace

SyscallResult SysGetuid(Task& task) { return NsOf(task).ShownUid(task.creds().uid); }
SyscallResult SysGeteuid(Task& task) { return NsOf(task).ShownUid(task.creds().euid); }
SyscallResult SysGetgid(Task& task) { return NsOf(task).ShownGid(task.creds().gid); }
SyscallResult SysGetegid(Task& task) { return NsOf(task).ShownGid(task.creds().egid); }

SyscallResult SysGetresuid(Task& task, UserOut<uint32_t> ruid, UserOut<uint32_t> euid, UserOut<uint32_t> suid) {
  const UserNamespace& ns = NsOf(task);
  TRY(ruid.Write(task.mm(), ns.ShownUid(task.creds().uid)));
  TRY(euid.Write(task.mm(), ns.ShownUid(task.creds().euid)));
  return suid.Write(task.mm(), ns.ShownUid(task.creds().suid));
}

SyscallResult SysGetresgid(Task& task, UserOut<uint32_t> rgid, UserOut<uint32_t> egid, UserOut<uint32_t> sgid) {
  const UserNamespace& ns = NsOf(task);
  TRY(rgid.Write(task.mm(), ns.ShownGid(task.creds().gid)));
  TRY(egid.Write(task.mm(), ns.ShownGid(task.creds().egid)));
  return sgid.Write(task.mm(), ns.ShownGid(task.creds().sgid));
}

SyscallResult SysSetuid(Task& task, uint32_t uid) {
  if (uid == kKeep) return Errno::kEINVAL;
  uid = TRY(ToUid(task, uid));
  const Credentials& now = task.creds();
  RefPtr<Credentials> fresh = Copy(task);
  if (now.HasHere(Capability::kSetuid)) {
    fresh->uid = fresh->suid = uid;
  } else if (uid != now.uid && uid != now.suid) {
    return Errno::kEPERM;
  }
  fresh->euid = fresh->fsuid = uid;
  return CommitUser(task, std::move(fresh));
}

SyscallResult SysSetgid(Task& task, uint32_t gid) {
  if (gid == kKeep) return Errno::kEINVAL;
  gid = TRY(ToGid(task, gid));
  const Credentials& now = task.creds();
  RefPtr<Credentials> fresh = Copy(task);
  if (now.HasHere(Capability::kSetgid)) {
    fresh->gid = fresh->sgid = gid;
  } else if (gid != now.gid && gid != now.sgid) {
    return Errno::kEPERM;
  }
  fresh->egid = fresh->fsgid = gid;
  return Commit(task, std::move(fresh));
}

SyscallResult SysSetreuid(Task& task, uint32_t ruid, uint32_t euid) {
  ruid = TRY(ToUid(task, ruid)), euid = TRY(ToUid(task, euid));
  const Credentials& now = task.creds();
  const bool may = now.HasHere(Capability::kSetuid);
  if (!may && !IsOneOf(ruid, now.uid, now.euid, now.euid)) return Errno::kEPERM;
  if (!may && !IsOneOf(euid, now.uid, now.euid, now.suid)) return Errno::kEPERM;
  RefPtr<Credentials> fresh = Copy(task);
  if (ruid != kKeep) fresh->uid = ruid;
  if (euid != kKeep) fresh->euid = euid;
  if (ruid != kKeep || (euid != kKeep && euid != now.uid)) fresh->suid = fresh->euid;
  fresh->fsuid = fresh->euid;
  return CommitUser(task, std::move(fresh));
}

SyscallResult SysSetregid(Task& task, uint32_t rgid, uint32_t egid) {
  rgid = TRY(ToGid(task, rgid)), egid = TRY(ToGid(task, egid));
  const Credentials& now = task.creds();
  const bool may = now.HasHere(Capability::kSetgid);
  if (!may && !IsOneOf(rgid, now.gid, now.egid, now.egid)) return Errno::kEPERM;
  if (!may && !IsOneOf(egid, now.gid, now.egid, now.sgid)) return Errno::kEPERM;
  RefPtr<Credentials> fresh = Copy(task);
  if (rgid != kKeep) fresh->gid = rgid;
  if (egid != kKeep) fresh->egid = egid;
  if (rgid != kKeep || (egid != kKeep && egid != now.gid)) fresh->sgid = fresh->egid;
  fresh->fsgid = fresh->egid;
  return Commit(task, std::move(fresh));
}

SyscallResult SysSetresuid(Task& task, uint32_t ruid, uint32_t euid, uint32_t suid) {
  ruid = TRY(ToUid(task, ruid)), euid = TRY(ToUid(task, euid)), suid = TRY(ToUid(task, suid));
  const Credentials& now = task.creds();
  for (const uint32_t id : {ruid, euid, suid}) {
    if (!now.HasHere(Capability::kSetuid) && !IsOneOf(id, now.uid, now.euid, now.suid)) return Errno::kEPERM;
  }
  RefPtr<Credentials> fresh = Copy(task);
  if (ruid != kKeep) fresh->uid = ruid;
  if (euid != kKeep) fresh->euid = euid;
  if (suid != kKeep) fresh->suid = suid;
  fresh->fsuid = fresh->euid;
  return CommitUser(task, std::move(fresh));
}

SyscallResult SysSetresgid(Task& task, uint32_t rgid, uint32_t egid, uint32_t sgid) {
  rgid = TRY(ToGid(task, rgid)), egid = TRY(ToGid(task, egid)), sgid = TRY(ToGid(task, sgid));
  const Credentials& now = task.creds();
  for (const uint32_t id : {rgid, egid, sgid}) {
    if (!now.HasHere(Capability::kSetgid) && !IsOneOf(id, now.gid, now.egid, now.sgid)) return Errno::kEPERM;
  }
  RefPtr<Credentials> fresh = Copy(task);
  if (rgid != kKeep) fresh->gid = rgid;
  if (egid != kKeep) fresh->egid = egid;
  if (sgid != kKeep) fresh->sgid = sgid;
  fresh->fsgid = fresh->egid;
  return Commit(task, std::move(fresh));
}

// These two always answer with the old id; a refusal shows in nothing else.
SyscallResult SysSetfsuid(Task& task, uint32_t uid) {
  const Credentials& now = task.creds();
  const uint32_t old = now.fsuid, shown = NsOf(task).ShownUid(old);
  uid = NsOf(task).ToKernelUid(uid);
  const bool own = uid == now.uid || uid == now.euid || uid == now.suid;
  if (uid == kInvalidId || uid == old || (!own && !now.HasHere(Capability::kSetuid))) return shown;
  RefPtr<Credentials> fresh = Copy(task);
  fresh->fsuid = uid;
  if ((now.securebits & kSecbitNoSetuidFixup) == 0) {
    const uint32_t root = NsOf(task).ToKernelUid(0);
    if (old == root) fresh->effective.bits &= ~kFilesystemCaps;
    if (uid == root) fresh->effective.bits |= fresh->permitted.bits & kFilesystemCaps;
  }
  task.CommitCreds(std::move(fresh));
  return shown;
}

SyscallResult SysSetfsgid(Task& task, uint32_t gid) {
  const Credentials& now = task.creds();
  const uint32_t old = now.fsgid, shown = NsOf(task).ShownGid(old);
  gid = NsOf(task).ToKernelGid(gid);
  const bool own = gid == now.gid || gid == now.egid || gid == now.sgid;
  if (gid == kInvalidId || gid == old || (!own && !now.HasHere(Capability::kSetgid))) return shown;
  RefPtr<Credentials> fresh = Copy(task);
  fresh->fsgid = gid;
  task.CommitCreds(std::move(fresh));
  return shown;
}

SyscallResult SysGetgroups(Task& task, int32_t count, UserAddr list) {
  std::vector<uint32_t> groups = task.creds().groups;
  if (count < 0) return Errno::kEINVAL;
  if (count == 0) return groups.size();
  if (static_cast<size_t>(count) < groups.size()) return Errno::kEINVAL;
  for (uint32_t& gid : groups) gid = NsOf(task).ShownGid(gid);
  TRY(UserOut<uint32_t>(list).WriteArray(task.mm(), groups));
  return groups.size();
}

SyscallResult SysSetgroups(Task& task, int32_t count, UserAddr list) {
  // Where groups are refused, a capability can't undo it.
  if (!task.creds().HasHere(Capability::kSetgid) || !NsOf(task).MaySetgroups()) return Errno::kEPERM;
  if (count < 0 || count > kMaxGroups) return Errno::kEINVAL;
  std::vector<uint32_t> groups = TRY(UserIn<uint32_t>(list).ReadArray(task.mm(), count));
  for (uint32_t& gid : groups) {
    gid = NsOf(task).ToKernelGid(gid);
    if (gid == kInvalidId) return Errno::kEINVAL;
  }
  std::sort(groups.begin(), groups.end());
  RefPtr<Credentials> fresh = Copy(task);
  fresh->groups = std::move(groups);
  task.SetCreds(std::move(fresh));
  return 0;
}

SyscallResult SysCapget(Task& task, UserAddr header, UserAddr data) {
  const CapHeader asked = TRY(UserIn<CapHeader>(header).Read(task.mm()));
  const Result<size_t> words = CapWords(task, header, asked.version);
  // A probe of the version: null data and an unknown version.
  if (data.is_null() && (words.ok() || words.Is(Errno::kEINVAL))) return 0;
  if (!words.ok()) return words.error();
  if (asked.pid < 0) return Errno::kEINVAL;
  RefPtr<Task> target(&task);
  if (asked.pid != 0) target = task.FindTask(asked.pid);
  const RefPtr<Credentials> creds = target ? target->SharedCreds() : nullptr;
  if (!creds) return Errno::kESRCH;
  CapData out[2];
  for (int i = 0; i < 2; ++i) {
    out[i] = {.effective = static_cast<uint32_t>(creds->effective.bits >> (32 * i)),
              .permitted = static_cast<uint32_t>(creds->permitted.bits >> (32 * i)),
              .inheritable = static_cast<uint32_t>(creds->inheritable.bits >> (32 * i))};
  }
  return UserOut<CapData>(data).WriteArray(task.mm(), std::span(out).first(*words));
}

SyscallResult SysCapset(Task& task, UserAddr header, UserAddr data) {
  const CapHeader asked = TRY(UserIn<CapHeader>(header).Read(task.mm()));
  const size_t words = TRY(CapWords(task, header, asked.version));
  if (asked.pid != 0 && asked.pid != task.own_tid()) return Errno::kEPERM;
  const std::vector<CapData> in = TRY(UserIn<CapData>(data).ReadArray(task.mm(), words));
  CapabilitySet effective, permitted, inheritable;
  for (size_t i = 0; i < words; ++i) {
    effective.bits |= uint64_t{in[i].effective} << (32 * i);
    permitted.bits |= uint64_t{in[i].permitted} << (32 * i);
    inheritable.bits |= uint64_t{in[i].inheritable} << (32 * i);
  }
  for (CapabilitySet* set : {&effective, &permitted, &inheritable}) set->bits &= CapabilitySet::All().bits;
  const Credentials& now = task.creds();
  const bool may_set = now.HasHere(Capability::kSetpcap);
  const bool bad = (!may_set && (inheritable.bits & ~(now.inheritable.bits | now.permitted.bits)) != 0) ||
                   (inheritable.bits & ~(now.inheritable.bits | now.bounding.bits)) != 0 ||
                   (permitted.bits & ~now.permitted.bits) != 0 || (effective.bits & ~permitted.bits) != 0;
  if (bad) return Errno::kEPERM;
  RefPtr<Credentials> fresh = Copy(task);
  fresh->effective = effective, fresh->permitted = permitted, fresh->inheritable = inheritable;
  fresh->ambient.bits &= permitted.bits & inheritable.bits;
  task.SetCreds(std::move(fresh));
  return 0;
}

}  // namespace sentry

#include "sentry/vfs/credentials.h"

#include <utility>

namespace sentry {

// Linux's cap_capable: who made a namespace has all capabilities in it from outside.
bool Credentials::HasIn(const UserNamespace& ns, Capability c) const {
  const UserNamespace* at = &ns;
  while (at != user_ns.get()) {
    if (at->level() <= user_ns->level()) return false;
    if (at->parent() == user_ns && at->owner_uid() == euid) return true;
    at = at->parent().get();
  }
  return effective.Has(c);
}

bool Credentials::HasOver(uint32_t file_uid, uint32_t file_gid, Capability c) const {
  if (!effective.Has(c)) return false;
  return user_ns->FromKernelUid(file_uid) != kInvalidId && user_ns->FromKernelGid(file_gid) != kInvalidId;
}

void Credentials::EnterUserNamespace(RefPtr<UserNamespace> ns) {
  securebits = 0;
  inheritable = ambient = {};
  permitted = effective = bounding = CapabilitySet::All();
  user_ns = std::move(ns);
}

bool MayTrace(const Credentials& caller, TraceIds ids, const TraceTarget& target) {
  const bool fs = ids == TraceIds::kFileSystem;
  const uint32_t uid = fs ? caller.fsuid : caller.uid, gid = fs ? caller.fsgid : caller.gid;
  const Credentials& t = target.creds;
  const bool same = uid == t.euid && uid == t.suid && uid == t.uid && gid == t.egid && gid == t.sgid && gid == t.gid;
  const bool able = caller.HasIn(*t.user_ns, Capability::kSysPtrace);
  if (!same && !able) return false;
  if (!target.dumpable && !caller.HasIn(target.memory_ns, Capability::kSysPtrace)) return false;
  const CapabilitySet own = fs ? caller.effective : caller.permitted;
  return able || (caller.user_ns == t.user_ns && own.Contains(t.permitted));
}

}  // namespace sentry

#include "sentry/vfs/user_namespace.h"

#include <climits>

#include "sentry/vfs/credentials.h"

namespace sentry {

using base::Errno;
using base::MutexLock;
using base::Ok;
using base::RefPtr;
using base::Result;

namespace {

// What one user may have of each kind where nobody says otherwise. Each costs the
// sentry memory; Linux allows half of what threads there may be.
constexpr int32_t kInitialLimit = 4096;

const IdMap& EmptyMap() {
  static const IdMap* const empty = new IdMap;
  return *empty;
}

Capability SetIdCapability(UserNamespace::Which which) {
  return which == UserNamespace::Which::kUid ? Capability::kSetuid : Capability::kSetgid;
}

}  // namespace

const RefPtr<UserNamespace>& UserNamespace::Initial() {
  static const RefPtr<UserNamespace>* const initial = [] {
    auto* made = new RefPtr<UserNamespace>(base::MakeRef<UserNamespace>(nullptr, 0, NamespaceCharge()));
    for (auto& map : (*made)->maps_) map.store(new IdMap(IdMap::Identity()), std::memory_order_release);
    for (auto& limit : (*made)->limits_) limit.store(kInitialLimit, std::memory_order_relaxed);
    return made;
  }();
  return *initial;
}

UserNamespace::UserNamespace(RefPtr<UserNamespace> parent, uint32_t owner_uid, NamespaceCharge charge)
    : Namespace(NamespaceKind::kUser, parent ? First::kNo : First::kYes, parent, std::move(charge)),
      level_(parent ? parent->level_ + 1 : 0),
      owner_uid_(owner_uid) {
  // The limits further up hold for it as well.
  for (auto& limit : limits_) limit.store(INT32_MAX, std::memory_order_relaxed);
  if (parent) setgroups_allowed_.store(parent->setgroups_allowed(), std::memory_order_relaxed);
}

UserNamespace::~UserNamespace() {
  for (auto& map : maps_) delete map.load(std::memory_order_relaxed);
}

Result<RefPtr<UserNamespace>> UserNamespace::Create(const Credentials& creds) {
  const RefPtr<UserNamespace>& parent = creds.user_ns;
  if (parent->level_ > kMaxLevel) return Errno::kENOSPC;
  NamespaceCharge charge = TRY(parent->Charge(creds.euid, NamespaceKind::kUser));
  // Otherwise nobody could say who made it.
  if (parent->FromKernelUid(creds.euid) == kInvalidId || parent->FromKernelGid(creds.egid) == kInvalidId) {
    return Errno::kEPERM;
  }
  RefPtr<UserNamespace> fresh = base::MakeRef<UserNamespace>(parent, creds.euid, std::move(charge));
  fresh->parent_could_setfcap_ = creds.effective.Has(Capability::kSetfcap);
  return fresh;
}

bool UserNamespace::Contains(const UserNamespace& other) const {
  const UserNamespace* at = &other;
  while (at->level_ > level_) at = at->parent().get();
  return at == this;
}

// --- Ids ---------------------------------------------------------------------

const IdMap& UserNamespace::map(Which which) const {
  const IdMap* const map = maps_[static_cast<size_t>(which)].load(std::memory_order_acquire);
  return map != nullptr ? *map : EmptyMap();
}

uint32_t UserNamespace::ShownUid(uint32_t kuid) const {
  const uint32_t uid = FromKernelUid(kuid);
  return uid == kInvalidId ? kOverflowId : uid;
}

uint32_t UserNamespace::ShownGid(uint32_t kgid) const {
  const uint32_t gid = FromKernelGid(kgid);
  return gid == kInvalidId ? kOverflowId : gid;
}

// Linux's verify_root_map: who maps the parent's root could make files with
// capabilities that count there.
bool UserNamespace::RootMapPermitted(const IdMap& fresh, const Credentials& opener) const {
  bool maps_root = false;
  for (const IdMap::Extent& e : fresh.extents()) maps_root = maps_root || e.lower == 0;
  if (!maps_root) return true;
  if (opener.user_ns.get() == this) return parent_could_setfcap_;
  return opener.HasIn(*parent(), Capability::kSetfcap);
}

// Linux's new_idmap_permitted.
bool UserNamespace::MapPermitted(Which which, const IdMap& fresh, const Credentials& opener,
                                 const Credentials& writer) const {
  if (which == Which::kUid && !RootMapPermitted(fresh, opener)) return false;
  if (fresh.extents().size() == 1 && fresh.extents()[0].count == 1 && owner_uid_ == opener.euid) {
    const uint32_t lower = fresh.extents()[0].lower;
    if (which == Which::kUid && parent()->ToKernelUid(lower) == opener.euid) return true;
    // Groups may also be what keeps somebody out.
    if (which == Which::kGid && !setgroups_allowed() && parent()->ToKernelGid(lower) == opener.egid) return true;
  }
  if (which == Which::kProjid) return true;
  const Capability setid = SetIdCapability(which);
  return writer.HasIn(*parent(), setid) && opener.HasIn(*parent(), setid);
}

Result<void> UserNamespace::SetMap(Which which, std::string_view text, const Credentials& opener,
                                   const Credentials& writer) {
  if (is_initial()) return Errno::kEPERM;
  if (opener.user_ns.get() != this && opener.user_ns != parent()) return Errno::kEPERM;
  std::atomic<const IdMap*>& slot = maps_[static_cast<size_t>(which)];
  MutexLock lock(mu_);
  if (slot.load(std::memory_order_relaxed) != nullptr) return Errno::kEPERM;
  const bool admin = opener.HasIn(*this, Capability::kSysAdmin) && writer.HasIn(*this, Capability::kSysAdmin);
  if (which != Which::kProjid && !admin) return Errno::kEPERM;
  const IdMap fresh = TRY(IdMap::Parse(text));
  if (!MapPermitted(which, fresh, opener, writer)) return Errno::kEPERM;
  slot.store(new IdMap(TRY(fresh.Through(parent()->map(which)))), std::memory_order_release);
  return Ok();
}

Result<void> UserNamespace::SetSetgroups(bool allowed) {
  MutexLock lock(mu_);
  if (allowed) return setgroups_allowed() ? Ok() : Errno::kEPERM;
  if (!map(Which::kGid).empty()) return Errno::kEPERM;
  setgroups_allowed_.store(false, std::memory_order_release);
  return Ok();
}

// --- Limits ------------------------------------------------------------------

bool UserNamespace::ChargeHere(uint32_t uid, NamespaceKind kind) {
  MutexLock lock(mu_);
  const auto it = counts_.find({uid, kind});
  const int32_t now = it == counts_.end() ? 0 : it->second;
  if (now >= limit(kind)) return false;
  counts_[{uid, kind}] = now + 1;
  return true;
}

void UserNamespace::UnchargeHere(uint32_t uid, NamespaceKind kind) {
  MutexLock lock(mu_);
  const auto it = counts_.find({uid, kind});
  if (it != counts_.end() && --it->second == 0) counts_.erase(it);
}

// At each level further up it is the namespace's creator who pays.
Result<NamespaceCharge> UserNamespace::Charge(uint32_t uid, NamespaceKind kind) {
  uint32_t who = uid;
  for (UserNamespace* ns = this; ns != nullptr; who = ns->owner_uid_, ns = ns->parent().get()) {
    if (ns->ChargeHere(who, kind)) continue;
    who = uid;
    for (UserNamespace* paid = this; paid != ns; who = paid->owner_uid_, paid = paid->parent().get()) {
      paid->UnchargeHere(who, kind);
    }
    return Errno::kENOSPC;
  }
  return NamespaceCharge(RefPtr<UserNamespace>(this), uid, kind);
}

void UserNamespace::Uncharge(uint32_t uid, NamespaceKind kind) {
  for (UserNamespace* ns = this; ns != nullptr; uid = ns->owner_uid_, ns = ns->parent().get()) {
    ns->UnchargeHere(uid, kind);
  }
}

}  // namespace sentry

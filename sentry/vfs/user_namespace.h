// User namespaces (man 7 user_namespaces): maps of ids, and whose capabilities
// count for what. Analogous to Linux's struct user_namespace.
//
// Inside the kernel, in credentials and inodes, ids are the first namespace's
// (Linux's kuid_t, kgid_t). Calls translate what a guest gives and is given.
#ifndef SENTRY_VFS_USER_NAMESPACE_H_
#define SENTRY_VFS_USER_NAMESPACE_H_

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "base/mutex.h"
#include "base/result.h"
#include "sentry/vfs/id_map.h"
#include "sentry/vfs/namespace.h"

namespace sentry {

struct Credentials;

class UserNamespace final : public Namespace {
 public:
  static constexpr int kMaxLevel = 32;
  enum class Which : uint8_t { kUid, kGid, kProjid };

  // The one that sees all ids as they are; it is never gone.
  static const base::RefPtr<UserNamespace>& Initial();
  // For a task with `creds`: Linux's create_user_ns but for its chroot rule. ENOSPC,
  // EPERM (the creator's ids have no mapping).
  static base::Result<base::RefPtr<UserNamespace>> Create(const Credentials& creds);

  bool is_initial() const { return level_ == 0; }
  const base::RefPtr<UserNamespace>& parent() const { return owner(); }
  int level() const { return level_; }
  uint32_t owner_uid() const { return owner_uid_; }  // the kernel's; its creator
  // Whether `other` is this namespace or one below it.
  bool Contains(const UserNamespace& other) const;

  // --- Ids. kInvalidId: no mapping ---
  uint32_t ToKernelUid(uint32_t uid) const { return map(Which::kUid).Down(uid); }
  uint32_t ToKernelGid(uint32_t gid) const { return map(Which::kGid).Down(gid); }
  uint32_t FromKernelUid(uint32_t kuid) const { return map(Which::kUid).Up(kuid); }
  uint32_t FromKernelGid(uint32_t kgid) const { return map(Which::kGid).Up(kgid); }
  // The same, kOverflowId without a mapping.
  uint32_t ShownUid(uint32_t kuid) const;
  uint32_t ShownGid(uint32_t kgid) const;
  const IdMap& map(Which which) const;

  // --- /proc/PID/{uid_map,gid_map,projid_map,setgroups} ---
  // `opener`: of the file that is written to; `writer`: of the caller.
  base::Result<void> SetMap(Which which, std::string_view text, const Credentials& opener, const Credentials& writer);
  bool setgroups_allowed() const { return setgroups_allowed_.load(std::memory_order_acquire); }
  base::Result<void> SetSetgroups(bool allowed);
  // Linux's userns_may_setgroups.
  bool MaySetgroups() const { return !map(Which::kGid).empty() && setgroups_allowed(); }

  // --- Limits (user.max_*_namespaces) ---
  // ENOSPC at some level. `uid`: the kernel's.
  base::Result<NamespaceCharge> Charge(uint32_t uid, NamespaceKind kind);
  void Uncharge(uint32_t uid, NamespaceKind kind);
  int32_t limit(NamespaceKind kind) const { return limits_[static_cast<size_t>(kind)].load(std::memory_order_relaxed); }
  void SetLimit(NamespaceKind kind, int32_t limit) {
    limits_[static_cast<size_t>(kind)].store(limit, std::memory_order_relaxed);
  }

  UserNamespace(base::RefPtr<UserNamespace> parent, uint32_t owner_uid, NamespaceCharge charge);

 private:
  ~UserNamespace() override;
  bool MapPermitted(Which which, const IdMap& fresh, const Credentials& opener, const Credentials& writer) const;
  bool RootMapPermitted(const IdMap& fresh, const Credentials& opener) const;
  bool ChargeHere(uint32_t uid, NamespaceKind kind);
  void UnchargeHere(uint32_t uid, NamespaceKind kind);

  const int level_;
  const uint32_t owner_uid_;
  bool parent_could_setfcap_ = false;  // set before it is known to anybody
  std::array<std::atomic<int32_t>, kNamespaceKinds> limits_;

  // Rank kLeaf: who changes maps and counts. Maps are read without it: each is
  // written once and then stays.
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::array<std::atomic<const IdMap*>, 3> maps_{};
  std::atomic<bool> setgroups_allowed_{true};
  std::map<std::pair<uint32_t, NamespaceKind>, int32_t> counts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace sentry

#endif  // SENTRY_VFS_USER_NAMESPACE_H_

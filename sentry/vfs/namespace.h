// What all kinds of namespaces have (man 7 namespaces). Analogous to Linux's
// struct ns_common.
#ifndef SENTRY_VFS_NAMESPACE_H_
#define SENTRY_VFS_NAMESPACE_H_

#include <cstdint>

#include "base/ref_ptr.h"

namespace sentry {

class UserNamespace;

enum class NamespaceKind : uint8_t { kCgroup, kIpc, kMnt, kNet, kPid, kTime, kUser, kUts };
inline constexpr size_t kNamespaceKinds = 8;
uint64_t CloneFlagOf(NamespaceKind kind);  // CLONE_NEW*
const char* NameOf(NamespaceKind kind);    // "uts", as in /proc/PID/ns

// One of the namespaces that a user may have made, counted at each level of user
// namespaces; given back when it goes. Analogous to Linux's struct ucounts.
class NamespaceCharge {
 public:
  NamespaceCharge();
  NamespaceCharge(base::RefPtr<UserNamespace> ns, uint32_t uid, NamespaceKind kind);
  NamespaceCharge(NamespaceCharge&& o) noexcept;
  NamespaceCharge& operator=(NamespaceCharge&&) = delete;
  ~NamespaceCharge();

 private:
  base::RefPtr<UserNamespace> ns_;  // null: nothing is counted
  const uint32_t uid_ = 0;
  const NamespaceKind kind_ = NamespaceKind::kUser;
};

class Namespace : public base::RefCounted {
 public:
  NamespaceKind kind() const { return kind_; }
  // Its inode number in nsfs: no two namespaces ever have the same.
  uint64_t id() const { return id_; }
  // Whose capabilities count for it. Of a user namespace its parent; null for the
  // first one.
  const base::RefPtr<UserNamespace>& owner() const { return owner_; }

 protected:
  // The sandbox's first namespaces have Linux's fixed numbers.
  enum class First : uint8_t { kNo, kYes };
  Namespace(NamespaceKind kind, First first, base::RefPtr<UserNamespace> owner, NamespaceCharge charge = {});
  ~Namespace() override;

 private:
  const NamespaceKind kind_;
  const uint64_t id_;
  const base::RefPtr<UserNamespace> owner_;
  const NamespaceCharge charge_;
};

}  // namespace sentry

#endif  // SENTRY_VFS_NAMESPACE_H_

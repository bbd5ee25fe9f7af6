// What all kinds of namespaces have (man 7 namespaces). Analogous to Linux's
// struct ns_common.
#ifndef SENTRY_VFS_NAMESPACE_H_
#define SENTRY_VFS_NAMESPACE_H_

#include <cstdint>

#include "base/ref_ptr.h"

namespace sentry {

enum class NamespaceKind : uint8_t { kCgroup, kIpc, kMnt, kNet, kPid, kTime, kUser, kUts };

class Namespace : public base::RefCounted {
 public:
  // The sandbox's first namespaces have Linux's fixed numbers.
  enum class First : uint8_t { kNo, kYes };

  NamespaceKind kind() const { return kind_; }
  // Its inode number in nsfs: no two namespaces ever have the same.
  uint64_t id() const { return id_; }

 protected:
  Namespace(NamespaceKind kind, First first);
  ~Namespace() override = default;

 private:
  const NamespaceKind kind_;
  const uint64_t id_;
};

}  // namespace sentry

#endif  // SENTRY_VFS_NAMESPACE_H_

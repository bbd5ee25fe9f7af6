// Files that stand for a namespace: what /proc/PID/ns/* lead to. Analogous to
// Linux's fs/nsfs.c.
#ifndef SENTRY_VFS_NSFS_H_
#define SENTRY_VFS_NSFS_H_

#include "sentry/vfs/file_description.h"
#include "sentry/vfs/namespace.h"

namespace sentry {

class NsFile final : public FileDescription {
 public:
  NsFile(Path path, uint32_t flags, RefPtr<Namespace> ns);
  static RefPtr<NsFile> Create(RefPtr<Namespace> ns);
  const RefPtr<Namespace>& ns() const { return ns_; }
  static const void* Kind();
  const void* kind() const override { return Kind(); }

 private:
  ~NsFile() override;
  const RefPtr<Namespace> ns_;
};

// The file's place, "uts:[4026531838]"; opening it gives an NsFile.
Path NsPath(RefPtr<Namespace> ns);

}  // namespace sentry

#endif  // SENTRY_VFS_NSFS_H_

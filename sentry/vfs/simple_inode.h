// An inode whose attributes are just kept here: pipes, sockets, device nodes,
// entries of dev and devpts. Also the place of objects that have no name.
#ifndef SENTRY_VFS_SIMPLE_INODE_H_
#define SENTRY_VFS_SIMPLE_INODE_H_

#include <string>

#include "sentry/vfs/inode.h"

namespace sentry {

// A number no other inode of anonymous files has.
uint64_t NextAnonymousIno();

class SimpleInode : public Inode {
 public:
  // attributes.ino 0: taken from NextAnonymousIno. Times: now.
  SimpleInode(RefPtr<FileSystem> fs, Attributes attributes);
  uint32_t type() const override { return type_; }
  uint64_t ino() const { return ino_; }
  Result<Attributes> GetAttributes(const VfsContext& ctx) override;
  Result<void> SetAttr(const VfsContext& ctx, const SetAttributes& set) override;
  // Default: special files go through SpecialFiles; others ENXIO.
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;

 protected:
  mutable base::RankedMutex<base::LockRank::kInode> mu_;
  Attributes attributes_ ABSL_GUARDED_BY(mu_);

 private:
  const uint32_t type_;
  const uint64_t ino_;
};

// The kernel-internal file systems "pipefs", "sockfs", "anon_inodefs", "nsfs": one
// instance each, with a mount that no namespace shows.
enum class InternalFs : uint8_t { kPipe, kSocket, kAnonInode, kMemfd, kNs };
RefPtr<FileSystem> InternalFileSystem(InternalFs which);
// A place for an object without a name in the tree; shown by /proc/PID/fd as
// "<name>": "pipe:[12]", "socket:[7]", "anon_inode:[eventfd]", "/memfd:x (deleted)".
Path InternalPath(InternalFs which, RefPtr<Inode> inode, std::string name);
// The one inode that all anon_inode files share in Linux (mode 0600, type 0).
RefPtr<Inode> AnonInode();

}  // namespace sentry

#endif  // SENTRY_VFS_SIMPLE_INODE_H_

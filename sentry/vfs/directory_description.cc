#include "sentry/vfs/directory_description.h"

#include "sentry/vfs/dentry.h"
#include "sentry/vfs/inode.h"

namespace sentry {

Result<int64_t> DirectoryDescription::Seek(const VfsContext& ctx, int64_t offset, int whence) {
  if (whence != abi::kSeekSet && whence != abi::kSeekCur) return Errno::kEINVAL;
  return FileDescription::Seek(ctx, offset, whence);
}

Result<void> DirectoryDescription::IterateDir(const VfsContext& ctx, DirSink& sink) {
  TRY(Prepare(ctx));
  base::MutexLock lock(position_mu_);
  if (position() == 0) {
    if (!sink.Add(".", TRY(inode()->GetAttributes(ctx)).ino, abi::kSIfDir, 1)) return Ok();
    set_position(1);
  }
  if (position() == 1) {
    // A parent that was removed meanwhile has no inode.
    RefPtr<Inode> parent = dentry().parent()->inode();
    if (!parent) parent = inode();
    if (!sink.Add("..", TRY(parent->GetAttributes(ctx)).ino, abi::kSIfDir, kFirstEntry)) return Ok();
    set_position(kFirstEntry);
  }
  return IterateEntries(ctx, sink);
}

}  // namespace sentry

#include "sentry/vfs/directory_description.h"

#include <utility>

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
    if (!sink.Add(".", ino(), abi::kSIfDir, 1)) return Ok();
    set_position(1);
  }
  if (position() == 1) {
    // A parent that was removed meanwhile has no inode.
    const RefPtr<Inode> parent = dentry().parent()->inode();
    const uint64_t parent_ino = parent ? TRY(parent->GetAttributes(ctx)).ino : ino();
    if (!sink.Add("..", parent_ino, abi::kSIfDir, kFirstEntry)) return Ok();
    set_position(kFirstEntry);
  }
  return IterateEntries(ctx, sink);
}

Result<void> ListedDirectory::Prepare(const VfsContext& ctx) {
  {
    base::MutexLock lock(position_mu_);
    if (!NeedsList()) return Ok();
  }
  std::vector<DirectoryEntry> fresh = TRY(List(ctx));
  base::MutexLock lock(position_mu_);
  if (NeedsList()) list_ = std::move(fresh);  // else another thread reads by its own already
  return Ok();
}

Result<void> ListedDirectory::IterateEntries(const VfsContext&, DirSink& sink) {
  while (position() - kFirstEntry < static_cast<int64_t>(list_->size())) {
    const DirectoryEntry& entry = (*list_)[static_cast<size_t>(position() - kFirstEntry)];
    if (!sink.Add(entry.name, entry.ino, entry.type, position() + 1)) return Ok();
    set_position(position() + 1);
  }
  return Ok();
}

}  // namespace sentry

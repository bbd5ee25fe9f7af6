#include "sentry/vfs/notify.h"

namespace sentry::notify {
namespace {

uint32_t WithKind(uint32_t event, const Inode& inode) { return inode.is_dir() ? event | abi::kInIsDir : event; }

void Tell(const Inode* inode, const InodeEvent& event) {
  if (inode == nullptr) return;
  if (InodeWatches* const watches = inode->watches()) watches->Tell(event);
}

void TellSelf(const Inode& inode, uint32_t event) { Tell(&inode, {.mask = WithKind(event, inode)}); }

// The directory hears first, with the name.
void TellBoth(const Dentry& dentry, InodeEvent event) {
  const Inode* const inode = dentry.inode_ptr();
  if (inode == nullptr) return;
  event.mask = WithKind(event.mask, *inode);
  if (!dentry.is_root()) {
    const RefPtr<Dentry> parent = dentry.parent();
    const Inode* const dir = parent ? parent->inode_ptr() : nullptr;
    if (dir != nullptr && dir->watches() != nullptr) {
      const std::string name = dentry.name();
      InodeEvent named = event;
      named.name = name;
      Tell(dir, named);
    }
  }
  Tell(inode, event);
}

}  // namespace

void FileEvent(const FileDescription& file, uint32_t event) {
  if (file.is_path()) return;
  const Dentry& dentry = file.dentry();
  TellBoth(dentry, {.mask = event, .of_unlinked = dentry.unhashed()});
}

void DentryEvent(Dentry& dentry, uint32_t event) { TellBoth(dentry, {.mask = event}); }

void NameCreated(Dentry& dir, std::string_view name, const Inode& inode) {
  Tell(dir.inode_ptr(), {.mask = WithKind(abi::kInCreate, inode), .name = name});
}

void Linked(Dentry& dir, std::string_view name, Inode& inode) {
  if (!Active()) return;
  TellSelf(inode, abi::kInAttrib);  // its count of links
  NameCreated(dir, name, inode);
}

bool IsWatchedLastLink(const VfsContext& ctx, Inode& inode) {
  if (!Active() || inode.watches() == nullptr) return false;
  if (inode.is_dir()) return true;
  const Result<Attributes> attributes = inode.GetAttributes(ctx);
  return !attributes.ok() || attributes->nlink <= 1;
}

void Removed(Dentry& dir, std::string_view name, Dentry& victim, bool last) {
  if (!Active()) return;
  Inode& inode = *victim.inode_ptr();
  if (!inode.is_dir()) TellSelf(inode, abi::kInAttrib);
  if (last) {
    inode.watches()->SetGone();
    // Nobody has it open: its end is now, and Linux tells of it before the directory
    // hears.
    if (victim.ref_count() == 1) inode.watches()->EndAll(abi::kInDeleteSelf);
  }
  Tell(dir.inode_ptr(), {.mask = WithKind(abi::kInDelete, inode), .name = name});
}

void Renamed(const Rename& r) {
  if (!Active()) return;
  static std::atomic<uint32_t> cookies{0};
  const uint32_t cookie = cookies.fetch_add(1, std::memory_order_relaxed) + 1;
  Tell(r.old_dir.inode_ptr(), {.mask = WithKind(abi::kInMovedFrom, r.inode), .name = r.old_name, .cookie = cookie});
  Tell(r.new_dir.inode_ptr(), {.mask = WithKind(abi::kInMovedTo, r.inode), .name = r.new_name, .cookie = cookie});
  if (r.replaced != nullptr) {
    TellSelf(*r.replaced, abi::kInAttrib);
    if (r.replaced_was_last) r.replaced->watches()->SetGone();
  }
  TellSelf(r.inode, abi::kInMoveSelf);
}

void DentryUnhashed(Dentry& dentry) {
  const Inode* const inode = dentry.inode_ptr();
  if (inode != nullptr && inode->watches() != nullptr) inode->watches()->Unanchor(dentry);
}

void DentryGone(const Dentry& dentry) {
  const Inode* const inode = dentry.inode_ptr();
  InodeWatches* const watches = inode != nullptr ? inode->watches() : nullptr;
  if (watches != nullptr && dentry.unhashed() && watches->gone()) watches->EndAll(abi::kInDeleteSelf);
}

void FileSystemUnmounted(const FileSystem& fs) { Inotify::FileSystemGone(fs); }

}  // namespace sentry::notify

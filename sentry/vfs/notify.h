// What the operations of vfs tell of: which events each is to the file, its directory
// and the names in it. Analogous to Linux's include/linux/fsnotify.h.
//
// Each costs one load of a shared word while nothing in the sandbox is watched.
#ifndef SENTRY_VFS_NOTIFY_H_
#define SENTRY_VFS_NOTIFY_H_

#include <string_view>

#include "sentry/vfs/inotify.h"

namespace sentry::notify {

inline bool Active() { return InodeWatches::AnyWhere(); }

// --- Through an open file: to its directory and to itself ---
void FileEvent(const FileDescription& file, uint32_t event);
inline void Accessed(const FileDescription& file) {
  if (Active()) [[unlikely]]
    FileEvent(file, abi::kInAccess);
}
inline void Modified(const FileDescription& file) {
  if (Active()) [[unlikely]]
    FileEvent(file, abi::kInModify);
}
inline void Opened(const FileDescription& file) {
  if (Active()) [[unlikely]]
    FileEvent(file, abi::kInOpen);
}
inline void Closed(const FileDescription& file) {
  if (Active()) [[unlikely]]
    FileEvent(file, file.writable() ? abi::kInCloseWrite : abi::kInCloseNoWrite);
}

// --- By name: attributes, length, times ---
void DentryEvent(Dentry& dentry, uint32_t event);
inline void Changed(Dentry& dentry, uint32_t event) {
  if (Active()) [[unlikely]]
    DentryEvent(dentry, event);
}

// --- Names; the directories' locks may be held ---
void NameCreated(Dentry& dir, std::string_view name, const Inode& inode);
inline void Created(Dentry& dir, std::string_view name, const Inode& inode) {
  if (Active()) [[unlikely]]
    NameCreated(dir, name, inode);
}
// A further name of a file.
void Linked(Dentry& dir, std::string_view name, Inode& inode);

// Asked before a name is taken away: whether somebody watches the file, and it has no
// other name.
bool IsWatchedLastLink(const VfsContext& ctx, Inode& inode);
// `victim` is unhashed; `last`: what the above said.
void Removed(Dentry& dir, std::string_view name, Dentry& victim, bool last);

struct Rename {
  Dentry& old_dir;
  std::string_view old_name;
  Dentry& new_dir;
  std::string_view new_name;
  Inode& inode;
  Inode* replaced;  // null: none
  bool replaced_was_last;
};
void Renamed(const Rename& rename);

// --- For Dentry and Mount ---
void DentryUnhashed(Dentry& dentry);
void DentryGone(const Dentry& dentry);
void FileSystemUnmounted(const FileSystem& fs);

}  // namespace sentry::notify

#endif  // SENTRY_VFS_NOTIFY_H_

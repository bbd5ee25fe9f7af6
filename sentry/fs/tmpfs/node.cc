#include <utility>

#include "sentry/fs/tmpfs/nodes.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_capabilities.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/special_files.h"

namespace sentry::tmpfs {
namespace {

constexpr size_t kMaxXattrBytes = 128 << 10;  // of one inode, names and values
constexpr uint32_t kMaxLinks = 1u << 30;

}  // namespace

Node::Node(RefPtr<TmpfsFileSystem> fs, const CreateArgs& args)
    : Inode(fs), type_(args.mode & abi::kSIfMt), ino_(fs->NextIno()) {
  Attributes& a = attributes_;
  a.ino = ino_;
  a.dev = fs->device();
  a.mode = args.mode;
  a.uid = args.uid;
  a.gid = args.gid;
  a.rdev = args.rdev;
  a.atime = a.mtime = a.ctime = RealtimeNow();
  a.btime = a.ctime;
}

Node::~Node() { tmpfs().PutInode(); }

Result<Attributes> Node::GetAttributes(const VfsContext&) {
  base::MutexLock lock(mu_);
  Attributes out = attributes_;
  FillSize(out);
  return out;
}

Result<void> Node::CheckPermission(const VfsContext& ctx, uint32_t mask) {
  const bool overrides = ctx.creds->Has(Capability::kDacOverride);
  if (overrides && (type_ == abi::kSIfDir || (mask & abi::kMayExec) == 0)) return Ok();
  return Inode::CheckPermission(ctx, mask);
}

Result<void> Node::SetAttr(const VfsContext&, const SetAttributes& set) {
  base::MutexLock lock(mu_);
  Attributes& a = attributes_;
  if (set.perm) a.mode = type_ | (*set.perm & abi::kPermMask);
  if (set.uid) a.uid = *set.uid;
  if (set.gid) a.gid = *set.gid;
  if (type_ != abi::kSIfDir && (set.uid || set.gid || set.size)) DropCapabilitiesLocked();
  if (set.atime) a.atime = *set.atime;
  if (set.mtime) a.mtime = *set.mtime;
  a.ctime = RealtimeNow();
  return Ok();
}

Result<RefPtr<FileDescription>> Node::Open(const VfsContext& ctx, const Path& path, uint32_t flags) {
  uint64_t rdev;
  {
    base::MutexLock lock(mu_);
    rdev = attributes_.rdev;
  }
  return SpecialFiles::Open(ctx, path, type_, rdev, flags);
}

Result<std::string> Node::GetXattr(const VfsContext&, std::string_view name) {
  base::MutexLock lock(mu_);
  if (!xattrs_) return Errno::kENODATA;
  auto it = xattrs_->find(name);
  if (it == xattrs_->end()) return Errno::kENODATA;
  return it->second;
}

Result<void> Node::SetXattr(const VfsContext&, std::string_view name, std::string_view value, int flags) {
  constexpr int kCreate = 1, kReplace = 2;
  base::MutexLock lock(mu_);
  if (!xattrs_) xattrs_ = std::make_unique<Xattrs>();
  auto it = xattrs_->find(name);
  if (it != xattrs_->end() && (flags & kCreate) != 0) return Errno::kEEXIST;
  if (it == xattrs_->end() && (flags & kReplace) != 0) return Errno::kENODATA;
  size_t total = name.size() + value.size();
  for (const auto& [other, text] : *xattrs_) {
    if (other != name) total += other.size() + text.size();
  }
  if (total > kMaxXattrBytes) return Errno::kENOSPC;
  (*xattrs_)[std::string(name)] = value;
  attributes_.ctime = RealtimeNow();
  return Ok();
}

Result<void> Node::RemoveXattr(const VfsContext&, std::string_view name) {
  base::MutexLock lock(mu_);
  if (!xattrs_) return Errno::kENODATA;
  auto it = xattrs_->find(name);
  if (it == xattrs_->end()) return Errno::kENODATA;
  xattrs_->erase(it);
  attributes_.ctime = RealtimeNow();
  return Ok();
}

// What a file's content or owner is no more, it can't have capabilities for.
void Node::DropCapabilitiesLocked() {
  if (!xattrs_) return;
  auto it = xattrs_->find(kCapabilityXattr);
  if (it != xattrs_->end()) xattrs_->erase(it);
}

Result<std::vector<std::string>> Node::ListXattr(const VfsContext&) {
  std::vector<std::string> names;
  base::MutexLock lock(mu_);
  if (!xattrs_) return names;
  for (const auto& [name, value] : *xattrs_) names.push_back(name);
  return names;
}

Result<void> Node::AddLink() {
  base::MutexLock lock(mu_);
  if (attributes_.nlink == 0 && !linkable_) return Errno::kENOENT;
  if (attributes_.nlink >= kMaxLinks) return Errno::kEMLINK;
  // As Linux has it: each name more costs an inode.
  if (attributes_.nlink > 0) TRY(tmpfs().TakeInode());
  linkable_ = false;
  ++attributes_.nlink;
  attributes_.ctime = RealtimeNow();
  return Ok();
}

void Node::DropLink() {
  base::MutexLock lock(mu_);
  if (attributes_.nlink > 1) tmpfs().PutInode();
  if (attributes_.nlink > 0) --attributes_.nlink;
  attributes_.ctime = RealtimeNow();
}

void Node::ChangedName() {
  base::MutexLock lock(mu_);
  attributes_.ctime = RealtimeNow();
}

void Node::MarkUnnamed() {
  base::MutexLock lock(mu_);
  attributes_.nlink = 0;
  linkable_ = true;
}

void Node::TouchAtime(const FileDescription& file) {
  const MountFlags mount = file.path().mount->flags();
  if ((file.flags() & abi::kONoAtime) != 0 || mount.no_atime() || (mount.no_dir_atime && is_dir())) return;
  const Timespec now = RealtimeNow();
  base::MutexLock lock(mu_);
  if (mount.atime == MountFlags::Atime::kStrict || RelatimeNeedsUpdate(attributes_, now)) attributes_.atime = now;
}

SymbolicLink::SymbolicLink(RefPtr<TmpfsFileSystem> fs, const CreateArgs& args, std::string_view target)
    : Node(std::move(fs), args), target_(target) {}

}  // namespace sentry::tmpfs

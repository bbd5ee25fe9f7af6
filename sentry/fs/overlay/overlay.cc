#include "sentry/fs/overlay/overlay.h"

#include "sentry/fs/overlay/nodes.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"

namespace sentry {

using overlay::Directory;
using overlay::Node;
using overlay::UpperState;

namespace {

constexpr uint64_t kUpperBit = uint64_t{1} << 62;
constexpr uint64_t kOtherBit = uint64_t{1} << 61;

RefPtr<Credentials> KernelCredentials() {
  auto creds = MakeRef<Credentials>();
  creds->effective = creds->permitted = CapabilitySet::All();
  return creds;
}

}  // namespace

OverlayFileSystem::OverlayFileSystem(RefPtr<TmpfsFileSystem> upper, std::vector<RefPtr<Inode>> lowers)
    : FileSystem("overlay"),
      upper_(std::move(upper)),
      lowers_(std::move(lowers)),
      upper_root_(upper_->NewRoot()),
      index_(upper_->NewRoot()) {
  upper_mount_ = MakeRef<Mount>(upper_, Dentry::NewRoot(upper_root_), MountFlags{});
  lower_mount_ = MakeRef<Mount>(RefPtr<FileSystem>(&lowers_[0]->fs()), Dentry::NewRoot(lowers_[0]),
                                MountFlags{.read_only = true, .atime = MountFlags::Atime::kNone});
  kernel_.creds = KernelCredentials();
}

OverlayFileSystem::~OverlayFileSystem() = default;

Result<RefPtr<OverlayFileSystem>> OverlayFileSystem::Create(RefPtr<TmpfsFileSystem> upper,
                                                            std::vector<RefPtr<Inode>> lowers) {
  if (lowers.empty()) return Errno::kEINVAL;
  for (const RefPtr<Inode>& lower : lowers) {
    if (!lower->is_dir()) return Errno::kENOTDIR;
  }
  auto fs = MakeRef<OverlayFileSystem>(std::move(upper), std::move(lowers));
  // The root is copied up from the start, so that every copy finds a parent.
  Inode& lower = *fs->lowers_[0];
  const Attributes from = TRY(lower.GetAttributes(fs->kernel_));
  fs->lower_dev_ = from.dev;
  TRY(fs->upper_root_->SetAttr(
      fs->kernel_,
      SetAttributes{.perm = from.perm(), .uid = from.uid, .gid = from.gid, .atime = from.atime, .mtime = from.mtime}));
  auto state = MakeRef<UpperState>();
  state->ino = fs->LowerIno(from.dev, from.ino);
  state->lowers = fs->lowers_;
  fs->upper_root_->AttachIfNone(state);
  return fs;
}

RefPtr<Inode> OverlayFileSystem::NewRoot() {
  Result<RefPtr<Node>> root = NodeOfUpper(upper_root_);
  CHECK(root.ok());  // a tmpfs knows its own attributes
  return *root;
}

Result<abi::Statfs> OverlayFileSystem::StatFs(const VfsContext& ctx) {
  abi::Statfs out = TRY(upper_->StatFs(ctx));
  out.type = 0x794c7630;
  return out;
}

// Numbers of the first lower's device stay as they are: it is what users know.
uint64_t OverlayFileSystem::LowerIno(uint64_t dev, uint64_t ino) const {
  if (dev == lower_dev_) return ino;
  return kOtherBit | ((dev * 0x9e3779b97f4a7c15u ^ ino * 0xff51afd7ed558ccdu) >> 4);
}

uint64_t OverlayFileSystem::UpperIno(uint64_t ino) { return kUpperBit | ino; }

Path OverlayFileSystem::UpperPath(RefPtr<Inode> inode) const {
  return Path(upper_mount_, Dentry::NewRoot(std::move(inode)));
}

Path OverlayFileSystem::LowerPath(RefPtr<Inode> inode) const {
  return Path(lower_mount_, Dentry::NewRoot(std::move(inode)));
}

namespace {

RefPtr<Node> MakeNode(OverlayFileSystem& fs, uint32_t type, Node::Origin origin) {
  RefPtr<OverlayFileSystem> self(&fs);
  if (type == abi::kSIfDir) return MakeRef<Directory>(std::move(self), type, std::move(origin));
  return MakeRef<Node>(std::move(self), type, std::move(origin));
}

}  // namespace

Result<RefPtr<Node>> OverlayFileSystem::NodeOfUpper(RefPtr<Inode> upper) {
  const uint32_t type = upper->type();
  const RefPtr<UpperState> state = UpperState::Of(*upper);
  Node::Origin origin;
  origin.ino = state ? state->ino : UpperIno(TRY(upper->GetAttributes(kernel_)).ino);
  if (state) origin.lowers = state->lowers;
  Inode* const at = upper.get();
  origin.upper = std::move(upper);
  RefPtr<Node> fresh = MakeNode(*this, type, std::move(origin));  // lives beyond the lock
  base::MutexLock lock(table_mu_);
  Node*& slot = live_upper_[at];
  if (slot != nullptr && slot->TryIncRef()) return RefPtr<Node>::Adopt(slot);
  slot = fresh.get();
  return fresh;
}

Result<RefPtr<Node>> OverlayFileSystem::NodeOfLower(Directory& parent, std::string_view name,
                                                    std::vector<RefPtr<Inode>> lowers) {
  const uint32_t type = lowers[0]->type();
  const Attributes from = TRY(lowers[0]->GetAttributes(kernel_));
  const Key key(from.dev, from.ino);
  RefPtr<Inode> copied;
  {
    base::MutexLock lock(table_mu_);
    if (auto it = copied_.find(key); it != copied_.end()) copied = it->second;
  }
  if (copied) return NodeOfUpper(std::move(copied));
  RefPtr<Node> fresh = MakeNode(*this, type,
                                Node::Origin{.upper = nullptr,
                                             .lowers = std::move(lowers),
                                             .parent = RefPtr<Directory>(&parent),
                                             .name = std::string(name),
                                             .key = key,
                                             .ino = LowerIno(from.dev, from.ino)});
  RefPtr<Node> other;  // not dropped under the lock
  base::MutexLock lock(table_mu_);
  Node*& slot = live_lower_[key];
  if (slot != nullptr && slot->TryIncRef()) {
    other = RefPtr<Node>::Adopt(slot);
    // Two names of a file are one; two places of a directory (the host may have
    // bind mounts) are two. A file with one name that was found before by this
    // one is the same.
    const Node::Origin& found = other->origin();
    if (type != abi::kSIfDir || (found.parent.get() == &parent && found.name == name)) return other;
  }
  slot = fresh.get();
  return fresh;
}

void OverlayFileSystem::AddUpper(Inode& upper, Node& node) {
  base::MutexLock lock(table_mu_);
  live_upper_[&upper] = &node;
}

void OverlayFileSystem::RemoveUpper(Inode& upper, Node& node) {
  base::MutexLock lock(table_mu_);
  auto it = live_upper_.find(&upper);
  if (it != live_upper_.end() && it->second == &node) live_upper_.erase(it);
}

void OverlayFileSystem::RemoveNode(Node& node) {
  base::MutexLock lock(table_mu_);
  auto lower = live_lower_.find(node.origin().key);
  if (lower != live_lower_.end() && lower->second == &node) live_lower_.erase(lower);
  auto upper = live_upper_.find(node.upper());
  if (upper != live_upper_.end() && upper->second == &node) live_upper_.erase(upper);
}

void OverlayFileSystem::AddCopied(const Key& key, RefPtr<Inode> upper) {
  base::MutexLock lock(table_mu_);
  copied_[key] = std::move(upper);
}

void OverlayFileSystem::RemoveCopied(const VfsContext& ctx, const Key& key) {
  RefPtr<Inode> gone;
  {
    base::MutexLock lock(table_mu_);
    auto it = copied_.find(key);
    if (it == copied_.end()) return;
    gone = std::move(it->second);
    copied_.erase(it);
  }
  // The name in the index may be missing if it was never given.
  (void)index_->Unlink(ctx, std::to_string(key.first) + ":" + std::to_string(key.second), *gone);
}

}  // namespace sentry

#include "sentry/fs/gofer/gofer_fs.h"

#include <algorithm>

#include "sentry/fs/gofer/gofer_inode.h"

namespace sentry {
namespace {
constexpr size_t kReleaseBatch = 256;
}  // namespace

HostFileKey GoferFileSystem::KeyOf(const fsgofer::Attr& attr) {
  return {abi::MakeDev(attr.dev_major, attr.dev_minor), attr.ino};
}

Result<uint32_t> GoferFileSystem::HostId(const IdMap& map, uint32_t id) {
  if (map.empty()) return id;
  const uint32_t host = map.Up(id);
  if (host == kInvalidId) return Errno::kEOVERFLOW;
  return host;
}

uint64_t GoferFileSystem::DeviceFor(uint64_t host_device) const {
  return host_device == root_host_device_ ? device() : host_device;
}

RefPtr<SharedFileState> GoferFileSystem::SharedStateOf(const fsgofer::Attr& attr) const {
  return options_.volume ? options_.volume->StateOf(KeyOf(attr), attr.mode & abi::kSIfMt) : nullptr;
}

Result<RefPtr<Dentry>> GoferFileSystem::Mount(const GoferOptions& options, RefPtr<FileSystem>* fs) {
  const fsgofer::NodeAttr root = TRY(options.client->Attach(options.mount));
  GoferOptions own = options;
  if (own.volume && !own.volume->HasRoot(KeyOf(root.attr))) own.volume = nullptr;
  RefPtr<GoferFileSystem> gofer = MakeRef<GoferFileSystem>(std::move(own));
  RefPtr<Inode> inode = gofer->InodeFor(root);
  *fs = gofer;
  return Dentry::NewRoot(std::move(inode));
}

GoferFileSystem::~GoferFileSystem() {
  std::vector<fsgofer::NodeId> rest;
  {
    base::MutexLock lock(mu_);
    rest.swap(released_);
  }
  if (!rest.empty()) (void)client().Close(rest);
}

Result<abi::Statfs> GoferFileSystem::StatFs(const VfsContext&) {
  const fsgofer::StatFsReply reply = TRY(client().StatFs(root_));
  abi::Statfs out{};
  out.type = static_cast<int64_t>(reply.type);
  out.bsize = static_cast<int64_t>(reply.block_size);
  out.frsize = static_cast<int64_t>(reply.fragment_size);
  out.blocks = reply.blocks;
  out.bfree = reply.blocks_free;
  out.bavail = reply.blocks_available;
  out.files = reply.files;
  out.ffree = reply.files_free;
  out.namelen = static_cast<int64_t>(reply.name_length);
  return out;
}

RefPtr<Inode> GoferFileSystem::InodeFor(const fsgofer::NodeAttr& node, std::optional<std::string> link_target) {
  // The last reference may go here, so outside of the lock.
  RefPtr<SharedFileState> state = SharedStateOf(node.attr);
  RefPtr<GoferInode> existing, other;
  {
    base::MutexLock lock(mu_);
    if (root_ == 0) {
      root_ = node.node;
      root_host_device_ = KeyOf(node.attr).device;
    }
    const auto it = inodes_.find(KeyOf(node.attr));
    // Found but dying: its destructor waits for mu_ to take itself out, unless
    // we have put another in its place.
    if (it != inodes_.end() && it->second->TryIncRef()) existing = RefPtr<GoferInode>::Adopt(it->second);
    // A reused inode number is another file.
    if (existing && existing->type() != (node.attr.mode & abi::kSIfMt)) std::swap(existing, other);
    if (!existing) {
      RefPtr<GoferInode> fresh =
          MakeRef<GoferInode>(RefPtr<GoferFileSystem>(this), node, std::move(state), std::move(link_target));
      inodes_[KeyOf(node.attr)] = fresh.get();
      return fresh;
    }
  }
  Release(node.node);
  return existing;
}

void GoferFileSystem::KeepLookAhead(GoferInode& directory) {
  RefPtr<GoferInode> oldest;
  {
    base::MutexLock lock(mu_);
    std::erase(look_aheads_, &directory);
    look_aheads_.push_back(&directory);
    if (look_aheads_.size() <= kLookAheads) return;
    GoferInode* const first = look_aheads_.front();
    look_aheads_.pop_front();
    if (first->TryIncRef()) oldest = RefPtr<GoferInode>::Adopt(first);
  }
  if (oldest) oldest->EndLookAhead();
}

void GoferFileSystem::ForgetInode(GoferInode& inode) {
  {
    base::MutexLock lock(mu_);
    const auto it = inodes_.find({inode.host_device(), inode.host_ino()});
    if (it != inodes_.end() && it->second == &inode) inodes_.erase(it);
    std::erase(look_aheads_, &inode);
  }
  descriptors().Forget(inode);
  Release(inode.node());
}

void GoferFileSystem::Release(fsgofer::NodeId node) {
  std::vector<fsgofer::NodeId> batch;
  {
    base::MutexLock lock(mu_);
    released_.push_back(node);
    if (released_.size() < kReleaseBatch) return;
    batch.swap(released_);
  }
  (void)client().Close(batch);  // a dead gofer holds nothing any more
}

}  // namespace sentry

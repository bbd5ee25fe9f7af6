// The file system behind which the host's files are: each operation is a
// message to the gofer, or goes to a descriptor that the gofer donated.
#ifndef SENTRY_FS_GOFER_GOFER_FS_H_
#define SENTRY_FS_GOFER_GOFER_FS_H_

#include <list>
#include <memory>
#include <unordered_map>
#include <vector>

#include "fsgofer/protocol/client.h"
#include "sentry/fs/gofer/donated_fds.h"
#include "sentry/fs/gofer/volume.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/id_map.h"
#include "sentry/vfs/inode.h"

namespace sentry {

// Whether somebody else may change the files meanwhile.
enum class GoferCaching : uint8_t {
  kExclusive,  // nobody does: names and attributes are asked for once
  kShared,     // they are looked at anew each time
};

struct GoferOptions {
  std::shared_ptr<fsgofer::Client> client;
  uint32_t mount = 0;  // index in the gofer's list
  GoferCaching caching = GoferCaching::kExclusive;
  DonatedFds* descriptors = nullptr;  // outlives it
  RefPtr<Volume> volume{};            // null: nobody else in the sandbox has these files
  // From a file's ids on the host to those it has here (an id-mapped mount); both empty:
  // the same.
  IdMap uids = {}, gids = {};
};

class GoferInode;

class GoferFileSystem final : public FileSystem {
 public:
  // A new file system and its root; the gofer's errors as they are.
  static Result<RefPtr<Dentry>> Mount(const GoferOptions& options, RefPtr<FileSystem>* fs);

  fsgofer::Client& client() const { return *options_.client; }
  bool exclusive() const { return options_.caching == GoferCaching::kExclusive; }
  Attributes ToAttributes(const fsgofer::Attr& attr) const;
  bool maps_ids() const { return !options_.uids.empty(); }
  // The host's ids. EOVERFLOW: they have none.
  Result<uint32_t> HostUid(uint32_t uid) const { return HostId(options_.uids, uid); }
  Result<uint32_t> HostGid(uint32_t gid) const { return HostId(options_.gids, gid); }
  Result<abi::Statfs> StatFs(const VfsContext& ctx) override;

  // The inode of a node that a reply named. Takes over the reply's reference.
  // One host file has one inode, whatever its names, while it is in use.
  RefPtr<Inode> InodeFor(const fsgofer::NodeAttr& node, std::optional<std::string> link_target = std::nullopt);
  // A reference that nobody needs any more; sent to the gofer in batches.
  void Release(fsgofer::NodeId node);

  DonatedFds& descriptors() { return *options_.descriptors; }
  void ForgetInode(GoferInode& inode);
  // A directory that looks ahead: holds what it found until kLookAheads others do.
  void KeepLookAhead(GoferInode& directory);

 private:
  template <typename T, typename... Args>
  friend RefPtr<T> base::MakeRef(Args&&... args);
  explicit GoferFileSystem(GoferOptions options)
      : FileSystem("gofer", options.volume ? options.volume->device() : NewDevice()), options_(std::move(options)) {}
  ~GoferFileSystem() override;

  // st_dev: our own for the root's host device; of mounts below it, the host's,
  // so that (st_dev, st_ino) names one file.
  uint64_t DeviceFor(uint64_t host_device) const;
  static Result<uint32_t> HostId(const IdMap& map, uint32_t id);
  RefPtr<SharedFileState> SharedStateOf(const fsgofer::Attr& attr) const;  // null: nobody shares it
  static HostFileKey KeyOf(const fsgofer::Attr& attr);

  const GoferOptions options_;
  fsgofer::NodeId root_ = 0;  // both set by the first InodeFor
  uint64_t root_host_device_ = 0;
  // Rank kGoferClient: never held over a message.
  base::RankedMutex<base::LockRank::kGoferClient> mu_;
  std::vector<fsgofer::NodeId> released_ ABSL_GUARDED_BY(mu_);
  std::unordered_map<HostFileKey, GoferInode*, HostFileKeyHash> inodes_ ABSL_GUARDED_BY(mu_);
  static constexpr size_t kLookAheads = 16;
  std::list<GoferInode*> look_aheads_ ABSL_GUARDED_BY(mu_);  // oldest first
};

}  // namespace sentry

#endif  // SENTRY_FS_GOFER_GOFER_FS_H_

// fsgofer::Client: the sentry's side of a gofer connection.
//
// Thread-safe: a call takes a free channel (and waits for one when all are in
// use), writes one message and reads one. Its host calls are futex and, for a
// donated descriptor, recvmsg, newfstatat and close; poll, if an answer takes
// 200 ms. It opens nothing.
//
// The gofer is not trusted: a reply that is malformed, out of sequence or names
// a path component with a slash in it kills the connection. From then on every
// call fails with EIO and dead() is true.
#ifndef FSGOFER_PROTOCOL_CLIENT_H_
#define FSGOFER_PROTOCOL_CLIENT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "fsgofer/protocol/transport.h"
#include "fsgofer/protocol/wire.h"

namespace fsgofer {

// Where a walk ended. `steps` has an entry for each component found, each of
// which is one reference to its node that the caller must Close.
struct WalkResult {
  std::vector<NodeAttr> steps;
  // Set when a component was not found (ENOENT) or could not be passed
  // (ENOTDIR, ...); unset at the end of the names and at a symlink.
  std::optional<base::Errno> stop;
  // The last step is a symlink (which ends every walk): what it points to.
  std::optional<std::string> symlink_target;
  // With an open mode, if the last name was reached and is a regular file:
  // the descriptor, or why there is none.
  base::UniqueFd fd;
  std::optional<base::Errno> open_error;
};

struct OpenResult {
  base::UniqueFd fd;  // O_NONBLOCK is set, which regular files ignore
  Attr attr;
};

struct DirEntry {
  std::string name;
  uint64_t ino;
  uint64_t next_cookie;  // where to resume behind this entry
  uint8_t type;          // DT_*, DT_UNKNOWN included
};

// "." and ".." are not among the entries.
struct DirBatch {
  std::vector<DirEntry> entries;
  uint64_t next_cookie = 0;
  bool at_end = false;
};

struct CreateResult {
  NodeAttr node;
  base::UniqueFd fd;
};

// What a new file is to be. uid and gid may be kUnchangedId.
struct MakeOptions {
  uint32_t mode = 0;  // permission bits; for Mknod also S_IFMT
  uint32_t uid = kUnchangedId;
  uint32_t gid = kUnchangedId;
  uint32_t rdev_major = 0, rdev_minor = 0;  // Mknod of a device
};

struct RenameArgs {
  NodeId old_dir;
  std::string_view old_name;
  NodeId new_dir;
  std::string_view new_name;
  uint32_t flags = 0;  // kRenameNoReplace or kRenameExchange
};

class Client {
 public:
  // `half`: the client half of MakeConnection. Maps its memory: before a filter
  // that refuses mmap.
  static base::Result<std::unique_ptr<Client>> Create(ConnectionHalf half);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Runs once, on the thread that finds the connection dead, with no lock
  // held. Set before the first call.
  void SetDeathCallback(std::function<void()> callback) { on_death_ = std::move(callback); }
  bool dead() const { return dead_.load(std::memory_order_acquire); }
  // poll() reports POLLHUP on it (with no events asked for) when the gofer dies.
  // Who watches it calls Shutdown() then: calls in flight end at once, and not
  // after up to 200 ms.
  int watch_fd() const;
  // Ends the connection: the gofer exits once every channel is closed.
  void Shutdown();

  base::Result<NodeAttr> Attach(uint32_t mount);

  // 1 to 16 names. Errors other than of the walk itself: EINVAL (".", "..",
  // a slash, a count), ENAMETOOLONG, EBADF (no such node), ENOTDIR.
  base::Result<WalkResult> Walk(NodeId dir, std::span<const std::string_view> names, OpenMode open = OpenMode::kNone);

  // 1 to kMaxSiblings names of one directory, each looked up by itself: nodes, each of
  // which is one reference, or errors. What links point to is not told.
  base::Result<std::vector<base::Result<NodeAttr>>> Siblings(NodeId dir, std::span<const std::string_view> names);

  // Regular files only: ENXIO for any other type but EISDIR for directories.
  // EACCES on pseudo file systems. ESTALE: the name leads to another file by
  // now; walk again.
  base::Result<OpenResult> Open(NodeId node, OpenMode mode, uint32_t flags = 0);
  base::Result<DirBatch> ReadDir(NodeId node, uint64_t cookie, uint32_t max_bytes = kMaxReadDirBytes);
  base::Result<std::string> ReadLink(NodeId node);
  base::Result<StatFsReply> StatFs(NodeId node);
  base::Result<Attr> GetAttr(NodeId node);
  base::Result<std::string> GetXattr(NodeId node, std::string_view name);
  base::Result<std::vector<std::string>> ListXattr(NodeId node);
  // Gives back one reference for each entry. Unknown nodes are ignored.
  base::Result<void> Close(std::span<const NodeId> nodes);
  base::Result<void> Fsync(NodeId node);

  // Write side; EROFS on a read-only mount.
  // Always exclusive (O_EXCL): EEXIST if the name is taken, then walk again.
  base::Result<CreateResult> Create(NodeId dir, std::string_view name, const MakeOptions& options, OpenMode open);
  base::Result<NodeAttr> Mkdir(NodeId dir, std::string_view name, const MakeOptions& options);
  base::Result<NodeAttr> Symlink(NodeId dir, std::string_view name, std::string_view target,
                                 const MakeOptions& options);
  // S_IFIFO and S_IFSOCK; EPERM for devices, EINVAL for any other type.
  base::Result<NodeAttr> Mknod(NodeId dir, std::string_view name, const MakeOptions& options);
  base::Result<NodeAttr> Link(NodeId node, NodeId dir, std::string_view name);
  base::Result<void> Unlink(NodeId dir, std::string_view name);
  base::Result<void> Rmdir(NodeId dir, std::string_view name);
  base::Result<void> Rename(const RenameArgs& args);
  base::Result<Attr> SetAttr(const SetAttrRequest& request);
  // user.* only, on regular files and directories; EOPNOTSUPP otherwise.
  base::Result<void> SetXattr(NodeId node, std::string_view name, std::string_view value, uint32_t flags);
  base::Result<void> RemoveXattr(NodeId node, std::string_view name);

 private:
  struct Channel;
  class Exchange;

  Client(ConnectionHalf half, std::unique_ptr<SharedMemory> memory);
  Channel* TakeChannel() ABSL_LOCKS_EXCLUDED(mu_);
  void GiveChannel(Channel* channel) ABSL_LOCKS_EXCLUDED(mu_);
  void Die();
  base::Result<NodeAttr> Make(MessageType type, NodeId dir, std::string_view name, const MakeOptions& options);
  base::Result<void> Remove(NodeId dir, std::string_view name, uint32_t flags);

  std::unique_ptr<SharedMemory> memory_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::function<void()> on_death_;
  std::atomic<bool> dead_{false};  // one-way; stands alone

  // Rank kGoferClient. Guards only who has which channel; never held over the
  // exchange itself.
  base::RankedMutex<base::LockRank::kGoferClient> mu_;
  base::CondVar free_cv_;
  std::vector<Channel*> free_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fsgofer

#endif  // FSGOFER_PROTOCOL_CLIENT_H_

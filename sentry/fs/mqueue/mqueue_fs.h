// The message queues of an IPC namespace, and the file system that shows them.
// Analogous to the mq_* part of Linux's struct ipc_namespace.
#ifndef SENTRY_FS_MQUEUE_MQUEUE_FS_H_
#define SENTRY_FS_MQUEUE_MQUEUE_FS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "sentry/fs/mqueue/mqueue.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"

namespace sentry {

// /proc/sys/fs/mqueue. Each is independent of all others.
struct MqueueLimits {
  std::atomic<uint32_t> queues_max{256};
  std::atomic<uint32_t> msg_max{10};
  std::atomic<uint32_t> msgsize_max{8192};
  std::atomic<uint32_t> msg_default{10};
  std::atomic<uint32_t> msgsize_default{8192};
};

// What the queues of all namespaces have together: a new namespace is no new allowance.
class MqueueUsage final : public base::RefCounted {
 public:
  // EMFILE: more than RLIMIT_MSGQUEUE of the user's.
  Result<void> ChargeBytes(uint32_t uid, uint64_t bytes, uint64_t limit);
  void ReturnBytes(uint32_t uid, uint64_t bytes);
  Result<void> ChargeQueue();  // ENOSPC
  void ReturnQueue() { queues_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> queues_{0};
  base::RankedMutex<base::LockRank::kLeaf> mu_;
  std::map<uint32_t, uint64_t> bytes_ ABSL_GUARDED_BY(mu_);
};

// What a namespace's queues have together.
class MqueueAccounts final : public base::RefCounted {
 public:
  explicit MqueueAccounts(RefPtr<MqueueUsage> usage) : usage_(std::move(usage)) {}
  MqueueLimits limits;

  MqueueUsage& usage() { return *usage_; }
  Result<void> ChargeQueue(const Credentials& creds);  // ENOSPC
  void ReturnQueue();

 private:
  const RefPtr<MqueueUsage> usage_;
  std::atomic<uint32_t> queues_{0};
};

class MqueueNamespace final : public base::RefCounted {
 public:
  static RefPtr<MqueueNamespace> Create(RefPtr<MqueueUsage> usage);

  struct NewQueue {
    uint32_t mode = 0;                 // without umask
    std::optional<abi::MqAttr> attr;   // nothing: the defaults
    uint64_t byte_limit = UINT64_MAX;  // RLIMIT_MSGQUEUE
  };
  // mq_open(2), mq_unlink(2) by the name without "/".
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, std::string_view name, uint32_t flags,
                                       const NewQueue& args);
  Result<void> Unlink(const VfsContext& ctx, std::string_view name);

  MqueueLimits& limits() { return accounts_->limits; }
  // What each mount of type "mqueue" shows.
  FileSystem& fs() const { return mount_->fs(); }
  const RefPtr<Dentry>& root() const { return mount_->root(); }

  MqueueNamespace(RefPtr<MqueueAccounts> accounts, RefPtr<Mount> mount);

 private:
  ~MqueueNamespace() override;
  const RefPtr<MqueueAccounts> accounts_;
  const RefPtr<Mount> mount_;  // internal: no namespace shows it
};

// An open queue.
class MqueueFile final : public FileDescription {
 public:
  MqueueFile(Path path, uint32_t flags, Mqueue& queue) : FileDescription(std::move(path), flags), queue_(queue) {}
  Mqueue& queue() { return queue_; }  // of the inode that path() holds

  bool seekable() const override { return true; }
  Result<size_t> ReadAt(const VfsContext& ctx, IoSink& dst, uint64_t offset) override;
  Result<size_t> WriteAt(const VfsContext&, IoSource&, uint64_t) override { return Errno::kEINVAL; }
  base::EventMask Readiness(base::EventMask mask) override { return queue_.Readiness() & mask; }
  base::WaitQueue* wait_queue() override { return &queue_.wait_queue(); }
  void Flush(const VfsContext& ctx) override { queue_.RemoveNotification(ctx.tgid); }
  static const void* Kind();
  const void* kind() const override { return Kind(); }

 private:
  Mqueue& queue_;
};

}  // namespace sentry

#endif  // SENTRY_FS_MQUEUE_MQUEUE_FS_H_

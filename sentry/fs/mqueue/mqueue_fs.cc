#include "sentry/fs/mqueue/mqueue_fs.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "sentry/vfs/directory_description.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr uint64_t kFileSize = 80, kEntrySize = 20;  // as Linux tells
constexpr uint32_t kMaxQueues = 65536;               // whatever the sysctl says: each is the sentry's memory

class MqueueFileSystem final : public FileSystem {
 public:
  MqueueFileSystem() : FileSystem("mqueue") {}
  Result<abi::Statfs> StatFs(const VfsContext&) override {
    abi::Statfs out{};
    out.type = abi::kMqueueMagic;
    out.bsize = out.frsize = kPageSize;
    out.namelen = 255;
    return out;
  }
};

// What Linux charges: each message and its place in the tree.
Result<uint64_t> BytesOf(int64_t max_messages, int64_t message_size) {
  constexpr uint64_t kMessage = 48, kTreeNode = 48;
  const auto count = static_cast<uint64_t>(max_messages), size = static_cast<uint64_t>(message_size);
  const uint64_t tree = count * kMessage + std::min(count, abi::kMqPrioMax) * kTreeNode;
  uint64_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || __builtin_add_overflow(bytes, tree, &bytes)) {
    return Errno::kEOVERFLOW;
  }
  return bytes;
}

class QueueInode final : public SimpleInode {
 public:
  QueueInode(RefPtr<FileSystem> fs, const Attributes& attributes, RefPtr<MqueueAccounts> accounts, uint32_t payer,
             uint64_t charged, const abi::MqAttr& attr)
      : SimpleInode(std::move(fs), attributes),
        accounts_(std::move(accounts)),
        payer_(payer),
        charged_(charged),
        queue_(attr.maxmsg, attr.msgsize) {}
  ~QueueInode() override {
    accounts_->usage().ReturnBytes(payer_, charged_);
    accounts_->ReturnQueue();
  }
  Result<RefPtr<FileDescription>> Open(const VfsContext&, const Path& path, uint32_t flags) override {
    return RefPtr<FileDescription>(MakeRef<MqueueFile>(path, flags, queue_));
  }
  void Unlinked() {
    MutexLock lock(mu_);
    attributes_.nlink = 0;
    attributes_.ctime = RealtimeNow();
  }

 private:
  const RefPtr<MqueueAccounts> accounts_;
  const uint32_t payer_;
  const uint64_t charged_;
  Mqueue queue_;
};

class RootInode final : public SimpleInode {
 public:
  RootInode(RefPtr<FileSystem> fs, RefPtr<MqueueAccounts> accounts)
      : SimpleInode(std::move(fs), {.ino = 1, .mode = abi::kSIfDir | 01777, .nlink = 2, .size = 2 * kEntrySize}),
        accounts_(std::move(accounts)) {}

  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    MutexLock lock(mu_);
    const auto it = queues_.find(name);
    return it == queues_.end() ? Result<RefPtr<Inode>>(Errno::kENOENT) : RefPtr<Inode>(it->second);
  }
  // By open(2) of a path, or mknod(2).
  Result<RefPtr<Inode>> Create(const VfsContext& ctx, std::string_view name, const CreateArgs& args) override {
    if ((args.mode & abi::kSIfMt) != abi::kSIfReg) return Errno::kEPERM;
    return CreateQueue(ctx, name, args, {});
  }
  Result<RefPtr<Inode>> CreateQueue(const VfsContext& ctx, std::string_view name, const CreateArgs& args,
                                    const MqueueNamespace::NewQueue& queue);
  Result<void> Unlink(const VfsContext&, std::string_view name, Inode& child) override;
  Result<RefPtr<FileDescription>> Open(const VfsContext&, const Path& path, uint32_t flags) override;
  std::vector<DirectoryEntry> List();

 private:
  Result<abi::MqAttr> CheckAttr(const Credentials& creds, const std::optional<abi::MqAttr>& given) const;
  void ChangedLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    attributes_.size = (2 + queues_.size()) * kEntrySize;
    attributes_.mtime = attributes_.ctime = RealtimeNow();
  }

  const RefPtr<MqueueAccounts> accounts_;
  std::map<std::string, RefPtr<QueueInode>, std::less<>> queues_ ABSL_GUARDED_BY(mu_);
};

class RootDirectory final : public ListedDirectory {
 public:
  using ListedDirectory::ListedDirectory;

 protected:
  uint64_t ino() const override { return 1; }
  Result<std::vector<DirectoryEntry>> List(const VfsContext&) override {
    return static_cast<RootInode&>(*inode()).List();
  }
};

Result<RefPtr<FileDescription>> RootInode::Open(const VfsContext&, const Path& path, uint32_t flags) {
  return RefPtr<FileDescription>(MakeRef<RootDirectory>(path, flags));
}

std::vector<DirectoryEntry> RootInode::List() {
  std::vector<DirectoryEntry> entries;
  MutexLock lock(mu_);
  for (const auto& [name, inode] : queues_) entries.push_back({name, inode->ino(), abi::kSIfReg});
  return entries;
}

Result<abi::MqAttr> RootInode::CheckAttr(const Credentials& creds, const std::optional<abi::MqAttr>& given) const {
  const MqueueLimits& limits = accounts_->limits;
  abi::MqAttr attr = {};
  attr.maxmsg = std::min(limits.msg_max.load(), limits.msg_default.load());
  attr.msgsize = std::min(limits.msgsize_max.load(), limits.msgsize_default.load());
  if (given) attr = *given;
  if (attr.maxmsg <= 0 || attr.msgsize <= 0) return Errno::kEINVAL;
  const bool free = creds.Has(Capability::kSysResource);
  if (attr.maxmsg > (free ? abi::kHardMsgMax : limits.msg_max.load())) return Errno::kEINVAL;
  if (attr.msgsize > (free ? abi::kHardMsgsizeMax : limits.msgsize_max.load())) return Errno::kEINVAL;
  return attr;
}

Result<RefPtr<Inode>> RootInode::CreateQueue(const VfsContext& ctx, std::string_view name, const CreateArgs& args,
                                             const MqueueNamespace::NewQueue& queue) {
  const uint32_t payer = ctx.creds->uid;
  TRY(accounts_->ChargeQueue(*ctx.creds));
  const Result<abi::MqAttr> attr = CheckAttr(*ctx.creds, queue.attr);
  Result<uint64_t> bytes = attr.ok() ? BytesOf(attr->maxmsg, attr->msgsize) : attr.error();
  if (bytes.ok()) {
    const Result<void> charged = accounts_->usage().ChargeBytes(payer, *bytes, queue.byte_limit);
    if (!charged.ok()) bytes = charged.error();
  }
  if (!bytes.ok()) {
    accounts_->ReturnQueue();
    return bytes.error();
  }
  const Attributes attributes = {.mode = args.mode, .uid = args.uid, .gid = args.gid, .size = kFileSize};
  auto inode = MakeRef<QueueInode>(RefPtr<FileSystem>(&fs()), attributes, accounts_, payer, *bytes, *attr);
  MutexLock lock(mu_);
  queues_.emplace(std::string(name), inode);
  ChangedLocked();
  return RefPtr<Inode>(std::move(inode));
}

Result<void> RootInode::Unlink(const VfsContext&, std::string_view name, Inode& child) {
  RefPtr<QueueInode> gone;  // dropped behind the lock
  {
    MutexLock lock(mu_);
    const auto it = queues_.find(name);
    if (it == queues_.end() || it->second.get() != &child) return Errno::kENOENT;
    gone = std::move(it->second);
    queues_.erase(it);
    ChangedLocked();
  }
  gone->Unlinked();
  return Ok();
}

// As lookup_one_len has it: one component, and no special one.
Result<void> CheckName(std::string_view name) {
  if (name == "." || name == ".." || name.find('/') != name.npos) return Errno::kEACCES;
  return name.size() > kNameMax ? Errno::kENAMETOOLONG : Ok();
}

}  // namespace

// --- MqueueAccounts ---

Result<void> MqueueUsage::ChargeBytes(uint32_t uid, uint64_t bytes, uint64_t limit) {
  MutexLock lock(mu_);
  uint64_t& used = bytes_[uid];
  const bool fits = bytes <= limit && used <= limit - bytes;
  if (fits) used += bytes;
  if (used == 0) bytes_.erase(uid);
  return fits ? Ok() : Errno::kEMFILE;
}

void MqueueUsage::ReturnBytes(uint32_t uid, uint64_t bytes) {
  MutexLock lock(mu_);
  const auto it = bytes_.find(uid);
  if (it != bytes_.end() && (it->second -= bytes) == 0) bytes_.erase(it);
}

Result<void> MqueueUsage::ChargeQueue() {
  if (queues_.fetch_add(1, std::memory_order_relaxed) < kMaxQueues) return Ok();
  ReturnQueue();
  return Errno::kENOSPC;
}

Result<void> MqueueAccounts::ChargeQueue(const Credentials& creds) {
  TRY(usage_->ChargeQueue());
  const uint32_t before = queues_.fetch_add(1, std::memory_order_relaxed);
  if (creds.Has(Capability::kSysResource) || before < limits.queues_max.load()) return Ok();
  ReturnQueue();
  return Errno::kENOSPC;
}

void MqueueAccounts::ReturnQueue() {
  queues_.fetch_sub(1, std::memory_order_relaxed);
  usage_->ReturnQueue();
}

// --- MqueueNamespace ---

MqueueNamespace::MqueueNamespace(RefPtr<MqueueAccounts> accounts, RefPtr<Mount> mount)
    : accounts_(std::move(accounts)), mount_(std::move(mount)) {}
MqueueNamespace::~MqueueNamespace() = default;

RefPtr<MqueueNamespace> MqueueNamespace::Create(RefPtr<MqueueUsage> usage) {
  auto accounts = MakeRef<MqueueAccounts>(std::move(usage));
  RefPtr<FileSystem> fs = MakeRef<MqueueFileSystem>();
  RefPtr<Dentry> root = Dentry::NewRoot(MakeRef<RootInode>(fs, accounts));
  auto mount = MakeRef<Mount>(std::move(fs), std::move(root), MountFlags{});
  return MakeRef<MqueueNamespace>(std::move(accounts), std::move(mount));
}

Result<RefPtr<FileDescription>> MqueueNamespace::Open(const VfsContext& ctx, std::string_view name, uint32_t flags,
                                                      const NewQueue& args) {
  TRY(CheckName(name));
  Dentry& dir = *root();
  auto& inode = static_cast<RootInode&>(*dir.inode_ptr());
  RefPtr<Dentry> child;
  {
    MutexLock lock(inode.dir_mu());
    child = TRY(dir.LookupChildLocked(ctx, name));
    if (child->negative()) {
      if ((flags & abi::kOCreat) == 0) return Errno::kENOENT;
      TRY(inode.CheckPermission(ctx, abi::kMayWrite | abi::kMayExec));
      const CreateArgs create = {.mode = abi::kSIfReg | (args.mode & abi::kPermMask & ~ctx.umask),
                                 .uid = ctx.creds->fsuid,
                                 .gid = ctx.creds->fsgid};
      RefPtr<Inode> made = TRY(inode.CreateQueue(ctx, name, create, args));
      notify::Created(dir, name, *made);
      child->Instantiate(std::move(made));
      flags &= ~abi::kOExcl;
    } else {
      if ((flags & abi::kOCreat) != 0 && (flags & abi::kOExcl) != 0) return Errno::kEEXIST;
      constexpr uint32_t kAccess[] = {abi::kMayRead, abi::kMayWrite, abi::kMayRead | abi::kMayWrite};
      if ((flags & abi::kOAccMode) == abi::kOAccMode) return Errno::kEINVAL;
      TRY(child->inode_ptr()->CheckPermission(ctx, kAccess[flags & abi::kOAccMode]));
    }
  }
  const Path path(mount_, child);
  return child->inode_ptr()->Open(ctx, path, flags & (abi::kOAccMode | abi::kONonBlock));
}

Result<void> MqueueNamespace::Unlink(const VfsContext& ctx, std::string_view name) {
  TRY(CheckName(name));
  return sentry::Unlink(ctx, Path(mount_, root()), name);
}

// --- MqueueFile ---

const void* MqueueFile::Kind() {
  static const char kTag = 0;
  return &kTag;
}

Result<size_t> MqueueFile::ReadAt(const VfsContext&, IoSink& dst, uint64_t offset) {
  const std::string text = queue_.Text();
  if (offset >= text.size()) return size_t{0};
  const std::string_view rest = std::string_view(text).substr(offset);
  return dst.Write(std::as_bytes(std::span(rest.substr(0, dst.remaining()))));
}

}  // namespace sentry

#include "sentry/fs/gofer/gofer_inode.h"

#include <dirent.h>

#include <algorithm>

#include "sentry/fs/gofer/gofer_file.h"

namespace sentry {
namespace {

Timespec ToTimespec(const fsgofer::WireTime& t) { return {.sec = t.seconds, .nsec = t.nanoseconds}; }
fsgofer::WireTime ToWire(const Timespec& t) { return {t.sec, static_cast<uint32_t>(t.nsec), 0}; }

fsgofer::OpenMode ToMode(DonatedAccess access) {
  return access == DonatedAccess::kRead ? fsgofer::OpenMode::kReadOnly : fsgofer::OpenMode::kReadWrite;
}

// The kind of file is in the message's name, Mknod's excepted.
Result<fsgofer::MakeOptions> ToMakeOptions(const GoferFileSystem& fs, const CreateArgs& args) {
  return fsgofer::MakeOptions{
      .mode = args.mode & ~uint32_t{abi::kSIfMt}, .uid = TRY(fs.HostUid(args.uid)), .gid = TRY(fs.HostGid(args.gid))};
}

}  // namespace

Attributes GoferFileSystem::ToAttributes(const fsgofer::Attr& attr) const {
  Attributes a;
  a.ino = attr.ino;
  a.mode = attr.mode;
  a.nlink = attr.nlink;
  a.uid = options_.uids.empty() ? attr.uid : options_.uids.Down(attr.uid);
  a.gid = options_.gids.empty() ? attr.gid : options_.gids.Down(attr.gid);
  a.rdev = abi::MakeDev(attr.rdev_major, attr.rdev_minor);
  a.size = attr.size;
  a.blocks = attr.blocks;
  a.blksize = attr.block_size;
  a.dev = DeviceFor(abi::MakeDev(attr.dev_major, attr.dev_minor));
  a.atime = ToTimespec(attr.atime);
  a.mtime = ToTimespec(attr.mtime);
  a.ctime = ToTimespec(attr.ctime);
  if (attr.flags & fsgofer::kAttrHasBirthTime) a.btime = ToTimespec(attr.btime);
  return a;
}

GoferInode::GoferInode(RefPtr<GoferFileSystem> fs, const fsgofer::NodeAttr& node, RefPtr<SharedFileState> state,
                       std::optional<std::string> link_target)
    : Inode(fs, std::move(state)),
      fs_(std::move(fs)),
      node_(node.node),
      type_(node.attr.mode & abi::kSIfMt),
      host_device_(abi::MakeDev(node.attr.dev_major, node.attr.dev_minor)),
      host_ino_(node.attr.ino),
      attributes_(fs_->ToAttributes(node.attr)),
      link_target_(std::move(link_target)) {}

GoferInode::~GoferInode() { fs_->ForgetInode(*this); }

Result<Attributes> GoferInode::GetAttributes(const VfsContext&) {
  {
    base::MutexLock lock(mu_);
    if (fs_->exclusive() && !stale_) return attributes_;
  }
  const fsgofer::Attr attr = TRY(fs_->client().GetAttr(node_));
  base::MutexLock lock(mu_);
  attributes_ = fs_->ToAttributes(attr);
  stale_ = false;
  return attributes_;
}

// Nobody writes to what belongs to an id without a mapping (Linux's HAS_UNMAPPED_ID).
Result<void> GoferInode::CheckPermission(const VfsContext& ctx, uint32_t mask) {
  if (fs_->maps_ids() && (mask & abi::kMayWrite) != 0) {
    const Attributes attributes = TRY(GetAttributes(ctx));
    if (attributes.uid == kInvalidId || attributes.gid == kInvalidId) return Errno::kEACCES;
  }
  return Inode::CheckPermission(ctx, mask);
}

void GoferInode::Changed() {
  EndLookAhead();
  base::MutexLock lock(mu_);
  stale_ = true;
}

Result<void> GoferInode::Send(fsgofer::SetAttrRequest& request) {
  request.node = node_;
  const fsgofer::Attr attr = TRY(fs_->client().SetAttr(request));
  base::MutexLock lock(mu_);
  attributes_ = fs_->ToAttributes(attr);
  stale_ = false;
  return Ok();
}

Result<void> GoferInode::SetAttr(const VfsContext&, const SetAttributes& set) {
  fsgofer::SetAttrRequest request{};
  if (set.perm) request.valid |= fsgofer::kSetMode, request.mode = *set.perm;
  if (set.uid) request.valid |= fsgofer::kSetUid, request.uid = TRY(fs_->HostUid(*set.uid));
  if (set.gid) request.valid |= fsgofer::kSetGid, request.gid = TRY(fs_->HostGid(*set.gid));
  if (set.size) request.valid |= fsgofer::kSetSize, request.size = *set.size;
  if (set.atime) request.valid |= fsgofer::kSetAtime, request.atime = ToWire(*set.atime);
  if (set.mtime) request.valid |= fsgofer::kSetMtime, request.mtime = ToWire(*set.mtime);
  TRY(Send(request));
  if (set.size)
    InvalidateAll(PageRoundDown(*set.size), UINT64_MAX - PageRoundDown(*set.size), MappingSpace::Copies::kDrop);
  return Ok();
}

// --- Names ---

void GoferInode::SetPrefetched(Prefetched found) {
  std::optional<Prefetched> old;  // its inode goes outside of the lock
  base::MutexLock lock(mu_);
  old = std::exchange(prefetched_, std::move(found));
}

Result<RefPtr<Inode>> GoferInode::TakePrefetched(std::string_view name, bool* found) {
  std::optional<Prefetched> taken;
  {
    base::MutexLock lock(mu_);
    taken = std::exchange(prefetched_, std::nullopt);
  }
  *found = taken && taken->name == name;
  if (!*found) return Errno::kENOENT;
  if (!taken->inode) return taken->error;
  return taken->inode;
}

Result<RefPtr<Inode>> GoferInode::Lookup(const VfsContext&, std::string_view name) {
  bool found = false;
  Result<RefPtr<Inode>> ready = TakePrefetched(name, &found);
  if (found) return ready;
  if (std::optional<Result<RefPtr<Inode>>> ahead = LookupAhead(name)) return *std::move(ahead);
  fsgofer::WalkResult walk = TRY(fs_->client().Walk(node_, std::span(&name, 1)));
  if (walk.stop) return *walk.stop;
  if (walk.steps.size() != 1) return Errno::kEIO;
  return fs_->InodeFor(walk.steps[0], std::move(walk.symlink_target));
}

std::optional<Result<RefPtr<Inode>>> GoferInode::LookupAhead(std::string_view name) {
  const auto result = [](const LookAhead::Found& found) -> Result<RefPtr<Inode>> {
    if (!found.inode) return found.error;
    return found.inode;
  };
  constexpr int kManyLookups = 6;
  std::vector<std::string> wanted;
  bool list = false;
  {
    base::MutexLock lock(mu_);
    list = fs_->exclusive() && ahead_ == nullptr && ++lookups_ == kManyLookups;
  }
  if (list) ListForLookAhead();
  {
    base::MutexLock lock(mu_);
    if (ahead_ == nullptr) return std::nullopt;
    if (const std::optional<LookAhead::Found> found = ahead_->Take(name)) return result(*found);
    wanted = ahead_->Plan(name);
  }
  if (wanted.size() < 2) return std::nullopt;
  const std::vector<std::string_view> names(wanted.begin(), wanted.end());
  const Result<std::vector<Result<fsgofer::NodeAttr>>> answer = fs_->client().Siblings(node_, names);
  if (!answer.ok()) return answer.error();
  std::vector<LookAhead::Found> found;
  for (const Result<fsgofer::NodeAttr>& each : *answer) {
    found.push_back(each.ok() ? LookAhead::Found{fs_->InodeFor(*each)} : LookAhead::Found{nullptr, each.error()});
  }
  const LookAhead::Found first = std::move(found[0]);
  base::MutexLock lock(mu_);
  for (size_t i = 1; ahead_ != nullptr && i < found.size(); i++) ahead_->Put(names[i], std::move(found[i]));
  return result(first);
}

void GoferInode::ListForLookAhead() {
  // Of a directory that needs more than one message only the first names.
  Result<fsgofer::DirBatch> batch = fs_->client().ReadDir(node_, 0);
  if (!batch.ok()) return;
  std::vector<LookAhead::Name> names;
  for (fsgofer::DirEntry& entry : batch->entries) names.push_back({std::move(entry.name), entry.type == DT_DIR});
  WasListed(std::move(names));
}

void GoferInode::WasListed(std::vector<LookAhead::Name> names) {
  if (!fs_->exclusive() || names.size() < 2 || names.size() > LookAhead::kMaxNames) return;
  std::unique_ptr<LookAhead> fresh = std::make_unique<LookAhead>(std::move(names));
  {
    base::MutexLock lock(mu_);
    std::swap(ahead_, fresh);
  }
  fs_->KeepLookAhead(*this);
}

void GoferInode::EndLookAhead() {
  std::unique_ptr<LookAhead> old;  // its inodes go outside of the lock
  base::MutexLock lock(mu_);
  std::swap(old, ahead_);
}

// One message for a whole path; each directory keeps its next component until
// the walk asks for it.
void GoferInode::PrefetchWalk(const VfsContext&, std::span<const std::string_view> names) {
  std::vector<std::string_view> wanted;
  for (const std::string_view name : names.first(std::min(names.size(), fsgofer::kMaxWalkNames))) {
    if (name == "." || name == ".." || name.empty() || name.size() > fsgofer::kMaxNameLength) break;
    wanted.push_back(name);
  }
  if (wanted.size() < 2) return;
  Result<fsgofer::WalkResult> walk = fs_->client().Walk(node_, wanted);
  if (!walk.ok()) return;
  RefPtr<GoferInode> dir(this);
  for (size_t i = 0; i < walk->steps.size(); ++i) {
    const bool last = i + 1 == walk->steps.size();
    RefPtr<Inode> inode =
        fs_->InodeFor(walk->steps[i], last ? std::move(walk->symlink_target) : std::optional<std::string>());
    RefPtr<GoferInode> next(static_cast<GoferInode*>(inode.get()));
    dir->SetPrefetched({std::string(wanted[i]), std::move(inode)});
    dir = std::move(next);
  }
  if (walk->stop && walk->steps.size() < wanted.size() && dir->is_dir()) {
    dir->SetPrefetched({std::string(wanted[walk->steps.size()]), nullptr, *walk->stop});
  }
}

bool GoferInode::Revalidate(const VfsContext&, std::string_view name, Inode* child) {
  if (fs_->exclusive()) return true;
  Result<fsgofer::WalkResult> walk = fs_->client().Walk(node_, std::span(&name, 1));
  if (!walk.ok() || walk->stop || walk->steps.size() != 1) return child == nullptr;
  const RefPtr<Inode> now = fs_->InodeFor(walk->steps[0], std::move(walk->symlink_target));
  return now.get() == child;
}

Result<std::string> GoferInode::ReadLink(const VfsContext&) {
  if (!is_symlink()) return Errno::kEINVAL;
  {
    base::MutexLock lock(mu_);
    if (link_target_) return *link_target_;
  }
  std::string target = TRY(fs_->client().ReadLink(node_));
  base::MutexLock lock(mu_);
  link_target_ = target;
  return target;
}

Result<RefPtr<Inode>> GoferInode::Create(const VfsContext&, std::string_view name, const CreateArgs& args) {
  const uint32_t type = args.mode & abi::kSIfMt;
  fsgofer::Client& client = fs_->client();
  fsgofer::MakeOptions options = TRY(ToMakeOptions(*fs_, args));
  fsgofer::NodeAttr node;
  if (type == abi::kSIfDir) {
    node = TRY(client.Mkdir(node_, name, options));
  } else if (type == abi::kSIfReg) {
    node = TRY(client.Create(node_, name, options, fsgofer::OpenMode::kNone)).node;
  } else {
    options.mode = args.mode;
    options.rdev_major = abi::Major(args.rdev);
    options.rdev_minor = abi::Minor(args.rdev);
    node = TRY(client.Mknod(node_, name, options));
  }
  Changed();
  return fs_->InodeFor(node);
}

Result<RefPtr<Inode>> GoferInode::Symlink(const VfsContext&, std::string_view name, std::string_view target,
                                          const CreateArgs& args) {
  const fsgofer::NodeAttr node = TRY(fs_->client().Symlink(node_, name, target, TRY(ToMakeOptions(*fs_, args))));
  Changed();
  return fs_->InodeFor(node, std::string(target));
}

Result<void> GoferInode::Link(const VfsContext&, std::string_view name, Inode& target) {
  GoferInode& file = static_cast<GoferInode&>(target);
  const fsgofer::NodeAttr node = TRY(fs_->client().Link(file.node_, node_, name));
  fs_->Release(node.node);
  file.Changed();
  Changed();
  return Ok();
}

Result<void> GoferInode::Unlink(const VfsContext&, std::string_view name, Inode& child) {
  TRY(fs_->client().Unlink(node_, name));
  static_cast<GoferInode&>(child).Changed();
  Changed();
  return Ok();
}

Result<void> GoferInode::Rmdir(const VfsContext&, std::string_view name, Inode&) {
  TRY(fs_->client().Rmdir(node_, name));
  Changed();
  return Ok();
}

Result<void> GoferInode::Rename(const VfsContext&, std::string_view old_name, Inode& child, Inode& new_dir,
                                std::string_view new_name, Inode* replaced, uint32_t flags) {
  GoferInode& target = static_cast<GoferInode&>(new_dir);
  TRY(fs_->client().Rename({node_, old_name, target.node_, new_name, flags}));
  Changed();
  target.Changed();
  static_cast<GoferInode&>(child).Changed();
  if (replaced != nullptr) static_cast<GoferInode*>(replaced)->Changed();
  return Ok();
}

// --- Opening and mapping ---

Result<RefPtr<FileDescription>> GoferInode::Open(const VfsContext&, const Path& path, uint32_t flags) {
  RefPtr<GoferInode> self(this);
  if (is_dir()) {
    if ((flags & abi::kOAccMode) != abi::kORdOnly) return Errno::kEISDIR;
    return RefPtr<FileDescription>(MakeRef<GoferDirectory>(path, flags, std::move(self)));
  }
  if (!is_regular()) return Errno::kENXIO;
  const bool writes = (flags & abi::kOAccMode) != abi::kORdOnly;
  RefPtr<DonatedFd> fd = TRY(Descriptor(writes ? DonatedAccess::kReadWrite : DonatedAccess::kRead));
  return RefPtr<FileDescription>(MakeRef<GoferFile>(path, flags, std::move(self), std::move(fd)));
}

Result<RefPtr<DonatedFd>> GoferInode::Descriptor(DonatedAccess access) {
  {
    base::MutexLock lock(mu_);
    if (access == DonatedAccess::kRead && read_fd_) return read_fd_;
    if (write_fd_) return write_fd_;
  }
  fsgofer::OpenResult opened = TRY(fs_->client().Open(node_, ToMode(access)));
  RefPtr<DonatedFd> fd = MakeRef<DonatedFd>(std::move(opened.fd));
  {
    base::MutexLock lock(mu_);
    (access == DonatedAccess::kRead ? read_fd_ : write_fd_) = fd;
  }
  fs_->descriptors().Keep(*this, fd);
  return fd;
}

void GoferInode::DropDescriptors() {
  RefPtr<DonatedFd> read, write;
  base::MutexLock lock(mu_);
  std::swap(read, read_fd_);
  std::swap(write, write_fd_);
}

Result<void> GoferInode::CheckMap(bool, MemoryProtection) {
  if (!is_regular()) return Errno::kENODEV;
  return Ok();
}

Result<Translation> GoferInode::Translate(uint64_t offset, uint64_t max_length, MemoryProtection access) {
  const RefPtr<DonatedFd> fd = TRY(Descriptor(access.write ? DonatedAccess::kReadWrite : DonatedAccess::kRead));
  const Attributes attributes = TRY(GetAttributes({}));
  const uint64_t end = PageRoundUp(attributes.size);
  if (offset >= end) return Errno::kEFAULT;
  Translation t{};
  t.offset = offset;
  t.length = std::min(std::max(PageRoundDown(max_length), kPageSize), end - offset);
  t.in_memory_file = false;
  t.host_fd = fd->get();
  t.host_offset = offset;
  t.keepalive = fd;
  if (access.write) Changed();
  return t;
}

Result<void> GoferInode::SyncMapped(uint64_t, uint64_t) {
  if (!fs_->exclusive()) return fs_->client().Fsync(node_);
  return Ok();
}

// --- Extended attributes ---

Result<std::string> GoferInode::GetXattr(const VfsContext&, std::string_view name) {
  return fs_->client().GetXattr(node_, name);
}
Result<void> GoferInode::SetXattr(const VfsContext&, std::string_view name, std::string_view value, int flags) {
  return fs_->client().SetXattr(node_, name, value, static_cast<uint32_t>(flags));
}
Result<void> GoferInode::RemoveXattr(const VfsContext&, std::string_view name) {
  return fs_->client().RemoveXattr(node_, name);
}
Result<std::vector<std::string>> GoferInode::ListXattr(const VfsContext&) { return fs_->client().ListXattr(node_); }

}  // namespace sentry

#include "sentry/fs/devpts/devpts.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <map>
#include <string>

#include "sentry/fs/devpts/tty.h"
#include "sentry/vfs/directory_description.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/simple_inode.h"
#include "sentry/vfs/special_files.h"

namespace sentry {
namespace {

constexpr int32_t kMaxPtys = 4096;  // kernel.pty.max
constexpr int32_t kMaxPtysOfInstance = 1 << 20;
constexpr uint64_t kRootIno = 1, kPtmxIno = 2, kFirstSlaveIno = 3;

class PtsInode final : public SimpleInode {
 public:
  PtsInode(RefPtr<FileSystem> fs, Attributes attributes, RefPtr<Tty> tty)
      : SimpleInode(std::move(fs), attributes), tty_(std::move(tty)) {}
  const RefPtr<Tty>& tty() const { return tty_; }

 private:
  const RefPtr<Tty> tty_;
};

class DevptsFs final : public FileSystem {
 public:
  explicit DevptsFs(const DevptsOptions& options) : FileSystem("devpts"), options_(options) {}

  std::string options() const override {
    std::string out;
    if (options_.uid) out += "uid=" + std::to_string(*options_.uid) + ",";
    if (options_.gid) out += "gid=" + std::to_string(*options_.gid) + ",";
    char text[40];
    const int n = snprintf(text, sizeof(text), "mode=%03o,ptmxmode=%03o", options_.mode, options_.ptmx_mode);
    out.append(text, static_cast<size_t>(n));
    if (options_.max < kMaxPtysOfInstance) out += ",max=" + std::to_string(options_.max);
    return out;
  }
  Result<abi::Statfs> StatFs(const VfsContext&) override {
    abi::Statfs st{};
    st.type = 0x1cd1;  // DEVPTS_SUPER_MAGIC
    st.bsize = st.frsize = kPageSize;
    st.namelen = 255;
    return st;
  }
  // As mount(8) passes them on a change of flags; nothing of them can be changed here.
  Result<void> Reconfigure(const VfsContext& ctx, std::string_view options) override {
    if (options.empty()) return Ok();
    return TRY(ParseDevptsOptions(options, *ctx.creds)) == options_ ? Ok() : Errno::kEINVAL;
  }

  // A new pair with the lowest free number. ENOSPC: kernel.pty.max are open.
  Result<RefPtr<Tty>> NewTty(const VfsContext& ctx) {
    base::MutexLock lock(mu_);
    int32_t index = 0;
    for (const auto& [used, inode] : slaves_) {
      if (used != index) break;
      ++index;
    }
    if (index >= std::min(kMaxPtys, options_.max)) return Errno::kENOSPC;
    RefPtr<Tty> tty = MakeRef<Tty>(index);
    Attributes a;
    a.ino = kFirstSlaveIno + static_cast<uint64_t>(index);
    a.mode = abi::kSIfChr | options_.mode;
    a.uid = options_.uid.value_or(ctx.creds->fsuid);
    a.gid = options_.gid.value_or(ctx.creds->fsgid);
    a.rdev = abi::MakeDev(abi::kPtsMajor, static_cast<uint32_t>(index));
    slaves_.emplace(index, MakeRef<PtsInode>(RefPtr<FileSystem>(this), a, tty));
    return tty;
  }
  // The master is closed: the name goes, with the circle fs -> inode -> fs.
  void Remove(int32_t index) {
    RefPtr<PtsInode> gone;  // dropped behind the lock
    base::MutexLock lock(mu_);
    const auto it = slaves_.find(index);
    if (it == slaves_.end()) return;
    gone = std::move(it->second);
    slaves_.erase(it);
  }
  RefPtr<PtsInode> Find(int32_t index) {
    base::MutexLock lock(mu_);
    const auto it = slaves_.find(index);
    return it == slaves_.end() ? nullptr : it->second;
  }
  std::vector<int32_t> Indices() {
    base::MutexLock lock(mu_);
    std::vector<int32_t> out;
    for (const auto& [index, inode] : slaves_) out.push_back(index);
    return out;
  }

 private:
  const DevptsOptions options_;
  base::RankedMutex<base::LockRank::kInode> mu_;
  std::map<int32_t, RefPtr<PtsInode>> slaves_ ABSL_GUARDED_BY(mu_);
};

// The first instance, for ptmx nodes of other file systems. Lives for ever.
std::atomic<DevptsFs*> g_first{nullptr};

// The devpts that the inode at `path` belongs to, if it is one of ours.
DevptsFs* DevptsOf(const Path& path) {
  const RefPtr<Inode> inode = path.dentry->inode();
  if (!inode || inode->fs().type_name() != "devpts") return nullptr;
  return static_cast<DevptsFs*>(&inode->fs());
}

class TtyFile : public FileDescription {
 public:
  TtyFile(Path path, uint32_t flags, RefPtr<Tty> tty, Tty::End end)
      : FileDescription(std::move(path), flags), tty_(std::move(tty)), end_(end) {}
  static const void* Kind() {
    static const char tag = 0;
    return &tag;
  }
  const void* kind() const override { return Kind(); }
  const RefPtr<Tty>& tty() const { return tty_; }
  Tty::End end() const { return end_; }

  base::EventMask Readiness(base::EventMask mask) override { return tty_->Readiness(end_, mask); }
  base::WaitQueue* wait_queue() override { return &tty_->queue(end_); }
  Result<uint64_t> Ioctl(const VfsContext& ctx, uint32_t request, uint64_t arg) override {
    return tty_->Ioctl(ctx, end_, readable(), request, arg);
  }

 private:
  const RefPtr<Tty> tty_;
  const Tty::End end_;
};

class SlaveFile final : public TtyFile {
 public:
  SlaveFile(Path path, uint32_t flags, RefPtr<Tty> tty)
      : TtyFile(std::move(path), flags, std::move(tty), Tty::End::kSlave) {}
  ~SlaveFile() override { tty()->SlaveClosed(); }
  Result<size_t> Read(const VfsContext& ctx, IoSink& dst) override { return tty()->SlaveRead(ctx, dst, nonblocking()); }
  Result<size_t> Write(const VfsContext& ctx, IoSource& src) override {
    return tty()->SlaveWrite(ctx, src, nonblocking());
  }
};

class MasterFile final : public TtyFile {
 public:
  MasterFile(Path path, uint32_t flags, RefPtr<Tty> tty, RefPtr<DevptsFs> fs)
      : TtyFile(std::move(path), flags, std::move(tty), Tty::End::kMaster), fs_(std::move(fs)) {}
  ~MasterFile() override {
    fs_->Remove(tty()->index());
    tty()->MasterClosed();
  }
  Result<size_t> Read(const VfsContext&, IoSink& dst) override { return tty()->MasterRead(dst); }
  Result<size_t> Write(const VfsContext&, IoSource& src) override { return tty()->MasterWrite(src); }
  std::string FdInfo() override { return "tty-index:\t" + std::to_string(tty()->index()) + "\n"; }
  const RefPtr<DevptsFs>& fs() const { return fs_; }

 private:
  const RefPtr<DevptsFs> fs_;
};

Result<RefPtr<FileDescription>> OpenSlaveOf(const VfsContext& ctx, const Path& path, uint32_t flags,
                                            const RefPtr<Tty>& tty, bool check_lock) {
  TRY(tty->SlaveOpened(ctx, check_lock));
  RefPtr<FileDescription> file = MakeRef<SlaveFile>(path, flags, tty);
  if (!(flags & abi::kONoCtty) && file->readable()) tty->MaybeBecomeControlling(ctx);
  return file;
}

// Device 136,N. A node of that number outside of devpts leads nowhere.
Result<RefPtr<FileDescription>> OpenSlave(const VfsContext& ctx, const Path& path, uint32_t flags) {
  if (DevptsOf(path) == nullptr) return Errno::kEIO;
  const RefPtr<Inode> inode = path.dentry->inode();
  return OpenSlaveOf(ctx, path, flags, static_cast<PtsInode*>(inode.get())->tty(), true);
}

// Device 5,0.
Result<RefPtr<FileDescription>> OpenControlling(const VfsContext& ctx, const Path& path, uint32_t flags) {
  const void* identity = ctx.job == nullptr ? nullptr : ctx.job->controlling_terminal();
  const RefPtr<Tty> tty = identity == nullptr ? nullptr : Tty::FindByIdentity(identity);
  if (!tty) return Errno::kENXIO;
  return OpenSlaveOf(ctx, path, flags | abi::kONoCtty, tty, false);
}

// Device 5,2.
Result<RefPtr<FileDescription>> OpenMaster(const VfsContext& ctx, const Path& path, uint32_t flags) {
  DevptsFs* const fs = DevptsOf(path) != nullptr ? DevptsOf(path) : g_first.load();
  if (fs == nullptr) return Errno::kENODEV;
  RefPtr<Tty> tty = TRY(fs->NewTty(ctx));
  return RefPtr<FileDescription>(MakeRef<MasterFile>(path, flags, std::move(tty), RefPtr<DevptsFs>(fs)));
}

int32_t ParseIndex(std::string_view name) {
  if (name.empty() || (name.size() > 1 && name[0] == '0') || name[0] < '0' || name[0] > '9') return -1;
  int32_t index = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  return error == std::errc() && end == name.data() + name.size() ? index : -1;
}

class DevptsDirFile final : public DirectoryDescription {
 public:
  DevptsDirFile(Path path, uint32_t flags, DevptsFs& fs) : DirectoryDescription(std::move(path), flags), fs_(&fs) {}

 private:
  uint64_t ino() const override { return kRootIno; }
  Result<void> IterateEntries(const VfsContext&, DirSink& sink) override ABSL_EXCLUSIVE_LOCKS_REQUIRED(position_mu_) {
    constexpr int64_t kFirstSlave = kFirstEntry + 1;
    if (position() == kFirstEntry) {
      if (!sink.Add("ptmx", kPtmxIno, abi::kSIfChr, kFirstSlave)) return Ok();
      set_position(kFirstSlave);
    }
    for (const int32_t i : fs_->Indices()) {
      if (kFirstSlave + i < position()) continue;
      const uint64_t ino = kFirstSlaveIno + static_cast<uint64_t>(i);
      if (!sink.Add(std::to_string(i), ino, abi::kSIfChr, kFirstSlave + i + 1)) break;
      set_position(kFirstSlave + i + 1);
    }
    return Ok();
  }

  const RefPtr<DevptsFs> fs_;
};

class DevptsRoot final : public SimpleInode {
 public:
  DevptsRoot(RefPtr<DevptsFs> fs, Attributes a, RefPtr<Inode> ptmx)
      : SimpleInode(std::move(fs), a), ptmx_(std::move(ptmx)) {}

  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    if (name == "ptmx") return ptmx_;
    const RefPtr<PtsInode> slave = devpts().Find(ParseIndex(name));
    if (!slave) return Errno::kENOENT;
    return RefPtr<Inode>(slave);
  }
  bool Revalidate(const VfsContext&, std::string_view name, Inode* child) override {
    return child != nullptr && (child == ptmx_.get() || devpts().Find(ParseIndex(name)).get() == child);
  }
  Result<RefPtr<FileDescription>> Open(const VfsContext&, const Path& path, uint32_t flags) override {
    return RefPtr<FileDescription>(MakeRef<DevptsDirFile>(path, flags, devpts()));
  }

 private:
  DevptsFs& devpts() { return static_cast<DevptsFs&>(fs()); }
  const RefPtr<Inode> ptmx_;
};

Result<uint32_t> ParseNumber(std::string_view text, int base) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return Errno::kEINVAL;
  return value;
}

Result<void> ParseOption(std::string_view key, std::string_view value, const UserNamespace& ns,
                         DevptsOptions& options) {
  if (key == "newinstance" || key == "rw" || key == "ro") return value.empty() ? Ok() : Errno::kEINVAL;
  if (key == "uid") {
    options.uid = ns.ToKernelUid(TRY(ParseNumber(value, 10)));
    return *options.uid == kInvalidId ? Errno::kEINVAL : Ok();
  }
  if (key == "gid") {
    options.gid = ns.ToKernelGid(TRY(ParseNumber(value, 10)));
    return *options.gid == kInvalidId ? Errno::kEINVAL : Ok();
  }
  if (key == "mode") {
    options.mode = TRY(ParseNumber(value, 8)) & abi::kPermMask;
  } else if (key == "ptmxmode") {
    options.ptmx_mode = TRY(ParseNumber(value, 8)) & abi::kPermMask;
  } else if (key == "max") {
    const uint32_t max = TRY(ParseNumber(value, 10));
    if (max > static_cast<uint32_t>(kMaxPtysOfInstance)) return Errno::kEINVAL;
    options.max = static_cast<int32_t>(max);
  } else {
    return Errno::kEINVAL;
  }
  return Ok();
}

}  // namespace

Result<DevptsOptions> ParseDevptsOptions(std::string_view text, const Credentials& mounter) {
  DevptsOptions options{.uid = std::nullopt, .gid = std::nullopt, .mode = 0600, .ptmx_mode = 0};
  while (!text.empty()) {
    const std::string_view option = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), option.size() + 1));
    const std::string_view key = option.substr(0, option.find('='));
    const std::string_view value = option.substr(std::min(option.size(), key.size() + 1));
    if (!option.empty()) TRY(ParseOption(key, value, *mounter.user_ns, options));
  }
  return options;
}

DevptsMount NewDevpts(const DevptsOptions& options) {
  RefPtr<DevptsFs> fs = MakeRef<DevptsFs>(options);
  DevptsFs* none = nullptr;
  if (g_first.compare_exchange_strong(none, fs.get())) fs->IncRef();
  Attributes ptmx;
  ptmx.ino = kPtmxIno;
  ptmx.mode = abi::kSIfChr | options.ptmx_mode;
  ptmx.rdev = abi::MakeDev(abi::kTtyAuxMajor, 2);
  Attributes root;
  root.ino = kRootIno;
  root.mode = abi::kSIfDir | 0755;
  root.nlink = 2;
  RefPtr<Inode> inode = MakeRef<DevptsRoot>(fs, root, MakeRef<SimpleInode>(fs, ptmx));
  return {fs, Dentry::NewRoot(std::move(inode))};
}

void RegisterTtyDevices() {
  SpecialFiles::AddCharDevice(abi::kTtyAuxMajor, 0, OpenControlling);
  SpecialFiles::AddCharDevice(abi::kTtyAuxMajor, 2, OpenMaster);
  SpecialFiles::AddCharDeviceRange(abi::kPtsMajor, OpenSlave);
}

Result<RefPtr<FileDescription>> OpenPtyPeer(const VfsContext& ctx, const RefPtr<FileDescription>& master,
                                            uint32_t flags) {
  const RefPtr<TtyFile> file = FileCast<TtyFile>(master);
  if (!file || file->end() != Tty::End::kMaster) return Errno::kENOTTY;
  // The instance's root: where its ptmx stands, or what the mount shows.
  RefPtr<Dentry> root = file->path().dentry->parent();
  if (DevptsOf(Path(file->path().mount, root)) == nullptr) return Errno::kENOTTY;
  const std::string name = std::to_string(file->tty()->index());
  RefPtr<Dentry> slave = TRY(root->LookupChild(ctx, name));
  if (slave->negative()) return Errno::kEIO;
  const uint32_t kept = abi::kOAccMode | abi::kONonBlock | abi::kONoCtty;
  return OpenSlaveOf(ctx, Path(file->path().mount, std::move(slave)), flags & kept, file->tty(), false);
}

Result<PtyPair> OpenPtyPair(const VfsContext& ctx, const RefPtr<Mount>& mount) {
  RefPtr<Dentry> ptmx = TRY(mount->root()->LookupChild(ctx, "ptmx"));
  if (ptmx->negative()) return Errno::kENODEV;
  PtyPair pair;
  pair.master = TRY(OpenMaster(ctx, Path(mount, std::move(ptmx)), abi::kORdWr));
  static_cast<TtyFile*>(pair.master.get())->tty()->SetLocked(false);
  pair.slave = TRY(OpenPtyPeer(ctx, pair.master, abi::kORdWr | abi::kONoCtty));
  return pair;
}

Result<void> SetWindowSize(const RefPtr<FileDescription>& end, const abi::Winsize& size) {
  const RefPtr<TtyFile> file = FileCast<TtyFile>(end);
  if (!file) return Errno::kENOTTY;
  file->tty()->SetWindowSize(size);
  return Ok();
}

Result<void> MakeControlling(const VfsContext& ctx, const RefPtr<FileDescription>& slave) {
  const RefPtr<TtyFile> file = FileCast<TtyFile>(slave);
  if (!file || file->end() != Tty::End::kSlave) return Errno::kENOTTY;
  file->tty()->MaybeBecomeControlling(ctx);
  return Ok();
}

}  // namespace sentry

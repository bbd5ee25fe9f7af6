#include "sentry/fs/cgroup/cgroup_fs.h"

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include "sentry/fs/cgroup/cgroup_files.h"
#include "sentry/vfs/directory_description.h"
#include "sentry/vfs/text_file.h"

namespace sentry {
namespace {

constexpr char kTypeName[] = "cgroup2";
constexpr uint64_t kCgroup2Magic = 0x63677270;
constexpr uint64_t kInosOfOne = 128;  // each group has so many numbers, its directory the first

class CgroupFs final : public FileSystem {
 public:
  explicit CgroupFs(CgroupProcesses& processes) : FileSystem(kTypeName), processes_(processes) {}
  CgroupProcesses& processes() const { return processes_; }
  std::string source() const override { return "cgroup"; }
  Result<abi::Statfs> StatFs(const VfsContext&) override {
    abi::Statfs st{};
    st.type = kCgroup2Magic;
    st.bsize = st.frsize = kPageSize;
    st.namelen = 255;
    return st;
  }

 private:
  CgroupProcesses& processes_;
};

uint64_t InoOf(const Cgroup& cgroup) { return cgroup.id() * kInosOfOne; }

const CgroupFile* FindFile(const Cgroup& cgroup, std::string_view name) {
  const uint32_t available = cgroup.available();
  for (const auto files : {CgroupCoreFiles(), CgroupControllerFiles()}) {
    for (const CgroupFile& file : files) {
      if (name == file.name && file.IsIn(cgroup, available)) return &file;
    }
  }
  return nullptr;
}

uint64_t InoOf(const Cgroup& cgroup, const CgroupFile& file) {
  uint64_t number = 1;
  for (const auto files : {CgroupCoreFiles(), CgroupControllerFiles()}) {
    if (!files.empty() && &file >= files.data() && &file < files.data() + files.size()) {
      return InoOf(cgroup) + number + static_cast<uint64_t>(&file - files.data());
    }
    number += files.size();
  }
  return 0;
}

// A file or directory; owner and mode are kept by the group, as a dentry may be forgotten.
class CgroupInode : public Inode {
 public:
  CgroupInode(RefPtr<CgroupFs> fs, RefPtr<Cgroup> cgroup, std::string_view file, uint64_t ino, uint32_t mode)
      : Inode(std::move(fs)), cgroup_(std::move(cgroup)), file_(file), ino_(ino), mode_(mode), made_(RealtimeNow()) {}

  Cgroup& cgroup() const { return *cgroup_; }
  RefPtr<Cgroup> cgroup_ref() const { return cgroup_; }
  uint64_t ino() const { return ino_; }
  uint32_t type() const final { return mode_ & abi::kSIfMt; }
  RefPtr<CgroupFs> cgroup_fs() const { return RefPtr<CgroupFs>(static_cast<CgroupFs*>(&fs())); }

  Result<Attributes> GetAttributes(const VfsContext&) override {
    const CgroupFileOwner owner = CgroupOwnerOf(*cgroup_, file_, mode_ & abi::kPermMask);
    Attributes a;
    a.ino = ino_;
    a.dev = fs().device();
    a.mode = type() | owner.mode;
    a.uid = owner.uid;
    a.gid = owner.gid;
    a.atime = a.mtime = a.ctime = made_;
    return a;
  }
  Result<void> SetAttr(const VfsContext&, const SetAttributes& set) override {
    CgroupFileOwner owner = CgroupOwnerOf(*cgroup_, file_, mode_ & abi::kPermMask);
    if (set.perm) owner.mode = *set.perm;
    if (set.uid) owner.uid = *set.uid;
    if (set.gid) owner.gid = *set.gid;
    if (set.perm || set.uid || set.gid) cgroup_->SetOwner(file_, owner);
    return Ok();  // O_TRUNC before a write, and times, change nothing
  }

 private:
  const RefPtr<Cgroup> cgroup_;
  const std::string_view file_;  // of the table; "": the directory
  const uint64_t ino_;
  const uint32_t mode_;
  const Timespec made_;
};

class CgroupTextFile final : public TextFile {
 public:
  CgroupTextFile(Path path, uint32_t flags, RefPtr<CgroupInode> inode, RefPtr<Credentials> opener,
                 const CgroupFile& file)
      : TextFile(std::move(path), flags), inode_(std::move(inode)), opener_(std::move(opener)), file_(file) {
    if (file_.changes != nullptr) seen_ = file_.changes(inode_->cgroup());
  }

  base::WaitQueue* wait_queue() override { return file_.queue != nullptr ? file_.queue(inode_->cgroup()) : nullptr; }
  base::EventMask Readiness(base::EventMask mask) override {
    base::EventMask ready = base::kEventIn | base::kEventRdNorm | base::kEventOut | base::kEventWrNorm;
    const bool changed = file_.changes != nullptr && file_.changes(inode_->cgroup()) != seen_;
    if (changed) ready |= base::kEventPri | base::kEventErr;
    return ready & (mask | base::kEventErr);
  }

 private:
  Result<std::string> Generate(const VfsContext& ctx) override {
    if (inode_->cgroup().removed()) return Errno::kENODEV;
    if (file_.read == nullptr) return Errno::kEINVAL;
    if (file_.changes != nullptr) seen_ = file_.changes(inode_->cgroup());
    return file_.read(Request(ctx));
  }
  Result<void> Store(const VfsContext& ctx, const Order& order) override {
    std::string_view text = order.text;
    if (inode_->cgroup().removed()) return Errno::kENODEV;
    if (file_.write == nullptr) return Errno::kEINVAL;
    constexpr std::string_view kSpace(" \t\n\v\f\r\0", 7);
    const size_t from = text.find_first_not_of(kSpace);
    text = from == std::string_view::npos ? "" : text.substr(from, text.find_last_not_of(kSpace) + 1 - from);
    return file_.write(Request(ctx), text);
  }
  CgroupRequest Request(const VfsContext& ctx) const {
    return {ctx, inode_->cgroup_fs()->processes(), inode_->cgroup(), *opener_};
  }

  const RefPtr<CgroupInode> inode_;
  const RefPtr<Credentials> opener_;
  const CgroupFile& file_;
  std::atomic<uint64_t> seen_{0};
};

class CgroupFileInode final : public CgroupInode {
 public:
  CgroupFileInode(RefPtr<CgroupFs> fs, RefPtr<Cgroup> cgroup, const CgroupFile& file)
      : CgroupInode(std::move(fs), cgroup, file.name, InoOf(*cgroup, file), abi::kSIfReg | file.mode()), file_(file) {}
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override {
    if (cgroup().removed()) return Errno::kENODEV;
    return RefPtr<FileDescription>(MakeRef<CgroupTextFile>(path, flags, RefPtr<CgroupInode>(this), ctx.creds, file_));
  }

 private:
  const CgroupFile& file_;
};

class CgroupDirInode final : public CgroupInode {
 public:
  CgroupDirInode(RefPtr<CgroupFs> fs, RefPtr<Cgroup> cgroup)
      : CgroupInode(std::move(fs), cgroup, "", InoOf(*cgroup), abi::kSIfDir | 0755) {}

  Result<Attributes> GetAttributes(const VfsContext& ctx) override {
    Attributes a = TRY(CgroupInode::GetAttributes(ctx));
    a.nlink = 2 + static_cast<uint32_t>(cgroup().Children().size());
    return a;
  }
  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    if (RefPtr<Cgroup> child = cgroup().Child(name)) {
      return RefPtr<Inode>(MakeRef<CgroupDirInode>(cgroup_fs(), std::move(child)));
    }
    const CgroupFile* file = cgroup().removed() ? nullptr : FindFile(cgroup(), name);
    if (file == nullptr) return Errno::kENOENT;
    return RefPtr<Inode>(MakeRef<CgroupFileInode>(cgroup_fs(), cgroup_ref(), *file));
  }
  // Groups are made and removed through other mounts, and by the runtime; files come and go with controllers.
  bool Revalidate(const VfsContext&, std::string_view name, Inode* child) override {
    const RefPtr<Cgroup> now = cgroup().Child(name);
    if (child == nullptr) return !now && FindFile(cgroup(), name) == nullptr;
    if (child->is_dir()) return now.get() == &static_cast<CgroupDirInode*>(child)->cgroup();
    return FindFile(cgroup(), name) != nullptr;
  }
  Result<RefPtr<Inode>> Create(const VfsContext&, std::string_view name, const CreateArgs& args) override {
    if ((args.mode & abi::kSIfMt) != abi::kSIfDir) return Errno::kEPERM;
    const CgroupFileOwner owner{args.uid, args.gid, args.mode & abi::kPermMask};
    RefPtr<Cgroup> child = TRY(cgroup().MakeChild(std::string(name), owner));
    return RefPtr<Inode>(MakeRef<CgroupDirInode>(cgroup_fs(), std::move(child)));
  }
  Result<void> Rmdir(const VfsContext&, std::string_view, Inode& child) override {
    return static_cast<CgroupDirInode&>(child).cgroup().Remove();
  }
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;
};

class CgroupDirFile final : public ListedDirectory {
 public:
  CgroupDirFile(Path path, uint32_t flags, RefPtr<CgroupDirInode> dir)
      : ListedDirectory(std::move(path), flags), dir_(std::move(dir)) {}

 private:
  uint64_t ino() const override { return dir_->ino(); }
  Result<std::vector<DirectoryEntry>> List(const VfsContext&) override {
    std::vector<DirectoryEntry> entries;
    const Cgroup& cgroup = dir_->cgroup();
    const uint32_t available = cgroup.available();
    for (const auto files : {CgroupCoreFiles(), CgroupControllerFiles()}) {
      for (const CgroupFile& file : files) {
        if (file.IsIn(cgroup, available)) entries.push_back({file.name, InoOf(cgroup, file), abi::kSIfReg});
      }
    }
    for (const RefPtr<Cgroup>& child : cgroup.Children()) {
      entries.push_back({child->name(), InoOf(*child), abi::kSIfDir});
    }
    return entries;
  }

  const RefPtr<CgroupDirInode> dir_;
};

Result<RefPtr<FileDescription>> CgroupDirInode::Open(const VfsContext&, const Path& path, uint32_t flags) {
  return RefPtr<FileDescription>(MakeRef<CgroupDirFile>(path, flags, RefPtr<CgroupDirInode>(this)));
}

}  // namespace

CgroupFileOwner CgroupOwnerOf(const Cgroup& cgroup, std::string_view file, uint32_t mode) {
  if (std::optional<CgroupFileOwner> own = cgroup.Owner(file)) return *own;
  // Files are their maker's until somebody says otherwise, whoever gets the directory.
  CgroupFileOwner owner = cgroup.Owner(kCgroupMaker).value_or(CgroupFileOwner{});
  owner.mode = mode;
  return owner;
}

CgroupMount NewCgroupFs(CgroupProcesses& processes, RefPtr<Cgroup> root) {
  RefPtr<CgroupFs> fs = MakeRef<CgroupFs>(processes);
  RefPtr<Dentry> dentry = Dentry::NewRoot(MakeRef<CgroupDirInode>(fs, std::move(root)));
  return {std::move(fs), std::move(dentry)};
}

Result<RefPtr<Cgroup>> CgroupOf(const RefPtr<FileDescription>& file) {
  // By its inode: it may be open with O_PATH.
  const RefPtr<Inode> inode = file->inode();
  if (!inode || !inode->is_dir() || inode->fs().type_name() != kTypeName) return Errno::kEBADF;
  return static_cast<CgroupDirInode&>(*inode).cgroup_ref();
}

}  // namespace sentry

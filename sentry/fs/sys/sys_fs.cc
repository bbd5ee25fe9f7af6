#include "sentry/fs/sys/sys_fs.h"

#include <algorithm>
#include <string>
#include <utility>

#include "sentry/fs/sys/sys_node.h"
#include "sentry/vfs/directory_description.h"
#include "sentry/vfs/text_file.h"

namespace sentry {
namespace {

constexpr uint64_t kSysfsMagic = 0x62656572;
constexpr uint64_t kRootIno = 1;
constexpr uint64_t kAttributeSize = 4096;  // what stat says of each: room for one page

class SysFs final : public FileSystem {
 public:
  SysFs(std::shared_ptr<SysView> view, std::shared_ptr<NetDevices> net)
      : FileSystem("sysfs"), source_{std::move(view), std::move(net)} {}
  const SysSource& sources() const { return source_; }
  Result<abi::Statfs> StatFs(const VfsContext&) override {
    abi::Statfs st{};
    st.type = kSysfsMagic;
    st.bsize = st.frsize = kPageSize;
    st.namelen = 255;
    return st;
  }

 private:
  const SysSource source_;
};

// The same place has the same number in every mount, for as long as there is one.
uint64_t ChildIno(uint64_t parent, std::string_view name) {
  uint64_t h = (parent ^ 0xcbf29ce484222325) * 0x100000001b3;  // FNV-1a
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return h;
}

uint32_t TypeOf(const SysNode& node) {
  constexpr uint32_t kTypes[] = {abi::kSIfDir, abi::kSIfReg, abi::kSIfLnk};
  return kTypes[node.what.index()];
}

class SysInode : public Inode {
 public:
  SysInode(RefPtr<SysFs> fs, uint64_t ino, uint32_t mode)
      : Inode(std::move(fs)), ino_(ino), mode_(mode), made_(RealtimeNow()) {}
  uint32_t type() const final { return mode_ & abi::kSIfMt; }
  uint64_t ino() const { return ino_; }
  const SysSource& source() const { return static_cast<SysFs&>(fs()).sources(); }
  Result<Attributes> GetAttributes(const VfsContext&) override {
    Attributes a;
    a.ino = ino_;
    a.dev = fs().device();
    a.mode = mode_;
    a.atime = a.mtime = a.ctime = made_;
    return a;
  }

 protected:
  RefPtr<SysFs> sysfs() const { return RefPtr<SysFs>(static_cast<SysFs*>(&fs())); }

 private:
  const uint64_t ino_;
  const uint32_t mode_;
  const Timespec made_;
};

class SysAttributeFile final : public TextFile {
 public:
  SysAttributeFile(Path path, uint32_t flags, SysSource source, SysAttribute attribute)
      : TextFile(std::move(path), flags), source_(std::move(source)), attribute_(std::move(attribute)) {}

 private:
  Result<std::string> Generate(const VfsContext&) override { return attribute_.text(source_); }

  const SysSource source_;
  const SysAttribute attribute_;
};

class SysAttributeInode final : public SysInode {
 public:
  SysAttributeInode(RefPtr<SysFs> fs, uint64_t ino, SysAttribute attribute)
      : SysInode(std::move(fs), ino, abi::kSIfReg | 0444), attribute_(std::move(attribute)) {}
  Result<Attributes> GetAttributes(const VfsContext& ctx) override {
    Attributes a = TRY(SysInode::GetAttributes(ctx));
    a.size = kAttributeSize;
    return a;
  }
  Result<RefPtr<FileDescription>> Open(const VfsContext&, const Path& path, uint32_t flags) override {
    // Whoever may do everything: there is nothing to write (KERNFS_ROOT_EXTRA_OPEN_PERM_CHECK).
    if ((flags & abi::kOAccMode) != abi::kORdOnly) return Errno::kEACCES;
    return RefPtr<FileDescription>(MakeRef<SysAttributeFile>(path, flags, source(), attribute_));
  }

 private:
  const SysAttribute attribute_;
};

class SysLinkInode final : public SysInode {
 public:
  SysLinkInode(RefPtr<SysFs> fs, uint64_t ino, SysLink link)
      : SysInode(std::move(fs), ino, abi::kSIfLnk | 0777), link_(std::move(link)) {}
  Result<std::string> ReadLink(const VfsContext&) override { return link_.target; }
  Result<RefPtr<FileDescription>> Open(const VfsContext&, const Path&, uint32_t) override { return Errno::kELOOP; }

 private:
  const SysLink link_;
};

class SysDirInode final : public SysInode {
 public:
  SysDirInode(RefPtr<SysFs> fs, uint64_t ino, SysDirectory directory)
      : SysInode(std::move(fs), ino, abi::kSIfDir | directory.mode), directory_(std::move(directory)) {}

  SysNodes List() const { return directory_.list(source()); }

  Result<Attributes> GetAttributes(const VfsContext& ctx) override {
    Attributes a = TRY(SysInode::GetAttributes(ctx));
    const SysNodes nodes = List();
    const auto is_dir = [](const SysNode& node) { return TypeOf(node) == abi::kSIfDir; };
    a.nlink = 2 + static_cast<uint32_t>(std::count_if(nodes.begin(), nodes.end(), is_dir));
    return a;
  }
  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    for (SysNode& node : List()) {
      if (node.name == name) return Make(std::move(node));
    }
    return Errno::kENOENT;
  }
  bool Revalidate(const VfsContext&, std::string_view name, Inode* child) override {
    if (!directory_.changes) return true;
    const SysNodes nodes = List();
    const bool there = std::any_of(nodes.begin(), nodes.end(), [&](const SysNode& node) { return node.name == name; });
    return there == (child != nullptr);
  }
  Result<RefPtr<FileDescription>> Open(const VfsContext& ctx, const Path& path, uint32_t flags) override;

 private:
  RefPtr<Inode> Make(SysNode node) const {
    const uint64_t child = ChildIno(ino(), node.name);
    if (auto* directory = std::get_if<SysDirectory>(&node.what)) {
      return MakeRef<SysDirInode>(sysfs(), child, std::move(*directory));
    }
    if (auto* link = std::get_if<SysLink>(&node.what)) return MakeRef<SysLinkInode>(sysfs(), child, std::move(*link));
    return MakeRef<SysAttributeInode>(sysfs(), child, std::get<SysAttribute>(std::move(node.what)));
  }

  const SysDirectory directory_;
};

class SysDirFile final : public ListedDirectory {
 public:
  SysDirFile(Path path, uint32_t flags, RefPtr<SysDirInode> dir)
      : ListedDirectory(std::move(path), flags), dir_(std::move(dir)) {}

 private:
  uint64_t ino() const override { return dir_->ino(); }
  Result<std::vector<DirectoryEntry>> List(const VfsContext&) override {
    std::vector<DirectoryEntry> entries;
    for (const SysNode& node : dir_->List()) {
      entries.push_back({node.name, ChildIno(dir_->ino(), node.name), TypeOf(node)});
    }
    return entries;
  }

  const RefPtr<SysDirInode> dir_;
};

Result<RefPtr<FileDescription>> SysDirInode::Open(const VfsContext&, const Path& path, uint32_t flags) {
  return RefPtr<FileDescription>(MakeRef<SysDirFile>(path, flags, RefPtr<SysDirInode>(this)));
}

}  // namespace

SysMount NewSysFs(std::shared_ptr<SysView> view, std::shared_ptr<NetDevices> net) {
  RefPtr<SysFs> fs = MakeRef<SysFs>(std::move(view), std::move(net));
  SysDirectory root{[](const SysSource&) { return SysRoot(); }};
  RefPtr<Dentry> dentry = Dentry::NewRoot(MakeRef<SysDirInode>(fs, kRootIno, std::move(root)));
  return {std::move(fs), std::move(dentry)};
}

}  // namespace sentry

// /proc/PID/fd, fdinfo and ns: entries that lead to objects of the process.
#include <string>

#include "absl/strings/str_cat.h"
#include "sentry/fs/proc/proc_inode.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/nsfs.h"
#include "sentry/vfs/path_walk.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

// fd/N. Following it gives the open file's own place, whatever names it has by
// now; opening that is a new open (a pipe's is one of the same pipe).
class FdLink final : public ProcInode {
 public:
  FdLink(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, int32_t fd, uint32_t perm)
      : ProcInode(std::move(fs), ino, abi::kSIfLnk | perm, task), fd_(fd) {}

  int32_t fd() const { return fd_; }
  Result<LinkTarget> FollowLink(const VfsContext& ctx) override { return LinkTarget(TRY(Find(ctx))); }
  Result<std::string> ReadLink(const VfsContext& ctx) override {
    const Path path = TRY(Find(ctx));
    if (ctx.mounts == nullptr) return Errno::kENOENT;
    return PathToString(*ctx.mounts, ctx.root, path);
  }

 private:
  Result<Path> Find(const VfsContext& ctx) {
    const TaskSnapshot t = TRY(SnapshotOf(Request(ctx)));
    if (!MayTrace(ctx, t)) return Errno::kEACCES;
    const OpenFd open = view().GetFd(task().tgid, task().tid, fd_);
    if (!open.file) return Errno::kENOENT;
    return open.file->path();
  }
  const int32_t fd_;
};

class FdDir final : public ProcDir {
 public:
  FdDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, bool info)
      : ProcDir(std::move(fs), ino, abi::kSIfDir | (info ? 0555 : 0500), task), info_(info) {}

  std::vector<Entry> Entries(const VfsContext& ctx) override {
    std::vector<Entry> out;
    const Result<TaskSnapshot> t = SnapshotOf(Request(ctx));
    if (!t.ok() || !MayTrace(ctx, *t)) return out;
    for (const int32_t fd : view().FdNumbers(task().tgid, task().tid)) {
      const std::string name = std::to_string(fd);
      out.push_back({name, ProcIno(ino(), name), info_ ? abi::kSIfReg : abi::kSIfLnk, int64_t{fd} + 2});
    }
    return out;
  }
  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    const int32_t fd = ParseProcNumber(name);
    if (fd < 0 || !Alive()) return Errno::kENOENT;
    const std::optional<uint32_t> access = view().FdAccess(task().tgid, task().tid, fd);
    if (!access) return Errno::kENOENT;
    const uint64_t child = ProcIno(ino(), name);
    if (info_) return RefPtr<Inode>(MakeRef<ProcFdInfo>(proc(), child, task(), fd));
    return RefPtr<Inode>(MakeRef<FdLink>(proc(), child, task(), fd, Perm(*access)));
  }
  bool Revalidate(const VfsContext&, std::string_view name, Inode* child) override {
    if (child == nullptr || !Alive()) return false;
    const std::optional<uint32_t> access = view().FdAccess(task().tgid, task().tid, ParseProcNumber(name));
    if (!access) return false;
    if (info_) return true;
    // The link's permission tells how the file is open: another file, another link.
    return static_cast<FdLink*>(child)->mode() == (abi::kSIfLnk | Perm(*access));
  }
  // The process itself may always look (Linux's proc_fd_permission).
  Result<void> CheckPermission(const VfsContext& ctx, uint32_t mask) override {
    if (ctx.tgid != 0 && view().NumberOf(ctx.tgid) == task().tgid) return Ok();
    return ProcDir::CheckPermission(ctx, mask);
  }

 private:
  static uint32_t Perm(uint32_t access) {
    return (access & abi::kMayRead ? 0500 : 0) | (access & abi::kMayWrite ? 0300 : 0);
  }
  const bool info_;
};

struct NsRow {
  const char* name;
  NamespaceKind kind;
  bool of_children = false;
};
constexpr NsRow kNamespaces[] = {
    {"cgroup", NamespaceKind::kCgroup}, {"ipc", NamespaceKind::kIpc}, {"mnt", NamespaceKind::kMnt},
    {"net", NamespaceKind::kNet},       {"pid", NamespaceKind::kPid}, {"pid_for_children", NamespaceKind::kPid, true},
    {"user", NamespaceKind::kUser},     {"uts", NamespaceKind::kUts},
};

class NsLink final : public ProcInode {
 public:
  NsLink(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, const NsRow& row)
      : ProcInode(std::move(fs), ino, abi::kSIfLnk | 0777, task), row_(row) {}

  Result<std::string> ReadLink(const VfsContext& ctx) override {
    const RefPtr<Namespace> ns = TRY(Find(ctx));
    return absl::StrCat(NameOf(ns->kind()), ":[", ns->id(), "]");
  }
  Result<LinkTarget> FollowLink(const VfsContext& ctx) override { return LinkTarget(NsPath(TRY(Find(ctx)))); }

 private:
  Result<RefPtr<Namespace>> Find(const VfsContext& ctx) {
    const TaskSnapshot t = TRY(SnapshotOf(Request(ctx)));
    if (!MayTrace(ctx, t)) return Errno::kEACCES;
    RefPtr<Namespace> ns = view().GetNamespace(task().tgid, task().tid, row_.kind, row_.of_children);
    if (!ns) return Errno::kENOENT;
    return ns;
  }
  const NsRow& row_;
};

class NsDir final : public ProcDir {
 public:
  NsDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task) : ProcDir(std::move(fs), ino, abi::kSIfDir | 0511, task) {}
  std::vector<Entry> Entries(const VfsContext&) override {
    std::vector<Entry> out;
    for (const NsRow& row : kNamespaces) {
      out.push_back({row.name, ProcIno(ino(), row.name), abi::kSIfLnk, static_cast<int64_t>(out.size()) + 2});
    }
    return out;
  }
  Result<RefPtr<Inode>> Lookup(const VfsContext&, std::string_view name) override {
    for (const NsRow& row : kNamespaces) {
      if (name == row.name) return RefPtr<Inode>(MakeRef<NsLink>(proc(), ProcIno(ino(), name), task(), row));
    }
    return Errno::kENOENT;
  }
};

}  // namespace

RefPtr<ProcDir> NewProcFdDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, bool info) {
  return MakeRef<FdDir>(std::move(fs), ino, task, info);
}

RefPtr<ProcDir> NewProcNsDir(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task) {
  return MakeRef<NsDir>(std::move(fs), ino, task);
}

}  // namespace sentry

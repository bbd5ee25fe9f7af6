// Symbolic links of proc: plain ones, and those that lead to an object.
#include "sentry/fs/proc/proc_inode.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/path_walk.h"

namespace sentry {
namespace {

class TextLink final : public ProcInode {
 public:
  TextLink(RefPtr<ProcFs> fs, uint64_t ino, Result<std::string> (*text)(const ProcRequest&))
      : ProcInode(std::move(fs), ino, abi::kSIfLnk | 0777, ProcTask{}), text_(text) {}
  Result<std::string> ReadLink(const VfsContext& ctx) override { return text_(Request(ctx)); }

 private:
  Result<std::string> (*const text_)(const ProcRequest&);
};

class PlaceLink final : public ProcInode {
 public:
  PlaceLink(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, ProcPlace place)
      : ProcInode(std::move(fs), ino, abi::kSIfLnk | 0777, task), place_(place) {}

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
    TaskPlaces places = view().Places(task().tgid, task().tid);
    Path path = place_ == ProcPlace::kExe ? places.exe : place_ == ProcPlace::kCwd ? places.cwd : places.root;
    if (!path) return Errno::kENOENT;
    return path;
  }
  const ProcPlace place_;
};

}  // namespace

RefPtr<Inode> NewProcTextLink(RefPtr<ProcFs> fs, uint64_t ino, Result<std::string> (*text)(const ProcRequest&)) {
  return MakeRef<TextLink>(std::move(fs), ino, text);
}

RefPtr<Inode> NewProcPlaceLink(RefPtr<ProcFs> fs, uint64_t ino, ProcTask task, ProcPlace place) {
  return MakeRef<PlaceLink>(std::move(fs), ino, task, place);
}

}  // namespace sentry

// A tree for tests: a tmpfs over a small memory file, its namespace, a context.
#ifndef SENTRY_VFS_TEST_TREE_H_
#define SENTRY_VFS_TEST_TREE_H_

#include <sys/mman.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/operations.h"

namespace sentry {

inline std::unique_ptr<MemoryFile> NewTestMemory(uint64_t limit = 64 << 20) {
  MemoryFile::Options options;
  options.small_fd = base::UniqueFd(memfd_create("test", MFD_CLOEXEC));
  options.limit = limit;
  return std::move(MemoryFile::Create(std::move(options))).value();
}

inline RefPtr<Credentials> NewTestCredentials(uint32_t id, CapabilitySet capabilities) {
  auto creds = MakeRef<Credentials>();
  creds->uid = creds->euid = creds->suid = creds->fsuid = id;
  creds->gid = creds->egid = creds->sgid = creds->fsgid = id;
  creds->effective = creds->permitted = capabilities;
  return creds;
}

struct TestTree {
  explicit TestTree(RefPtr<FileSystem> fs, RefPtr<Inode> root) {
    mounts = MakeRef<MountNamespace>(MakeRef<Mount>(fs, Dentry::NewRoot(std::move(root)), MountFlags{}));
    ctx.creds = NewTestCredentials(0, CapabilitySet::All());
    ctx.root = ctx.cwd = mounts->root();
    ctx.mounts = mounts.get();
    ctx.umask = 0;
  }
  ~TestTree() { DentryCache::Purge(nullptr); }

  // The same place, as somebody without capabilities.
  VfsContext As(uint32_t id) const {
    VfsContext other = ctx;
    other.creds = NewTestCredentials(id, {});
    return other;
  }
  Result<RefPtr<FileDescription>> Open(std::string_view path, uint32_t flags, uint32_t mode = 0644) {
    return sentry::Open(ctx, ctx.cwd, path, OpenHow{.flags = flags, .mode = mode, .resolve = {}});
  }
  void Write(std::string_view path, std::string_view text) {
    auto file = Open(path, abi::kOCreat | abi::kOTrunc | abi::kOWrOnly);
    CHECK(file.ok());
    KernelIoSource src(std::as_bytes(std::span(text.data(), text.size())));
    CHECK((*file)->Write(ctx, src).ok());
  }
  std::string Read(std::string_view path) {
    auto file = Open(path, abi::kORdOnly);
    if (!file.ok()) return std::string(base::ErrnoName(file.error()));
    return ReadAll(**file);
  }
  std::string ReadAll(FileDescription& file) {
    std::string out(1 << 16, '\0');
    KernelIoSink dst(std::as_writable_bytes(std::span(out.data(), out.size())));
    Result<size_t> n = file.ReadAt(ctx, dst, 0);
    if (!n.ok()) return std::string(base::ErrnoName(n.error()));
    out.resize(*n);
    return out;
  }
  void Mkdir(std::string_view path, uint32_t mode = 0755) { CHECK(MakeDirectory(ctx, ctx.cwd, path, mode).ok()); }
  Attributes Stat(std::string_view path, bool follow = true) {
    auto place = ResolvePath(ctx, ctx.cwd, path, WalkFlags{.follow = follow});
    if (!place.ok()) return Attributes{};
    return GetAttributes(ctx, *place).value();
  }
  bool Exists(std::string_view path) { return ResolvePath(ctx, ctx.cwd, path, WalkFlags{.follow = false}).ok(); }
  struct Names final : DirSink {
    bool Add(std::string_view name, uint64_t, uint32_t, int64_t next) override {
      if (names.size() >= max) return false;
      names.emplace_back(name);
      offset = next;
      return true;
    }
    std::vector<std::string> names;
    size_t max = SIZE_MAX;
    int64_t offset = 0;
  };
  // Without "." and "..".
  std::vector<std::string> List(std::string_view path) {
    auto dir = Open(path, abi::kORdOnly | abi::kODirectory);
    CHECK(dir.ok());
    Names sink;
    CHECK((*dir)->IterateDir(ctx, sink).ok());
    CHECK(sink.names.size() >= 2);
    sink.names.erase(sink.names.begin(), sink.names.begin() + 2);
    return sink.names;
  }

  RefPtr<MountNamespace> mounts;
  VfsContext ctx;
};

// A tree that is a tmpfs.
struct TmpfsTree {
  explicit TmpfsTree(TmpfsOptions options = {})
      : memory(NewTestMemory()),
        fs(TmpfsFileSystem::Create(*memory, std::move(options))),
        tree(std::make_unique<TestTree>(fs, fs->NewRoot())) {}
  TestTree* operator->() { return tree.get(); }
  std::unique_ptr<MemoryFile> memory;
  RefPtr<TmpfsFileSystem> fs;
  std::unique_ptr<TestTree> tree;
};

}  // namespace sentry

#endif  // SENTRY_VFS_TEST_TREE_H_

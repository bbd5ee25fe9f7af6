// Threads that do anything to a few names at once, on a tmpfs and on an overlay:
// nothing may crash, deadlock, take locks out of order or leave memory behind.
#include <random>
#include <thread>

#include "gtest/gtest.h"
#include "sentry/fs/overlay/overlay.h"
#include "sentry/vfs/test_tree.h"

namespace sentry {
namespace {

class Worker {
 public:
  Worker(TestTree& tree, uint32_t seed) : t_(tree), random_(seed) {}

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
  }

 private:
  std::string Name() {
    std::string name;
    for (int depth = 1 + static_cast<int>(random_() % 3); depth > 0; --depth) {
      name += '/';
      name += static_cast<char>('a' + random_() % 4);
    }
    return name;
  }

  // Results do not matter: most fail, as the names come and go.
  void Step() {
    const VfsContext& ctx = t_.ctx;
    const std::string a = Name(), b = Name();
    switch (random_() % 10) {
      case 0:
        return (void)MakeDirectory(ctx, ctx.cwd, a, 0755);
      case 1:
        return (void)RemoveDirectory(ctx, ctx.cwd, a);
      case 2:
        return (void)Unlink(ctx, ctx.cwd, a);
      case 3:
        return (void)Rename(ctx, ctx.cwd, a, ctx.cwd, b, 0);
      case 4:
        return (void)Rename(ctx, ctx.cwd, a, ctx.cwd, b, abi::kRenameExchange);
      case 5:
        return (void)MakeLink(ctx, ctx.cwd, a, ctx.cwd, b, {});
      case 6:
        return WriteAndRead(a);
      case 7:
        return List(a);
      case 8:
        return Change(a);
      default:
        if (random_() % 50 == 0) DentryCache::Purge(nullptr);
    }
  }
  void WriteAndRead(const std::string& name) {
    auto file = t_.Open(name, abi::kOCreat | abi::kORdWr);
    if (!file.ok()) return;
    const std::string text(100, 'x');
    KernelIoSource src(std::as_bytes(std::span(text.data(), text.size())));
    (void)(*file)->Write(t_.ctx, src);
    (void)t_.ReadAll(**file);
  }
  void List(const std::string& name) {
    auto dir = t_.Open(name, abi::kODirectory);
    TestTree::Names sink;
    if (dir.ok()) (void)(*dir)->IterateDir(t_.ctx, sink);
  }
  void Change(const std::string& name) {
    auto path = ResolvePath(t_.ctx, t_.ctx.cwd, name);
    if (!path.ok()) return;
    (void)ChangeMode(t_.ctx, *path, 0755);
    (void)PathToString(*t_.mounts, t_.ctx.root, *path);
    (void)Truncate(t_.ctx, *path, random_() % 9000);
  }

  TestTree& t_;
  std::mt19937 random_;
};

void RunThreads(TestTree& tree) {
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) threads.emplace_back([&tree, i] { Worker(tree, i).Run(1500); });
  for (std::thread& thread : threads) thread.join();
}

TEST(Stress, TmpfsLeavesNothingBehind) {
  DentryCache::SetCapacity(20);
  auto memory = NewTestMemory();
  {
    auto fs = TmpfsFileSystem::Create(*memory);
    TestTree tree(fs, fs->NewRoot());
    RunThreads(tree);
  }
  EXPECT_EQ(memory->usage().total(), 0u);
}

TEST(Stress, OverlayLeavesNothingBehind) {
  DentryCache::SetCapacity(20);
  auto memory = NewTestMemory();
  {
    auto lower_fs = TmpfsFileSystem::Create(*memory), upper = TmpfsFileSystem::Create(*memory);
    const RefPtr<Inode> lower_root = lower_fs->NewRoot();
    TestTree lower(lower_fs, lower_root);
    Worker(lower, 42).Run(2000);
    auto fs = OverlayFileSystem::Create(upper, {lower_root}).value();
    TestTree tree(fs, fs->NewRoot());
    RunThreads(tree);
  }
  EXPECT_EQ(memory->usage().total(), 0u);
}

}  // namespace
}  // namespace sentry

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "fsgofer/server/test_util.h"
#include "sentry/fs/gofer/gofer_fs.h"
#include "sentry/fs/gofer/gofer_inode.h"
#include "sentry/vfs/file_locks.h"
#include "sentry/vfs/inotify.h"
#include "sentry/vfs/notify.h"
#include "sentry/vfs/test_tree.h"

namespace sentry {
namespace {

class GoferFsTest : public testing::Test {
 protected:
  void Start(GoferCaching caching, bool readonly, size_t max_descriptors = 64) {
    gofer_ = std::make_unique<fsgofer::TestGofer>(
        std::vector<fsgofer::MountPoint>{{.host_path = dir_.path(), .readonly = readonly}});
    // The client is the test gofer's; it outlives the tree.
    const std::shared_ptr<fsgofer::Client> client(&gofer_->client(), [](fsgofer::Client*) {});
    RefPtr<FileSystem> fs;
    descriptors_ = std::make_unique<DonatedFds>(max_descriptors);
    const GoferOptions options{.client = client, .mount = 0, .caching = caching, .descriptors = descriptors_.get()};
    RefPtr<Dentry> root = std::move(GoferFileSystem::Mount(options, &fs)).value();
    tree_ = std::make_unique<TestTree>(std::move(fs), root->inode());
  }
  ~GoferFsTest() override {
    tree_.reset();
    gofer_.reset();
  }
  void Host(std::string_view name, std::string_view text) { fsgofer::WriteHostFile(dir_ / name, text); }
  TestTree& tree() { return *tree_; }

  fsgofer::TempDir dir_;
  std::unique_ptr<fsgofer::TestGofer> gofer_;
  std::unique_ptr<DonatedFds> descriptors_;
  std::unique_ptr<TestTree> tree_;
};

TEST_F(GoferFsTest, ReadsThroughDirectoriesAndLinks) {
  ASSERT_EQ(mkdir((dir_ / "a").c_str(), 0755), 0);
  ASSERT_EQ(mkdir((dir_ / "a/b").c_str(), 0755), 0);
  Host("a/b/file", "text");
  ASSERT_EQ(symlink("b/file", (dir_ / "a/link").c_str()), 0);
  Start(GoferCaching::kExclusive, true);
  EXPECT_EQ(tree().Read("/a/b/file"), "text");
  EXPECT_EQ(tree().Read("/a/link"), "text");
  EXPECT_EQ(tree().Read("/a/none"), "ENOENT");
  EXPECT_EQ(tree().Read("/a/b/file/x"), "ENOTDIR");
  EXPECT_EQ(tree().Stat("/a/link", false).type(), abi::kSIfLnk);
}

TEST_F(GoferFsTest, ListsEveryNameOnceInSteps) {
  for (int i = 0; i < 300; ++i) Host("f" + std::to_string(i), "");
  Start(GoferCaching::kExclusive, true);
  auto dir = std::move(tree().Open("/", abi::kORdOnly | abi::kODirectory)).value();
  std::vector<std::string> names;
  while (true) {
    TestTree::Names some;
    some.max = 7;
    ASSERT_TRUE(dir->IterateDir(tree().ctx, some).ok());
    if (some.names.empty()) break;
    names.insert(names.end(), some.names.begin(), some.names.end());
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names.size(), 302u);  // "." and ".." among them
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST_F(GoferFsTest, TwoNamesOfAFileAreOneInode) {
  Host("one", "x");
  ASSERT_EQ(link((dir_ / "one").c_str(), (dir_ / "two").c_str()), 0);
  Start(GoferCaching::kExclusive, true);
  const auto one = std::move(ResolvePath(tree().ctx, tree().ctx.cwd, "/one")).value();
  const auto two = std::move(ResolvePath(tree().ctx, tree().ctx.cwd, "/two")).value();
  EXPECT_EQ(one.dentry->inode().get(), two.dentry->inode().get());
}

TEST_F(GoferFsTest, ReadOnlyRefusesEveryChange) {
  Host("file", "x");
  Start(GoferCaching::kExclusive, true);
  EXPECT_TRUE(tree().Open("/new", abi::kOCreat | abi::kOWrOnly).Is(Errno::kEROFS));
  EXPECT_TRUE(MakeDirectory(tree().ctx, tree().ctx.cwd, "/d", 0755).Is(Errno::kEROFS));
  EXPECT_TRUE(Unlink(tree().ctx, tree().ctx.cwd, "/file").Is(Errno::kEROFS));
  EXPECT_FALSE(tree().Open("/file", abi::kOWrOnly).ok());
}

TEST_F(GoferFsTest, WritableVolumeIsWrittenThrough) {
  Start(GoferCaching::kShared, false);
  tree().Mkdir("/d");
  tree().Write("/d/file", "guest");
  const base::UniqueFd host(open((dir_ / "d/file").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(fsgofer::ReadFd(host.get()), "guest");
  ASSERT_TRUE(Rename(tree().ctx, tree().ctx.cwd, "/d/file", tree().ctx.cwd, "/moved", 0).ok());
  EXPECT_EQ(access((dir_ / "moved").c_str(), F_OK), 0);
  EXPECT_EQ(access((dir_ / "d/file").c_str(), F_OK), -1);
  ASSERT_TRUE(RemoveDirectory(tree().ctx, tree().ctx.cwd, "/d").ok());
  EXPECT_EQ(access((dir_ / "d").c_str(), F_OK), -1);
}

TEST_F(GoferFsTest, SharedVolumeShowsWhatTheHostDoes) {
  Host("file", "old");
  Start(GoferCaching::kShared, false);
  EXPECT_EQ(tree().Read("/file"), "old");
  EXPECT_FALSE(tree().Exists("/later"));
  Host("later", "x");
  EXPECT_TRUE(tree().Exists("/later"));
  Host("file", "longer than before");
  EXPECT_EQ(tree().Stat("/file").size, 18u);
  ASSERT_EQ(unlink((dir_ / "file").c_str()), 0);
  EXPECT_FALSE(tree().Exists("/file"));
}

TEST_F(GoferFsTest, DescriptorsAreBounded) {
  constexpr int kFiles = 200;
  for (int i = 0; i < kFiles; ++i) Host("f" + std::to_string(i), std::to_string(i));
  Start(GoferCaching::kExclusive, true, 8);
  const int before = dup(0);
  close(before);
  for (int i = 0; i < kFiles; ++i) EXPECT_EQ(tree().Read("/f" + std::to_string(i)), std::to_string(i));
  const int after = dup(0);
  close(after);
  EXPECT_LT(after - before, 32);
  // What was let go is asked for again.
  EXPECT_EQ(tree().Read("/f0"), "0");
}

TEST_F(GoferFsTest, DeadGoferIsAnError) {
  Host("file", "x");
  Start(GoferCaching::kExclusive, true);
  gofer_->KillServer();
  EXPECT_EQ(tree().Read("/file"), "EIO");
}

// Two containers' mounts of one host directory, each by a gofer of its own.
class VolumeTest : public testing::Test {
 protected:
  struct Side {
    Side(const std::string& path, bool readonly, DonatedFds& descriptors, RefPtr<Volume> volume)
        : gofer(std::vector<fsgofer::MountPoint>{{.host_path = path, .readonly = readonly}}) {
      const std::shared_ptr<fsgofer::Client> client(&gofer.client(), [](fsgofer::Client*) {});
      RefPtr<FileSystem> fs;
      RefPtr<Dentry> root = std::move(GoferFileSystem::Mount({.client = client,
                                                              .caching = GoferCaching::kShared,
                                                              .descriptors = &descriptors,
                                                              .volume = std::move(volume)},
                                                             &fs))
                                .value();
      tree.emplace(std::move(fs), root->inode());
    }
    RefPtr<Inode> Find(std::string_view path) {
      return std::move(ResolvePath(tree->ctx, tree->ctx.cwd, path)).value().dentry->inode();
    }
    fsgofer::TestGofer gofer;
    std::optional<TestTree> tree;
  };
  std::unique_ptr<Side> Mount(const std::string& identity, bool readonly = false) {
    return std::make_unique<Side>(dir_.path(), readonly, descriptors_, volumes_.Get(identity));
  }

  fsgofer::TempDir dir_;
  DonatedFds descriptors_{64};
  Volumes volumes_;
};

TEST_F(VolumeTest, OneFileHasOneStateWhateverTheMount) {
  fsgofer::WriteHostFile(dir_ / "file", "x");
  fsgofer::WriteHostFile(dir_ / "other", "x");
  const auto one = Mount("/source"), two = Mount("/source", true), apart = Mount("/another");
  const RefPtr<Inode> file = one->Find("/file");
  EXPECT_NE(file.get(), two->Find("/file").get());
  EXPECT_EQ(file->identity(), two->Find("/file")->identity());
  EXPECT_NE(file->identity(), two->Find("/other")->identity());
  EXPECT_NE(file->identity(), apart->Find("/file")->identity());
  EXPECT_EQ(one->tree->Stat("/file").dev, two->tree->Stat("/file").dev);
  EXPECT_NE(one->tree->Stat("/file").dev, apart->tree->Stat("/file").dev);
  // Each mount's gofer still refuses what is not its own.
  EXPECT_TRUE(one->tree->Open("/file", abi::kOWrOnly).ok());
  EXPECT_FALSE(two->tree->Open("/file", abi::kOWrOnly).ok());
}

TEST_F(VolumeTest, LocksOfOneAreInTheOthersWay) {
  fsgofer::WriteHostFile(dir_ / "file", "x");
  const auto one = Mount("/source"), two = Mount("/source");
  RefPtr<FileDescription> holder = std::move(one->tree->Open("/file", abi::kORdWr)).value();
  const RefPtr<FileDescription> waiter = std::move(two->tree->Open("/file", abi::kORdWr)).value();
  ASSERT_TRUE(holder->inode()->locks().SetFlock(holder.get(), LockType::kWrite).ok());
  EXPECT_TRUE(waiter->inode()->locks().SetFlock(waiter.get(), LockType::kWrite).Is(Errno::kEAGAIN));
  holder = nullptr;
  EXPECT_TRUE(waiter->inode()->locks().SetFlock(waiter.get(), LockType::kWrite).ok());
}

TEST_F(VolumeTest, WatchesSeeTheOtherAndOutliveIt) {
  auto one = Mount("/source");
  const auto two = Mount("/source");
  const auto events = [&](Inotify& instance) {
    std::vector<std::byte> buffer(4096);
    KernelIoSink sink(buffer);
    const Result<size_t> n = instance.Read(two->tree->ctx, sink);
    return n.ok() ? *n : 0;
  };
  const RefPtr<FileDescription> made = std::move(Inotify::Create(two->tree->ctx, abi::kInNonBlock)).value();
  Inotify& inotify = static_cast<Inotify&>(*made);
  ASSERT_TRUE(inotify.AddWatch(two->tree->ctx.root, abi::kInCreate | abi::kInDelete).ok());
  const RefPtr<FileDescription> theirs = std::move(Inotify::Create(one->tree->ctx, abi::kInNonBlock)).value();
  ASSERT_TRUE(static_cast<Inotify&>(*theirs).AddWatch(one->tree->ctx.root, abi::kInCreate).ok());
  one->tree->Write("/new", "x");
  EXPECT_GT(events(inotify), 0u);
  // What ends with a mount are the watches through it.
  notify::FileSystemUnmounted(one->tree->ctx.root.dentry->inode()->fs());
  EXPECT_GT(events(static_cast<Inotify&>(*theirs)), 0u);
  ASSERT_TRUE(Unlink(two->tree->ctx, two->tree->ctx.cwd, "/new").ok());
  EXPECT_GT(events(inotify), 0u);
}

TEST_F(VolumeTest, AnotherDirectoryUnderTheSameNameIsAnother) {
  fsgofer::TempDir later;
  fsgofer::WriteHostFile(dir_ / "file", "x");
  ASSERT_EQ(link((dir_ / "file").c_str(), (later / "file").c_str()), 0);
  const auto one = Mount("/source");
  const auto two = std::make_unique<Side>(later.path(), false, descriptors_, volumes_.Get("/source"));
  EXPECT_NE(one->Find("/file")->identity(), two->Find("/file")->identity());
}

}  // namespace
}  // namespace sentry

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "fsgofer/server/test_util.h"
#include "sentry/fs/gofer/gofer_fs.h"
#include "sentry/fs/gofer/gofer_inode.h"
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
    const GoferOptions options{.client = client, .mount = 0, .caching = caching, .max_descriptors = max_descriptors};
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

}  // namespace
}  // namespace sentry

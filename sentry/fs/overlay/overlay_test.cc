#include "sentry/fs/overlay/overlay.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "sentry/vfs/test_tree.h"

namespace sentry {
namespace {

// A lower tree made in a tmpfs of its own, then an overlay on it.
class Overlay : public testing::Test {
 protected:
  Overlay() {
    lower.Mkdir("/d");
    lower.Mkdir("/d/sub");
    lower.Write("/d/f", "lower f");
    lower.Write("/d/sub/g", "lower g");
    lower.Write("/a", "lower a");
    CHECK(MakeSymlink(lower.ctx, "d/f", lower.ctx.cwd, "/l").ok());
    CHECK(MakeLink(lower.ctx, lower.ctx.cwd, "/a", lower.ctx.cwd, "/a2", {}).ok());
    lower_root_time = lower.Stat("/").mtime;
  }
  ~Overlay() override { CheckLowerIsUntouched(); }

  void CheckLowerIsUntouched() {
    EXPECT_EQ(lower.Read("/d/f"), "lower f");
    EXPECT_EQ(lower.Read("/d/sub/g"), "lower g");
    EXPECT_EQ(lower.Read("/a"), "lower a");
    EXPECT_EQ(lower.Stat("/").mtime, lower_root_time);
  }
  Errno Move(std::string_view from, std::string_view to, uint32_t flags = 0) {
    const Result<void> result = Rename(t.ctx, t.ctx.cwd, from, t.ctx.cwd, to, flags);
    return result.ok() ? Errno{0} : result.error();
  }
  Result<void> Remove(std::string_view path) { return Unlink(t.ctx, t.ctx.cwd, path); }
  Result<void> Rmdir(std::string_view path) { return RemoveDirectory(t.ctx, t.ctx.cwd, path); }
  Path At(std::string_view path) { return ResolvePath(t.ctx, t.ctx.cwd, path).value(); }
  std::vector<std::string> Sorted(std::string_view path) {
    std::vector<std::string> names = t.List(path);
    std::sort(names.begin(), names.end());
    return names;
  }
  // Forgets all that is only cached: state must be found again.
  void Forget() { DentryCache::Purge(nullptr); }

  using Names = std::vector<std::string>;
  std::unique_ptr<MemoryFile> memory = NewTestMemory();
  RefPtr<TmpfsFileSystem> lower_fs = TmpfsFileSystem::Create(*memory);
  RefPtr<Inode> lower_root = lower_fs->NewRoot();
  TestTree lower{lower_fs, lower_root};
  RefPtr<TmpfsFileSystem> upper = TmpfsFileSystem::Create(*memory);
  RefPtr<OverlayFileSystem> fs = OverlayFileSystem::Create(upper, {lower_root}).value();
  TestTree t{fs, fs->NewRoot()};
  Timespec lower_root_time;
  const Errno ok{0};
};

TEST_F(Overlay, ReadsGoToTheLower) {
  EXPECT_EQ(t.Read("/d/f"), "lower f");
  EXPECT_EQ(t.Read("/l"), "lower f");
  EXPECT_EQ(Sorted("/"), (Names{"a", "a2", "d", "l"}));
  EXPECT_EQ(upper->used_bytes(), 0u);
  EXPECT_EQ(t.Stat("/d/f").dev, fs->device());
}

TEST_F(Overlay, WritesCopyUpAndKeepTheNumber) {
  const Attributes before = t.Stat("/d/f"), dir_before = t.Stat("/d");
  auto reader = t.Open("/d/f", abi::kORdOnly).value();
  EXPECT_EQ(t.ReadAll(*reader), "lower f");
  auto writer = t.Open("/d/f", abi::kORdWr | abi::kOAppend).value();
  EXPECT_EQ(upper->used_bytes(), 0u);  // not before the first byte
  KernelIoSource src(std::as_bytes(std::span("!", 1)));
  ASSERT_TRUE(writer->Write(t.ctx, src).ok());
  EXPECT_EQ(t.ReadAll(*reader), "lower f!");  // opened before
  EXPECT_EQ(t.Read("/d/f"), "lower f!");
  EXPECT_EQ(t.Stat("/d/f").ino, before.ino);
  EXPECT_EQ(t.Stat("/d").mtime, dir_before.mtime);
  EXPECT_EQ(t.Stat("/d").ino, dir_before.ino);
  reader.reset();
  writer.reset();
  Forget();
  EXPECT_EQ(t.Read("/d/f"), "lower f!");
  EXPECT_EQ(t.Stat("/d/f").ino, before.ino);
  EXPECT_EQ(Sorted("/d"), (Names{"f", "sub"}));
}

TEST_F(Overlay, MetadataChangesCopyUp) {
  ASSERT_TRUE(ChangeMode(t.ctx, At("/d/sub/g"), 0600).ok());
  Forget();
  EXPECT_EQ(t.Stat("/d/sub/g").perm(), 0600u);
  EXPECT_EQ(t.Read("/d/sub/g"), "lower g");
  EXPECT_EQ(t.Stat("/d/sub/g").mtime, lower.Stat("/d/sub/g").mtime);
}

TEST_F(Overlay, OpenWithTruncationCopiesNoData) {
  lower.Write("/big", std::string(1 << 20, 'x'));
  lower_root_time = lower.Stat("/").mtime;
  Forget();
  t.Write("/big", "small");
  EXPECT_EQ(t.Read("/big"), "small");
  EXPECT_EQ(upper->used_bytes(), kPageSize);
}

TEST_F(Overlay, RemovedNamesStayRemoved) {
  ASSERT_TRUE(Remove("/d/f").ok());
  EXPECT_FALSE(t.Exists("/d/f"));
  Forget();
  EXPECT_FALSE(t.Exists("/d/f"));
  EXPECT_EQ(Sorted("/d"), (Names{"sub"}));
  EXPECT_TRUE(Rmdir("/d").Is(Errno::kENOTEMPTY));
  ASSERT_TRUE(Remove("/d/sub/g").ok());
  ASSERT_TRUE(Rmdir("/d/sub").ok());
  ASSERT_TRUE(Rmdir("/d").ok());
  Forget();
  EXPECT_EQ(Sorted("/"), (Names{"a", "a2", "l"}));
  t.Write("/d", "a file now");
  EXPECT_EQ(t.Read("/d"), "a file now");
}

TEST_F(Overlay, ANewDirectoryOverARemovedOneIsEmpty) {
  ASSERT_TRUE(Remove("/d/sub/g").ok());
  ASSERT_TRUE(Rmdir("/d/sub").ok());
  t.Mkdir("/d/sub");
  Forget();
  EXPECT_EQ(Sorted("/d/sub"), Names{});
  EXPECT_FALSE(t.Exists("/d/sub/g"));
  t.Write("/d/sub/new", "n");
  EXPECT_EQ(Sorted("/d/sub"), (Names{"new"}));
}

TEST_F(Overlay, LowerDirectoriesCanBeRenamed) {
  const uint64_t ino = t.Stat("/d").ino;
  EXPECT_EQ(Move("/d", "/e"), ok);
  Forget();
  EXPECT_EQ(t.Stat("/e").ino, ino);
  EXPECT_EQ(t.Read("/e/sub/g"), "lower g");
  EXPECT_FALSE(t.Exists("/d"));
  t.Write("/e/sub/g", "upper g");
  EXPECT_EQ(Move("/e/sub", "/s"), ok);
  Forget();
  EXPECT_EQ(t.Read("/s/g"), "upper g");
  EXPECT_EQ(Sorted("/e"), (Names{"f"}));
  t.Mkdir("/d");
  EXPECT_EQ(Sorted("/d"), Names{});
  EXPECT_EQ(Move("/s", "/d"), ok);  // onto an empty one
  EXPECT_EQ(Sorted("/"), (Names{"a", "a2", "d", "e", "l"}));
}

TEST_F(Overlay, RenameOntoLowerFilesAndExchange) {
  EXPECT_EQ(Move("/d/f", "/d/sub/g"), ok);
  Forget();
  EXPECT_EQ(t.Read("/d/sub/g"), "lower f");
  EXPECT_FALSE(t.Exists("/d/f"));
  EXPECT_EQ(Move("/d/sub", "/l", abi::kRenameExchange), ok);
  Forget();
  EXPECT_EQ(t.Read("/l/g"), "lower f");
  EXPECT_EQ(Move("/l", "/d"), Errno::kENOTEMPTY);
  EXPECT_EQ(Move("/l", "/x", abi::kRenameWhiteout), Errno::kEINVAL);
}

TEST_F(Overlay, HardLinksOfLowerFilesStayOneFile) {
  EXPECT_EQ(t.Stat("/a").ino, t.Stat("/a2").ino);
  EXPECT_EQ(t.Stat("/a").nlink, 2u);
  t.Write("/a", "changed");
  EXPECT_EQ(t.Read("/a2"), "changed");
  Forget();
  EXPECT_EQ(t.Read("/a2"), "changed");
  EXPECT_EQ(t.Stat("/a").ino, t.Stat("/a2").ino);
  ASSERT_TRUE(Remove("/a").ok());
  Forget();
  EXPECT_EQ(t.Read("/a2"), "changed");
  EXPECT_EQ(t.Stat("/a2").nlink, 1u);
  ASSERT_TRUE(MakeLink(t.ctx, t.ctx.cwd, "/a2", t.ctx.cwd, "/a3", {}).ok());
  EXPECT_EQ(t.Stat("/a2").nlink, 2u);
  EXPECT_EQ(Move("/a2", "/a4"), ok);
  Forget();
  EXPECT_EQ(t.Read("/a4"), "changed");
  ASSERT_TRUE(Remove("/a3").ok());
  ASSERT_TRUE(Remove("/a4").ok());
  Forget();
  EXPECT_EQ(Sorted("/"), (Names{"d", "l"}));
  EXPECT_EQ(upper->used_bytes(), 0u);
}

TEST_F(Overlay, UnlinkBeforeAnyCopyKeepsTheOtherName) {
  ASSERT_TRUE(Remove("/a2").ok());
  Forget();
  EXPECT_EQ(t.Read("/a"), "lower a");
  EXPECT_EQ(t.Stat("/a").nlink, 1u);
}

TEST_F(Overlay, AnUnlinkedOpenFileCanStillBeWritten) {
  auto file = t.Open("/d/f", abi::kORdWr).value();
  ASSERT_TRUE(Remove("/d/f").ok());
  EXPECT_EQ(GetAttributes(t.ctx, file->path())->nlink, 0u);
  KernelIoSource src(std::as_bytes(std::span("L", 1)));
  ASSERT_TRUE(file->Write(t.ctx, src).ok());
  EXPECT_EQ(t.ReadAll(*file), "Lower f");
  EXPECT_FALSE(t.Exists("/d/f"));
  file.reset();
  Forget();
  EXPECT_EQ(upper->used_bytes(), 0u);
}

TEST_F(Overlay, MappingsFollowTheCopy) {
  const RefPtr<Inode> inode = At("/d/f").dentry->inode();
  const auto lower_page = inode->Translate(0, kPageSize, kProtRead).value();
  const auto page = inode->Translate(0, kPageSize, kProtReadWrite).value();
  EXPECT_NE(lower_page.mem_offset, page.mem_offset);
  memory->Pointer(page.mem_offset)[0] = std::byte{'L'};
  EXPECT_EQ(t.Read("/d/f"), "Lower f");
  memory->DecRef({page.mem_offset, page.mem_offset + page.length});
  memory->DecRef({lower_page.mem_offset, lower_page.mem_offset + lower_page.length});
}

TEST_F(Overlay, SpecialFilesAndAttributes) {
  EXPECT_TRUE(MakeNode(t.ctx, t.ctx.cwd, "/w", abi::kSIfChr | 0600, 0).Is(Errno::kEPERM));
  ASSERT_TRUE(MakeNode(t.ctx, t.ctx.cwd, "/p", abi::kSIfIfo | 0600, 0).ok());
  EXPECT_EQ(t.Stat("/p").type(), abi::kSIfIfo);
  ASSERT_TRUE(SetXattr(t.ctx, At("/d/f"), "user.x", "1", 0).ok());
  Forget();
  EXPECT_EQ(GetXattr(t.ctx, At("/d/f"), "user.x").value(), "1");
  auto temporary = t.Open("/d", abi::kOTmpFile | abi::kORdWr, 0600).value();
  ASSERT_TRUE(MakeLink(t.ctx, temporary->path(), "", t.ctx.cwd, "/d/t", WalkFlags{.empty_path = true}).ok());
  EXPECT_TRUE(t.Exists("/d/t"));
  EXPECT_EQ(StatFs(t.ctx, t.ctx.root)->type, 0x794c7630);
}

TEST_F(Overlay, ListingsMergeWithoutDoubles) {
  t.Write("/d/f", "x");
  t.Write("/d/new", "x");
  EXPECT_EQ(Sorted("/d"), (Names{"f", "new", "sub"}));
  TestTree::Names sink;
  auto dir = t.Open("/d", abi::kORdOnly).value();
  sink.max = 3;
  ASSERT_TRUE(dir->IterateDir(t.ctx, sink).ok());
  ASSERT_TRUE(Remove("/d/f").ok());
  sink.max = SIZE_MAX;
  ASSERT_TRUE(dir->IterateDir(t.ctx, sink).ok());
  EXPECT_EQ(sink.names.size(), 5u);
  ASSERT_TRUE(dir->Seek(t.ctx, 0, abi::kSeekSet).ok());
  sink.names.clear();
  ASSERT_TRUE(dir->IterateDir(t.ctx, sink).ok());
  EXPECT_EQ(sink.names.size(), 4u);
}

TEST(OverlayLayers, SeveralLowersMerge) {
  auto memory = NewTestMemory();
  auto top_fs = TmpfsFileSystem::Create(*memory), bottom_fs = TmpfsFileSystem::Create(*memory);
  const RefPtr<Inode> top_root = top_fs->NewRoot(), bottom_root = bottom_fs->NewRoot();
  TestTree top(top_fs, top_root), bottom(bottom_fs, bottom_root);
  for (TestTree* tree : {&top, &bottom}) tree->Mkdir("/d");
  top.Write("/d/both", "top");
  bottom.Write("/d/both", "bottom");
  bottom.Write("/d/low", "bottom");
  bottom.Write("/d/hidden", "bottom");
  ASSERT_TRUE(MakeNode(top.ctx, top.ctx.cwd, "/d/hidden", abi::kSIfChr, 0).ok());
  auto fs = OverlayFileSystem::Create(TmpfsFileSystem::Create(*memory), {top_root, bottom_root}).value();
  TestTree t(fs, fs->NewRoot());
  EXPECT_EQ(t.Read("/d/both"), "top");
  EXPECT_EQ(t.Read("/d/low"), "bottom");
  EXPECT_FALSE(t.Exists("/d/hidden"));
  std::vector<std::string> names = t.List("/d");
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"both", "low"}));
  ASSERT_TRUE(Unlink(t.ctx, t.ctx.cwd, "/d/both").ok());
  EXPECT_FALSE(t.Exists("/d/both"));
}

}  // namespace
}  // namespace sentry

#include "sentry/fs/tmpfs/tmpfs.h"

#include "gtest/gtest.h"
#include "sentry/usermem/fake_user_memory.h"
#include "sentry/vfs/test_tree.h"

namespace sentry {
namespace {

size_t WriteText(TestTree& t, FileDescription& file, std::string_view text, uint64_t offset) {
  KernelIoSource src(std::as_bytes(std::span(text.data(), text.size())));
  return file.WriteAt(t.ctx, src, offset).value();
}

TEST(Tmpfs, ReadsWhatWasWritten) {
  TmpfsTree t;
  t->Write("/a", "hello");
  EXPECT_EQ(t->Read("/a"), "hello");
  EXPECT_EQ(t->Stat("/a").size, 5u);
  EXPECT_EQ(t->Stat("/a").blocks, 8u);
}

TEST(Tmpfs, HolesReadAsZeroesAndTakeNoMemory) {
  TmpfsTree t;
  auto file = t->Open("/a", abi::kOCreat | abi::kORdWr).value();
  EXPECT_EQ(WriteText(*t.tree, *file, "x", 1 << 30), 1u);
  EXPECT_EQ(t.fs->used_bytes(), kPageSize);
  EXPECT_EQ(file->SeekDataHole(t->ctx, 0, abi::kSeekData).value(), 1u << 30);
  EXPECT_EQ(file->SeekDataHole(t->ctx, 0, abi::kSeekHole).value(), 0u);
  EXPECT_EQ(file->SeekDataHole(t->ctx, 1 << 30, abi::kSeekHole).value(), (1u << 30) + 1);
  EXPECT_TRUE(file->SeekDataHole(t->ctx, (1 << 30) + 1, abi::kSeekData).Is(Errno::kENXIO));
}

TEST(Tmpfs, TruncationZeroesTheTail) {
  TmpfsTree t;
  t->Write("/a", "hello world");
  const Path path = ResolvePath(t->ctx, t->ctx.cwd, "/a").value();
  ASSERT_TRUE(Truncate(t->ctx, path, 5).ok());
  ASSERT_TRUE(Truncate(t->ctx, path, 11).ok());
  EXPECT_EQ(t->Read("/a"), std::string("hello\0\0\0\0\0\0", 11));
}

TEST(Tmpfs, SizeLimitIsEnospcAndShortWrite) {
  TmpfsTree t(TmpfsOptions{.max_bytes = 2 * kPageSize});
  auto file = t->Open("/a", abi::kOCreat | abi::kORdWr).value();
  const std::string text(3 * kPageSize, 'x');
  EXPECT_EQ(WriteText(*t.tree, *file, text, 0), 2 * kPageSize);
  KernelIoSource src(std::as_bytes(std::span(text.data(), text.size())));
  EXPECT_TRUE(file->WriteAt(t->ctx, src, 2 * kPageSize).Is(Errno::kENOSPC));
  ASSERT_TRUE(Unlink(t->ctx, t->ctx.cwd, "/a").ok());
  file.reset();
  EXPECT_EQ(t.fs->used_bytes(), 0u);
  EXPECT_EQ(t.memory->usage().total(), 0u);
}

TEST(Tmpfs, FaultInUserMemoryMakesTheWriteShort) {
  TmpfsTree t;
  FakeUserMemory user(100);
  auto file = t->Open("/a", abi::kOCreat | abi::kORdWr).value();
  UserIoSource src(user, user.base(), 200);
  EXPECT_EQ(file->WriteAt(t->ctx, src, 0).value(), 100u);
  UserIoSource bad(user, UserAddr(1), 10);
  EXPECT_TRUE(file->WriteAt(t->ctx, bad, 0).Is(Errno::kEFAULT));
  EXPECT_EQ(t->Stat("/a").size, 100u);
}

TEST(Tmpfs, AppendGoesToTheEndAndMovesThePosition) {
  TmpfsTree t;
  t->Write("/a", "one");
  auto file = t->Open("/a", abi::kOWrOnly | abi::kOAppend).value();
  KernelIoSource src(std::as_bytes(std::span("two", 3)));
  EXPECT_EQ(file->Write(t->ctx, src).value(), 3u);
  EXPECT_EQ(file->Seek(t->ctx, 0, abi::kSeekCur).value(), 6);
  EXPECT_EQ(t->Read("/a"), "onetwo");
}

TEST(Tmpfs, PunchHoleFreesPagesAndZeroesEdges) {
  TmpfsTree t;
  auto file = t->Open("/a", abi::kOCreat | abi::kORdWr).value();
  WriteText(*t.tree, *file, std::string(4 * kPageSize, 'x'), 0);
  ASSERT_TRUE(file->Fallocate(t->ctx, 3, 100, 2 * kPageSize).ok());
  EXPECT_EQ(t.fs->used_bytes(), 3 * kPageSize);
  const std::string text = t->ReadAll(*file);
  EXPECT_EQ(text[99], 'x');
  EXPECT_EQ(text[100], '\0');
  EXPECT_EQ(text[2 * kPageSize + 99], '\0');
  EXPECT_EQ(text[2 * kPageSize + 100], 'x');
  ASSERT_TRUE(file->Fallocate(t->ctx, 0, 0, 8 * kPageSize).ok());
  EXPECT_EQ(t->Stat("/a").size, 8 * kPageSize);
  EXPECT_EQ(t.fs->used_bytes(), 8 * kPageSize);
}

TEST(Tmpfs, WriteClearsSetIdBitsOfOthers) {
  TmpfsTree t;
  t->Write("/a", "x");
  ASSERT_TRUE(ChangeMode(t->ctx, ResolvePath(t->ctx, t->ctx.cwd, "/a").value(), 06777).ok());
  const VfsContext user = t->As(1000);
  auto file = Open(user, user.cwd, "/a", OpenHow{.flags = abi::kOWrOnly, .resolve = {}}).value();
  KernelIoSource src(std::as_bytes(std::span("y", 1)));
  ASSERT_TRUE(file->Write(user, src).ok());
  EXPECT_EQ(t->Stat("/a").perm(), 0777u);
}

TEST(Tmpfs, DirectoryOffsetsSurviveRemovals) {
  TmpfsTree t;
  for (const char* name : {"/a", "/b", "/c", "/d"}) t->Write(name, "");
  auto dir = t->Open("/", abi::kORdOnly).value();
  TestTree::Names sink;
  sink.max = 4;  // ".", "..", "a", "b"
  ASSERT_TRUE(dir->IterateDir(t->ctx, sink).ok());
  ASSERT_TRUE(Unlink(t->ctx, t->ctx.cwd, "/b").ok());
  ASSERT_TRUE(Unlink(t->ctx, t->ctx.cwd, "/a").ok());
  sink.max = SIZE_MAX;
  ASSERT_TRUE(dir->IterateDir(t->ctx, sink).ok());
  EXPECT_EQ(sink.names, (std::vector<std::string>{".", "..", "a", "b", "c", "d"}));
  ASSERT_TRUE(dir->Seek(t->ctx, 0, abi::kSeekSet).ok());
  EXPECT_EQ(t->List("/"), (std::vector<std::string>{"c", "d"}));
}

TEST(Tmpfs, LinkCounts) {
  TmpfsTree t;
  t->Mkdir("/d");
  t->Mkdir("/d/e");
  EXPECT_EQ(t->Stat("/d").nlink, 3u);
  t->Write("/d/f", "x");
  ASSERT_TRUE(MakeLink(t->ctx, t->ctx.cwd, "/d/f", t->ctx.cwd, "/d/g", {}).ok());
  EXPECT_EQ(t->Stat("/d/f").nlink, 2u);
  ASSERT_TRUE(RemoveDirectory(t->ctx, t->ctx.cwd, "/d").Is(Errno::kENOTEMPTY));
  ASSERT_TRUE(RemoveDirectory(t->ctx, t->ctx.cwd, "/d/e").ok());
  EXPECT_EQ(t->Stat("/d").nlink, 2u);
}

TEST(Tmpfs, TemporaryFilesCanBeLinkedOnce) {
  TmpfsTree t;
  auto file = t->Open("/", abi::kOTmpFile | abi::kORdWr, 0600).value();
  EXPECT_EQ(GetAttributes(t->ctx, file->path())->nlink, 0u);
  WriteText(*t.tree, *file, "tmp", 0);
  ASSERT_TRUE(MakeLink(t->ctx, file->path(), "", t->ctx.cwd, "/now", WalkFlags{.empty_path = true}).ok());
  EXPECT_EQ(t->Read("/now"), "tmp");
  ASSERT_TRUE(Unlink(t->ctx, t->ctx.cwd, "/now").ok());
  EXPECT_TRUE(
      MakeLink(t->ctx, file->path(), "", t->ctx.cwd, "/again", WalkFlags{.empty_path = true}).Is(Errno::kENOENT));
}

TEST(Tmpfs, MemfdSeals) {
  TmpfsTree t;
  auto plain = t.fs->NewMemfd(t->ctx, "x", 0).value();
  EXPECT_TRUE(AddSeals(*plain, kSealGrow).Is(Errno::kEPERM));
  auto file = t.fs->NewMemfd(t->ctx, "x", kMfdAllowSealing).value();
  EXPECT_EQ(FullPath(file->path()), "/memfd:x (deleted)");
  WriteText(*t.tree, *file, "data", 0);
  ASSERT_TRUE(AddSeals(*file, kSealGrow | kSealShrink).ok());
  EXPECT_TRUE(TruncateFile(t->ctx, *file, 3).Is(Errno::kEPERM));
  EXPECT_TRUE(TruncateFile(t->ctx, *file, 5).Is(Errno::kEPERM));
  EXPECT_EQ(WriteText(*t.tree, *file, "DATA", 0), 4u);
  ASSERT_TRUE(AddSeals(*file, kSealWrite).ok());
  KernelIoSource src(std::as_bytes(std::span("y", 1)));
  EXPECT_TRUE(file->WriteAt(t->ctx, src, 0).Is(Errno::kEPERM));
  EXPECT_EQ(GetSeals(*file).value(), kSealGrow | kSealShrink | kSealWrite);
}

TEST(Tmpfs, TranslateGivesThePagesThatReadSees) {
  TmpfsTree t;
  t->Write("/a", "mapped");
  const RefPtr<Inode> inode = ResolvePath(t->ctx, t->ctx.cwd, "/a").value().dentry->inode();
  auto page = inode->Translate(0, kPageSize, kProtReadWrite).value();
  t.memory->Pointer(page.mem_offset)[0] = std::byte{'M'};
  t.memory->DecRef({page.mem_offset, page.mem_offset + page.length});
  EXPECT_EQ(t->Read("/a"), "Mapped");
  EXPECT_TRUE(inode->Translate(kPageSize, kPageSize, kProtRead).Is(Errno::kEFAULT));
}

TEST(Tmpfs, Xattrs) {
  TmpfsTree t;
  t->Write("/a", "");
  const Path path = ResolvePath(t->ctx, t->ctx.cwd, "/a").value();
  EXPECT_TRUE(GetXattr(t->ctx, path, "user.x").Is(Errno::kENODATA));
  EXPECT_TRUE(SetXattr(t->ctx, path, "user.x", "1", 2).Is(Errno::kENODATA));
  EXPECT_TRUE(SetXattr(t->ctx, path, "user.x", "1", 1).ok());
  EXPECT_TRUE(SetXattr(t->ctx, path, "user.x", "1", 1).Is(Errno::kEEXIST));
  EXPECT_TRUE(SetXattr(t->ctx, path, "trusted.y", "2", 0).ok());
  EXPECT_TRUE(SetXattr(t->ctx, path, "other.y", "2", 0).Is(Errno::kEOPNOTSUPP));
  EXPECT_EQ(ListXattr(t->ctx, path)->size(), 2u);
  EXPECT_EQ(ListXattr(t->As(1000), path)->size(), 1u);
  EXPECT_TRUE(SetXattr(t->As(1000), path, "trusted.y", "2", 0).Is(Errno::kEPERM));
  EXPECT_TRUE(SetXattr(t->As(1000), path, "user.x", "2", 0).Is(Errno::kEACCES));
}

TEST(Tmpfs, OptionsAreChecked) {
  EXPECT_EQ(TmpfsFileSystem::ParseOptions("size=64k,mode=755,uid=5", 1 << 20)->max_bytes, 65536u);
  EXPECT_EQ(TmpfsFileSystem::ParseOptions("mode=755", 1 << 20)->root_mode, 0755u);
  EXPECT_EQ(TmpfsFileSystem::ParseOptions("size=25%", 1 << 20)->max_bytes, 262144u);
  EXPECT_EQ(TmpfsFileSystem::ParseOptions("size=1", 1 << 20)->max_bytes, kPageSize);
  EXPECT_EQ(TmpfsFileSystem::ParseOptions("nr_inodes=1k,huge=never", 1 << 20)->max_inodes, 1024u);
  EXPECT_TRUE(TmpfsFileSystem::ParseOptions("huge=always", 1 << 20).Is(Errno::kEINVAL));
  EXPECT_TRUE(TmpfsFileSystem::ParseOptions("size=x", 1 << 20).Is(Errno::kEINVAL));
  EXPECT_TRUE(TmpfsFileSystem::ParseOptions("bogus=1", 1 << 20).Is(Errno::kEINVAL));
}

TEST(Tmpfs, DeepTreesComeDownWithoutRecursion) {
  TmpfsTree t;
  VfsContext ctx = t->ctx;
  for (int i = 0; i < 20000; ++i) {
    ASSERT_TRUE(MakeDirectory(ctx, ctx.cwd, "d", 0755).ok());
    ctx.cwd = ResolvePath(ctx, ctx.cwd, "d").value();
  }
}

}  // namespace
}  // namespace sentry

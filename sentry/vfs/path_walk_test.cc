#include "sentry/vfs/path_walk.h"

#include "gtest/gtest.h"
#include "sentry/vfs/test_tree.h"

namespace sentry {
namespace {

class PathWalk : public testing::Test {
 protected:
  Result<Path> Walk(std::string_view path, WalkFlags flags = {}) {
    return ResolvePath(t->ctx, t->ctx.cwd, path, flags);
  }
  Errno Fails(std::string_view path, WalkFlags flags = {}) {
    const Result<Path> result = Walk(path, flags);
    return result.ok() ? Errno{0} : result.error();
  }
  std::string At(std::string_view path, WalkFlags flags = {}) {
    const Result<Path> result = Walk(path, flags);
    if (!result.ok()) return std::string(base::ErrnoName(result.error()));
    return PathToString(*t->mounts, t->ctx.root, *result);
  }
  void Link(std::string_view target, std::string_view path) {
    ASSERT_TRUE(MakeSymlink(t->ctx, target, t->ctx.cwd, path).ok());
  }
  TmpfsTree t;
};

TEST_F(PathWalk, DotsSlashesAndEmpty) {
  t->Mkdir("/a");
  t->Mkdir("/a/b");
  t->Write("/a/f", "");
  EXPECT_EQ(At("/a/./b//../b/"), "/a/b");
  EXPECT_EQ(At("/../.."), "/");
  EXPECT_EQ(At("////"), "/");
  EXPECT_EQ(Fails(""), Errno::kENOENT);
  EXPECT_EQ(At("", {.empty_path = true}), "/");
  EXPECT_EQ(Fails("/a/f/"), Errno::kENOTDIR);
  EXPECT_EQ(Fails("/a/f/."), Errno::kENOTDIR);
  EXPECT_EQ(Fails("/a/f/x"), Errno::kENOTDIR);
  EXPECT_EQ(Fails("/a/none/../f"), Errno::kENOENT);
  EXPECT_EQ(Fails("/a/f", {.directory = true}), Errno::kENOTDIR);
}

TEST_F(PathWalk, Lengths) {
  EXPECT_EQ(Fails("/" + std::string(255, 'x')), Errno::kENOENT);
  EXPECT_EQ(Fails("/" + std::string(256, 'x')), Errno::kENAMETOOLONG);
  EXPECT_EQ(Fails(std::string(4095, '/')), Errno{0});
  EXPECT_EQ(Fails(std::string(4096, '/')), Errno::kENAMETOOLONG);
}

TEST_F(PathWalk, SymbolicLinks) {
  t->Mkdir("/d");
  t->Write("/d/f", "");
  Link("d", "/l");
  Link("f", "/d/g");
  Link("/l/g", "/abs");
  Link("d/", "/slash");
  EXPECT_EQ(At("/l/f"), "/d/f");
  EXPECT_EQ(At("/l"), "/d");
  EXPECT_EQ(At("/l", {.follow = false}), "/l");
  EXPECT_EQ(At("/l/", {.follow = false}), "/d");
  EXPECT_EQ(At("/abs"), "/d/f");
  EXPECT_EQ(At("/slash/../abs"), "/d/f");
  EXPECT_EQ(Fails("/abs/"), Errno::kENOTDIR);
  EXPECT_EQ(Fails("/l/f", {.no_symlinks = true}), Errno::kELOOP);
  Link("loop", "/loop");
  EXPECT_EQ(Fails("/loop"), Errno::kELOOP);
  EXPECT_EQ(Fails("/loop/x"), Errno::kELOOP);
  Link("gone", "/dangling");
  EXPECT_EQ(Fails("/dangling"), Errno::kENOENT);
}

TEST_F(PathWalk, FortyLinksAreFollowedAndNoMore) {
  t->Write("/l0", "");
  for (int i = 1; i <= 41; ++i) Link("l" + std::to_string(i - 1), "/l" + std::to_string(i));
  EXPECT_EQ(At("/l40"), "/l0");
  EXPECT_EQ(Fails("/l41"), Errno::kELOOP);
}

TEST_F(PathWalk, SearchPermissionComesFirst) {
  t->Mkdir("/p", 0700);
  t->Write("/p/f", "");
  const VfsContext user = t->As(1000);
  EXPECT_TRUE(ResolvePath(user, user.cwd, "/p/f").Is(Errno::kEACCES));
  EXPECT_TRUE(ResolvePath(user, user.cwd, "/p/none").Is(Errno::kEACCES));
  EXPECT_TRUE(ResolvePath(user, user.cwd, "/p/" + std::string(300, 'x')).Is(Errno::kEACCES));
  EXPECT_TRUE(ResolvePath(user, user.cwd, "/p").ok());
}

TEST_F(PathWalk, ScopedWalks) {
  t->Mkdir("/r");
  t->Mkdir("/r/d");
  t->Write("/r/d/f", "");
  Link("/d/f", "/r/abs");
  Link("../..", "/r/up");
  const Path r = Walk("/r").value();
  const WalkFlags beneath{.beneath = true}, in_root{.in_root = true};
  EXPECT_TRUE(ResolvePath(t->ctx, r, "d/f", beneath).ok());
  EXPECT_TRUE(ResolvePath(t->ctx, r, "d/../d/f", beneath).ok());
  EXPECT_TRUE(ResolvePath(t->ctx, r, "..", beneath).Is(Errno::kEXDEV));
  EXPECT_TRUE(ResolvePath(t->ctx, r, "/d", beneath).Is(Errno::kEXDEV));
  EXPECT_TRUE(ResolvePath(t->ctx, r, "abs", beneath).Is(Errno::kEXDEV));
  EXPECT_TRUE(ResolvePath(t->ctx, r, "abs", in_root).ok());
  EXPECT_TRUE(ResolvePath(t->ctx, r, "up", in_root).value() == r);
}

TEST_F(PathWalk, MountsAreCrossedBothWays) {
  t->Mkdir("/m");
  t->Mkdir("/m/under");
  auto fs = TmpfsFileSystem::Create(*t.memory);
  auto mount = MakeRef<Mount>(fs, Dentry::NewRoot(fs->NewRoot()), MountFlags{});
  const Path at = Walk("/m").value();
  ASSERT_TRUE(t->mounts->Attach(mount, at).ok());
  t->Mkdir("/m/top");
  EXPECT_EQ(At("/m/top/.."), "/m");
  EXPECT_EQ(At("/m/top/../.."), "/");
  EXPECT_EQ(Fails("/m/under"), Errno::kENOENT);
  EXPECT_EQ(Fails("/m/top", {.no_xdev = true}), Errno::kEXDEV);
  EXPECT_TRUE(RemoveDirectory(t->ctx, t->ctx.cwd, "/m").Is(Errno::kEBUSY));
  EXPECT_TRUE(Rename(t->ctx, t->ctx.cwd, "/m", t->ctx.cwd, "/n", 0).Is(Errno::kEBUSY));
  t->Write("/f", "");
  EXPECT_TRUE(Rename(t->ctx, t->ctx.cwd, "/f", t->ctx.cwd, "/m/f", 0).Is(Errno::kEXDEV));
  EXPECT_TRUE(MakeLink(t->ctx, t->ctx.cwd, "/f", t->ctx.cwd, "/m/f", {}).Is(Errno::kEXDEV));
  EXPECT_EQ(t->mounts->List(t->ctx.root).size(), 2u);
  EXPECT_EQ(t->mounts->List(t->ctx.root)[1].mountpoint, "/m");
  ASSERT_TRUE(t->mounts->Detach(Walk("/m").value(), false).ok());
  EXPECT_EQ(At("/m/under"), "/m/under");
}

TEST_F(PathWalk, ChrootHoldsDotDot) {
  t->Mkdir("/jail");
  t->Mkdir("/jail/d");
  VfsContext ctx = t->ctx;
  ctx.root = ctx.cwd = Walk("/jail").value();
  EXPECT_TRUE(ResolvePath(ctx, ctx.cwd, "../../d").ok());
  EXPECT_TRUE(ResolvePath(ctx, ctx.cwd, "/..").value() == ctx.root);
  EXPECT_EQ(PathToString(*t->mounts, ctx.root, t->ctx.root), "(unreachable)/");
}

TEST_F(PathWalk, DeletedIsMarked) {
  t->Mkdir("/d");
  const Path d = Walk("/d").value();
  ASSERT_TRUE(RemoveDirectory(t->ctx, t->ctx.cwd, "/d").ok());
  EXPECT_EQ(PathToString(*t->mounts, t->ctx.root, d), "/d (deleted)");
  EXPECT_TRUE(ResolvePath(t->ctx, d, "x").Is(Errno::kENOENT));
  EXPECT_TRUE(MakeDirectory(t->ctx, d, "x", 0755).Is(Errno::kENOENT));
  EXPECT_EQ(PathToString(*t->mounts, t->ctx.root, ResolvePath(t->ctx, d, "..").value()), "/");
}

TEST_F(PathWalk, ProtectedSymlinks) {
  t->Mkdir("/tmp", 01777);
  t->Write("/target", "");
  const VfsContext user = t->As(1000);
  ASSERT_TRUE(MakeSymlink(user, "/target", user.cwd, "/tmp/theirs").ok());
  EXPECT_EQ(Fails("/tmp/theirs"), Errno::kEACCES);  // root follows a user's link
  EXPECT_TRUE(ResolvePath(user, user.cwd, "/tmp/theirs").ok());
  Link("/target", "/tmp/owners");
  EXPECT_TRUE(ResolvePath(user, user.cwd, "/tmp/owners").ok());
}

TEST(DentryCache, BoundsUnusedDentries) {
  TmpfsTree t;
  DentryCache::SetCapacity(100);
  for (int i = 0; i < 500; ++i) EXPECT_FALSE(t->Exists("/none" + std::to_string(i)));
  EXPECT_LE(DentryCache::size(), 100u);
  DentryCache::SetCapacity(16384);
}

TEST(DentryCache, UnlinkedFilesGiveTheirMemoryBackAtOnce) {
  TmpfsTree t;
  t->Write("/a", "data");
  EXPECT_NE(t.fs->used_bytes(), 0u);
  ASSERT_TRUE(Unlink(t->ctx, t->ctx.cwd, "/a").ok());
  EXPECT_EQ(t.fs->used_bytes(), 0u);
}

}  // namespace
}  // namespace sentry

#include "sentry/vfs/operations.h"

#include "gtest/gtest.h"
#include "sentry/vfs/test_tree.h"

namespace sentry {
namespace {

class Operations : public testing::Test {
 protected:
  Errno Code(const Result<void>& result) { return result.ok() ? Errno{0} : result.error(); }
  Errno OpenFails(const VfsContext& ctx, std::string_view path, uint32_t flags) {
    auto file = sentry::Open(ctx, ctx.cwd, path, OpenHow{.flags = flags, .mode = 0644, .resolve = {}});
    return file.ok() ? Errno{0} : file.error();
  }
  Errno OpenFails(std::string_view path, uint32_t flags) { return OpenFails(t->ctx, path, flags); }
  Errno Move(std::string_view from, std::string_view to, uint32_t flags = 0) {
    return Code(Rename(t->ctx, t->ctx.cwd, from, t->ctx.cwd, to, flags));
  }
  Errno Mkdir(std::string_view path) { return Code(MakeDirectory(t->ctx, t->ctx.cwd, path, 0777)); }
  Errno Rmdir(std::string_view path) { return Code(RemoveDirectory(t->ctx, t->ctx.cwd, path)); }
  Errno Remove(std::string_view path) { return Code(Unlink(t->ctx, t->ctx.cwd, path)); }
  Path At(std::string_view path) { return ResolvePath(t->ctx, t->ctx.cwd, path).value(); }
  void MakeReadOnly() { t->ctx.root.mount->SetFlags({.read_only = true}); }
  TmpfsTree t;
  const Errno ok{0};
};

TEST_F(Operations, OpenOrderOfErrors) {
  t->Mkdir("/d");
  t->Write("/f", "x");
  ASSERT_TRUE(MakeSymlink(t->ctx, "f", t->ctx.cwd, "/l").ok());
  ASSERT_TRUE(MakeSymlink(t->ctx, "new", t->ctx.cwd, "/dangling").ok());
  EXPECT_EQ(OpenFails("/none", abi::kORdOnly), Errno::kENOENT);
  EXPECT_EQ(OpenFails("/d", abi::kOWrOnly), Errno::kEISDIR);
  EXPECT_EQ(OpenFails("/d", abi::kOCreat), Errno::kEISDIR);
  EXPECT_EQ(OpenFails("/new/", abi::kOCreat), Errno::kEISDIR);
  EXPECT_EQ(OpenFails("/.", abi::kOCreat), Errno::kEISDIR);
  EXPECT_EQ(OpenFails("/f", abi::kODirectory), Errno::kENOTDIR);
  EXPECT_EQ(OpenFails("/f/", abi::kORdOnly), Errno::kENOTDIR);
  EXPECT_EQ(OpenFails("/l", abi::kONoFollow), Errno::kELOOP);
  EXPECT_EQ(OpenFails("/l", abi::kONoFollow | abi::kODirectory), Errno::kENOTDIR);
  EXPECT_EQ(OpenFails("/l", abi::kONoFollow | abi::kOPath), ok);
  EXPECT_EQ(OpenFails("/f", abi::kOCreat | abi::kOExcl), Errno::kEEXIST);
  EXPECT_EQ(OpenFails("/l", abi::kOCreat | abi::kOExcl), Errno::kEEXIST);
  EXPECT_EQ(OpenFails("/dangling", abi::kOCreat | abi::kOExcl), Errno::kEEXIST);
  EXPECT_EQ(OpenFails("/dangling", abi::kOCreat | abi::kOWrOnly), ok);
  EXPECT_TRUE(t->Exists("/new"));
  EXPECT_EQ(OpenFails(std::string("/") + std::string(256, 'x'), abi::kOCreat), Errno::kENAMETOOLONG);
}

TEST_F(Operations, ReadOnlyMounts) {
  t->Mkdir("/d");
  t->Write("/f", "x");
  MakeReadOnly();
  EXPECT_EQ(OpenFails("/f", abi::kORdOnly), ok);
  EXPECT_EQ(OpenFails("/f", abi::kOWrOnly), Errno::kEROFS);
  EXPECT_EQ(OpenFails("/f", abi::kOTrunc), Errno::kEROFS);
  EXPECT_EQ(OpenFails("/f", abi::kOCreat), ok);
  EXPECT_EQ(OpenFails("/new", abi::kOCreat), Errno::kEROFS);
  EXPECT_EQ(Mkdir("/d"), Errno::kEEXIST);
  EXPECT_EQ(Mkdir("/e"), Errno::kEROFS);
  EXPECT_EQ(Remove("/none"), Errno::kEROFS);
  EXPECT_EQ(Code(CheckAccess(t->ctx, At("/f"), abi::kMayWrite)), Errno::kEROFS);
  EXPECT_EQ(Code(ChangeMode(t->ctx, At("/f"), 0600)), Errno::kEROFS);
}

TEST_F(Operations, NamesThatCantBeMadeOrRemoved) {
  t->Mkdir("/d");
  t->Write("/f", "x");
  EXPECT_EQ(Mkdir("/"), Errno::kEEXIST);
  EXPECT_EQ(Mkdir("/d/."), Errno::kEEXIST);
  EXPECT_EQ(Mkdir("/d/.."), Errno::kEEXIST);
  EXPECT_EQ(Mkdir("/f/x"), Errno::kENOTDIR);
  EXPECT_EQ(Mkdir("/e/"), ok);
  EXPECT_EQ(Rmdir("/e/"), ok);
  EXPECT_EQ(Code(MakeNode(t->ctx, t->ctx.cwd, "/n/", abi::kSIfReg | 0644, 0)), Errno::kENOENT);
  EXPECT_EQ(Code(MakeNode(t->ctx, t->ctx.cwd, "/n", abi::kSIfDir, 0)), Errno::kEPERM);
  EXPECT_EQ(Code(MakeNode(t->As(1), t->ctx.cwd, "/n", abi::kSIfChr, 5)), Errno::kEPERM);
  EXPECT_EQ(Rmdir("/d/."), Errno::kEINVAL);
  EXPECT_EQ(Rmdir("/d/.."), Errno::kENOTEMPTY);
  EXPECT_EQ(Rmdir("/"), Errno::kEBUSY);
  EXPECT_EQ(Rmdir("/f"), Errno::kENOTDIR);
  EXPECT_EQ(Remove("/d"), Errno::kEISDIR);
  EXPECT_EQ(Remove("/d/"), Errno::kEISDIR);
  EXPECT_EQ(Remove("/f/"), Errno::kENOTDIR);
  EXPECT_EQ(Remove("/d/.."), Errno::kEISDIR);
  EXPECT_EQ(Remove("/none/"), Errno::kENOENT);
}

TEST_F(Operations, RenameRules) {
  t->Mkdir("/d");
  t->Mkdir("/d/sub");
  t->Mkdir("/e");
  t->Write("/f", "f");
  t->Write("/g", "g");
  EXPECT_EQ(Move("/none", "/x"), Errno::kENOENT);
  EXPECT_EQ(Move("/d", "/d/sub/x"), Errno::kEINVAL);
  EXPECT_EQ(Move("/d/sub", "/d"), Errno::kENOTEMPTY);
  EXPECT_EQ(Move("/f", "/d"), Errno::kEISDIR);
  EXPECT_EQ(Move("/d", "/f"), Errno::kENOTDIR);
  EXPECT_EQ(Move("/e", "/d"), Errno::kENOTEMPTY);
  EXPECT_EQ(Move("/f", "/x/"), Errno::kENOTDIR);
  EXPECT_EQ(Move("/f/", "/x"), Errno::kENOTDIR);
  EXPECT_EQ(Move("/d/.", "/x"), Errno::kEBUSY);
  EXPECT_EQ(Move("/f", "/g", abi::kRenameNoReplace), Errno::kEEXIST);
  EXPECT_EQ(Move("/f", "/g", abi::kRenameNoReplace | abi::kRenameExchange), Errno::kEINVAL);
  EXPECT_EQ(Move("/f", "/g", abi::kRenameExchange), ok);
  EXPECT_EQ(t->Read("/f"), "g");
  EXPECT_EQ(Move("/f", "/f"), ok);
  EXPECT_EQ(Move("/f", "/g"), ok);
  EXPECT_EQ(t->Read("/g"), "g");
  EXPECT_FALSE(t->Exists("/f"));
  EXPECT_EQ(Move("/d", "/e/"), ok);
  EXPECT_TRUE(t->Exists("/e/sub"));
  EXPECT_EQ(t->Stat("/e").nlink, 3u);
  EXPECT_EQ(Move("/e/sub", "/sub"), ok);
  EXPECT_EQ(t->Stat("/e").nlink, 2u);
  EXPECT_EQ(Move("/e", "/sub", abi::kRenameExchange), ok);
}

TEST_F(Operations, StickyDirectories) {
  t->Mkdir("/tmp", 01777);
  t->Write("/tmp/f", "");
  ASSERT_TRUE(ChangeMode(t->ctx, At("/tmp/f"), 0666).ok());
  const VfsContext user = t->As(1000);
  EXPECT_EQ(Code(Unlink(user, user.cwd, "/tmp/f")), Errno::kEPERM);
  EXPECT_EQ(Code(Rename(user, user.cwd, "/tmp/f", user.cwd, "/tmp/g", 0)), Errno::kEPERM);
  EXPECT_EQ(OpenFails(user, "/tmp/f", abi::kOWrOnly), ok);
  // protected_regular: the directory's owner may own it, others not.
  EXPECT_EQ(OpenFails(user, "/tmp/f", abi::kOWrOnly | abi::kOCreat), ok);
  ASSERT_TRUE(ChangeOwner(t->ctx, At("/tmp/f"), 2000, 2000).ok());
  EXPECT_EQ(OpenFails(user, "/tmp/f", abi::kOWrOnly | abi::kOCreat), Errno::kEACCES);
}

TEST_F(Operations, ProtectedHardLinks) {
  t->Mkdir("/tmp", 01777);
  t->Write("/f", "");
  const VfsContext user = t->As(1000);
  EXPECT_EQ(Code(MakeLink(user, user.cwd, "/f", user.cwd, "/tmp/f", {})), Errno::kEPERM);
  ASSERT_TRUE(ChangeMode(t->ctx, At("/f"), 0666).ok());
  EXPECT_EQ(Code(MakeLink(user, user.cwd, "/f", user.cwd, "/tmp/f", {})), ok);
  EXPECT_EQ(Code(MakeLink(t->ctx, t->ctx.cwd, "/tmp", t->ctx.cwd, "/x", {})), Errno::kEPERM);
}

TEST_F(Operations, SetGidDirectoriesPassTheirGroupOn) {
  t->Mkdir("/d");
  ASSERT_TRUE(ChangeOwner(t->ctx, At("/d"), UINT32_MAX, 77).ok());
  ASSERT_TRUE(ChangeMode(t->ctx, At("/d"), 02777).ok());
  t->Mkdir("/d/sub");
  t->Write("/d/f", "");
  EXPECT_EQ(t->Stat("/d/sub").gid, 77u);
  EXPECT_EQ(t->Stat("/d/sub").perm(), 02755u);
  EXPECT_EQ(t->Stat("/d/f").gid, 77u);
}

TEST_F(Operations, ChangeOwnerRulesAndSetIdBits) {
  t->Write("/f", "");
  ASSERT_TRUE(ChangeOwner(t->ctx, At("/f"), 1000, 1000).ok());
  ASSERT_TRUE(ChangeMode(t->ctx, At("/f"), 06755).ok());
  const VfsContext user = t->As(1000), other = t->As(1);
  EXPECT_EQ(Code(ChangeOwner(user, At("/f"), 1, UINT32_MAX)), Errno::kEPERM);
  EXPECT_EQ(Code(ChangeOwner(user, At("/f"), UINT32_MAX, 5)), Errno::kEPERM);
  EXPECT_EQ(Code(ChangeMode(other, At("/f"), 0777)), Errno::kEPERM);
  EXPECT_EQ(Code(ChangeOwner(t->ctx, At("/f"), 1000, 1000)), ok);
  EXPECT_EQ(t->Stat("/f").perm(), 0755u);
}

TEST_F(Operations, TimesOfOthers) {
  t->Write("/f", "");
  const VfsContext user = t->As(1000);
  const TimeChange now{}, set{TimeChange::Kind::kSet, {5, 0}};
  EXPECT_EQ(Code(ChangeTimes(user, At("/f"), now, now)), Errno::kEACCES);
  EXPECT_EQ(Code(ChangeTimes(user, At("/f"), set, now)), Errno::kEPERM);
  ASSERT_TRUE(ChangeMode(t->ctx, At("/f"), 0666).ok());
  EXPECT_EQ(Code(ChangeTimes(user, At("/f"), now, now)), ok);
  EXPECT_EQ(Code(ChangeTimes(t->ctx, At("/f"), set, set)), ok);
  EXPECT_EQ(t->Stat("/f").mtime.sec, 5);
}

TEST_F(Operations, WritersAndExecutionsExcludeEachOther) {
  t->Write("/f", "");
  EXPECT_TRUE(OpenExecutable(t->ctx, t->ctx.cwd, "/f", {}).Is(Errno::kEACCES));
  ASSERT_TRUE(ChangeMode(t->ctx, At("/f"), 0755).ok());
  auto exe = OpenExecutable(t->ctx, t->ctx.cwd, "/f", {});
  ASSERT_TRUE(exe.ok());
  EXPECT_EQ(OpenFails("/f", abi::kOWrOnly), Errno::kETXTBSY);
  EXPECT_EQ(Code(Truncate(t->ctx, At("/f"), 0)), Errno::kETXTBSY);
  *exe = nullptr;
  auto writer = t->Open("/f", abi::kOWrOnly);
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE(OpenExecutable(t->ctx, t->ctx.cwd, "/f", {}).Is(Errno::kETXTBSY));
}

TEST_F(Operations, PermissionBits) {
  t->Write("/f", "");
  ASSERT_TRUE(ChangeOwner(t->ctx, At("/f"), 1000, 1000).ok());
  ASSERT_TRUE(ChangeMode(t->ctx, At("/f"), 0077).ok());
  // The owner's bits count for the owner even where others may more.
  EXPECT_EQ(OpenFails(t->As(1000), "/f", abi::kORdOnly), Errno::kEACCES);
  EXPECT_EQ(OpenFails(t->As(5), "/f", abi::kORdWr), ok);
  EXPECT_EQ(OpenFails("/f", abi::kORdWr), ok);
  EXPECT_EQ(OpenFails(t->As(5), "/f", abi::kORdOnly | abi::kONoAtime), Errno::kEPERM);
}

}  // namespace
}  // namespace sentry

#include "sentry/fs/dev/dev.h"

#include <gtest/gtest.h>

#include <string>

#include <sys/mman.h>

#include "sentry/abi/fs.h"
#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/simple_inode.h"
#include "sentry/vfs/special_files.h"

namespace sentry {
namespace {

class DevTest : public testing::Test {
 protected:
  void SetUp() override {
    RegisterMemoryDevices();
    ctx_.creds = MakeRef<Credentials>();
  }
  RefPtr<FileDescription> OpenDevice(uint32_t minor) {
    Attributes a;
    a.mode = abi::kSIfChr | 0666;
    a.rdev = abi::MakeDev(1, minor);
    RefPtr<Inode> inode = MakeRef<SimpleInode>(InternalFileSystem(InternalFs::kAnonInode), a);
    const Path path = InternalPath(InternalFs::kAnonInode, inode, "device");
    return SpecialFiles::Open(ctx_, path, abi::kSIfChr, a.rdev, abi::kORdWr).value();
  }
  Result<std::string> Read(FileDescription& f, size_t size) {
    std::string out(size, 'x');
    KernelIoSink sink(std::as_writable_bytes(std::span(out)));
    out.resize(TRY(f.Read(ctx_, sink)));
    return out;
  }
  Result<size_t> Write(FileDescription& f, std::string_view text) {
    KernelIoSource src(std::as_bytes(std::span(text)));
    return f.Write(ctx_, src);
  }
  VfsContext ctx_;
};

TEST_F(DevTest, Null) {
  auto f = OpenDevice(3);
  EXPECT_EQ(Read(*f, 10).value(), "");
  EXPECT_EQ(Write(*f, "abc").value(), 3u);
  EXPECT_EQ(f->Seek(ctx_, 5, abi::kSeekSet).value(), 0);
  EXPECT_TRUE(f->MapTarget().Is(Errno::kENODEV));
}

TEST_F(DevTest, ZeroAndFull) {
  auto zero = OpenDevice(5);
  EXPECT_EQ(Read(*zero, 4).value(), std::string(4, '\0'));
  EXPECT_EQ(Write(*zero, "abc").value(), 3u);
  ASSERT_TRUE(zero->MapTarget().ok());
  EXPECT_FALSE(zero->MapTarget().value());
  auto full = OpenDevice(7);
  EXPECT_EQ(Read(*full, 4).value(), std::string(4, '\0'));
  EXPECT_TRUE(Write(*full, "abc").Is(Errno::kENOSPC));
}

TEST_F(DevTest, FreshDev) {
  MemoryFile::Options options;
  options.small_fd.reset(memfd_create("m", 0));
  auto memory = MemoryFile::Create(std::move(options)).value();
  {
    RefPtr<TmpfsFileSystem> fs = TmpfsFileSystem::Create(*memory);
    auto mounts = MakeRef<MountNamespace>(MakeRef<Mount>(fs, Dentry::NewRoot(fs->NewRoot()), MountFlags{}));
    ctx_.creds->effective = CapabilitySet::All();
    ctx_.root = ctx_.cwd = mounts->root();
    ctx_.mounts = mounts.get();
    ctx_.umask = 0;
    ASSERT_TRUE(PopulateDev(ctx_, ctx_.root).ok());
    OpenHow how;
    how.flags = abi::kORdWr;
    auto null = Open(ctx_, ctx_.root, "/null", how);
    ASSERT_TRUE(null.ok());
    EXPECT_EQ(Read(**null, 5).value(), "");
    EXPECT_EQ(GetAttributes(ctx_, (*null)->path()).value().mode, abi::kSIfChr | 0666u);
    WalkFlags no_follow;
    no_follow.follow = false;
    EXPECT_EQ(ReadLink(ctx_, ctx_.root, "/ptmx", no_follow).value(), "pts/ptmx");
    const Path shm = ResolvePath(ctx_, ctx_.root, "/shm").value();
    EXPECT_EQ(GetAttributes(ctx_, shm).value().mode, abi::kSIfDir | 01777u);
    null = Errno::kENOENT;
    ctx_.root = ctx_.cwd = Path();
  }
  DentryCache::Purge(nullptr);
}

TEST_F(DevTest, Random) {
  for (const uint32_t minor : {8u, 9u}) {
    auto f = OpenDevice(minor);
    const std::string a = Read(*f, 10000).value();
    EXPECT_EQ(a.size(), 10000u);
    EXPECT_NE(a, Read(*f, 10000).value());
  }
}

}  // namespace
}  // namespace sentry

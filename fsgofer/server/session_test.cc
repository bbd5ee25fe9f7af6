// What each request does, and what it refuses.
#include <dirent.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <set>

#include "fsgofer/server/test_util.h"

namespace fsgofer {
namespace {

using base::Errno;

// False in a user namespace that maps one id.
bool MayChown(const std::string& scratch) {
  WriteHostFile(scratch, "");
  const bool may = chown(scratch.c_str(), 1000, 1001) == 0;
  unlink(scratch.c_str());
  return may;
}

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() {
    mkdir((dir_ / "a").c_str(), 0755);
    mkdir((dir_ / "a/b").c_str(), 0755);
    WriteHostFile(dir_ / "a/b/file", "hello");
    EXPECT_EQ(symlink("/etc/passwd", (dir_ / "a/link").c_str()), 0);
    gofer_ = std::make_unique<TestGofer>(std::vector<MountPoint>{{dir_.path(), false}, {dir_.path(), true}});
    root_ = gofer_->Root(0);
    readonly_root_ = gofer_->Root(1);
  }
  Client& client() { return gofer_->client(); }

  TempDir dir_;
  std::unique_ptr<TestGofer> gofer_;
  NodeId root_ = 0;
  NodeId readonly_root_ = 0;
};

TEST_F(SessionTest, WalkStatsAndOpensInOneMessage) {
  auto r = gofer_->Walk(root_, {"a", "b", "file"}, OpenMode::kReadOnly);
  ASSERT_TRUE(r.ok());
  ASSERT_EQ(r->steps.size(), 3u);
  EXPECT_TRUE(S_ISDIR(r->steps[1].attr.mode));
  struct stat st;
  ASSERT_EQ(stat((dir_ / "a/b/file").c_str(), &st), 0);
  EXPECT_EQ(r->steps[2].attr.ino, st.st_ino);
  EXPECT_EQ(r->steps[2].attr.mode, st.st_mode);
  EXPECT_EQ(r->steps[2].attr.size, 5u);
  EXPECT_FALSE(r->stop || r->open_error || r->symlink_target);
  EXPECT_EQ(ReadFd(r->fd.get()), "hello");
}

TEST_F(SessionTest, SiblingsAreLookedUpEachByItself) {
  const NodeId a = gofer_->Walk(root_, {"a"})->steps[0].node;
  const std::string_view names[] = {"nothing", "link", "b"};
  auto r = client().Siblings(a, names);
  ASSERT_TRUE(r.ok());
  ASSERT_EQ(r->size(), 3u);
  EXPECT_TRUE((*r)[0].Is(Errno::kENOENT));
  ASSERT_TRUE((*r)[1].ok() && (*r)[2].ok());
  EXPECT_TRUE(S_ISLNK((*r)[1]->attr.mode));
  EXPECT_TRUE(S_ISDIR((*r)[2]->attr.mode));
  EXPECT_EQ(gofer_->Walk(a, {"b"})->steps[0].node, (*r)[2]->node);
  EXPECT_EQ(*client().ReadLink((*r)[1]->node), "/etc/passwd");
}

TEST_F(SessionTest, SiblingsAreChecked) {
  for (const std::string_view bad : {".", "..", "", "a/b"}) {
    const std::string_view names[] = {"a", bad};
    EXPECT_TRUE(client().Siblings(root_, names).Is(Errno::kEINVAL)) << bad;
  }
  EXPECT_TRUE(client().Siblings(root_, {}).Is(Errno::kEINVAL));
  const std::vector<std::string_view> many(kMaxSiblings + 1, "a");
  EXPECT_TRUE(client().Siblings(root_, many).Is(Errno::kEINVAL));
  const std::string_view one[] = {"a"};
  EXPECT_TRUE(client().Siblings(987654, one).Is(Errno::kEBADF));
  const NodeId file = gofer_->Walk(root_, {"a", "b", "file"})->steps[2].node;
  EXPECT_TRUE((*client().Siblings(file, one))[0].Is(Errno::kENOTDIR));
}

TEST_F(SessionTest, WalkStopsAtTheFirstMissingName) {
  auto r = gofer_->Walk(root_, {"a", "nothing", "x"}, OpenMode::kReadOnly);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->steps.size(), 1u);
  EXPECT_EQ(r->stop, Errno::kENOENT);
  r = gofer_->Walk(root_, {"a", "b", "file", "x"});
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->steps.size(), 3u);
  EXPECT_EQ(r->stop, Errno::kENOTDIR);
}

TEST_F(SessionTest, SymlinksAreReportedAndNeverFollowed) {
  auto r = gofer_->Walk(root_, {"a", "link", "x"}, OpenMode::kReadOnly);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->steps.size(), 2u);
  EXPECT_EQ(r->symlink_target, "/etc/passwd");
  EXPECT_FALSE(r->stop || r->fd.valid());
  const NodeId link = r->steps[1].node;
  EXPECT_EQ(client().ReadLink(link).value(), "/etc/passwd");
  EXPECT_TRUE(client().Open(link, OpenMode::kReadOnly).Is(Errno::kENXIO));
  EXPECT_TRUE(client().ReadDir(link, 0).Is(Errno::kENOTDIR));
  EXPECT_EQ(gofer_->Walk(link, {"x"})->stop, Errno::kENOTDIR);
}

TEST_F(SessionTest, HostileNamesAreRefusedByTheClient) {
  const std::string long_name(256, 'x');
  for (std::string_view name : std::vector<std::string_view>{"", ".", "..", "a/b", "/", {"a\0b", 3}}) {
    EXPECT_TRUE(gofer_->Walk(root_, {name}).Is(Errno::kEINVAL)) << name;
    EXPECT_TRUE(client().Mkdir(root_, name, {}).Is(Errno::kEINVAL)) << name;
  }
  EXPECT_TRUE(gofer_->Walk(root_, {long_name}).Is(Errno::kENAMETOOLONG));
  EXPECT_TRUE(gofer_->Walk(root_, std::vector<std::string_view>(17, "a")).Is(Errno::kEINVAL));
  EXPECT_TRUE(gofer_->Walk(root_, {}).Is(Errno::kEINVAL));
  EXPECT_TRUE(gofer_->Walk(12345, {"a"}).Is(Errno::kEBADF));
  EXPECT_TRUE(client().Attach(2).Is(Errno::kENOENT));
  EXPECT_FALSE(client().dead());
}

TEST_F(SessionTest, FifosSocketsAndDevicesAreNeverOpened) {
  ASSERT_EQ(mkfifo((dir_ / "fifo").c_str(), 0666), 0);
  if (mknod((dir_ / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0) {
    auto r = gofer_->Walk(root_, {"null"}, OpenMode::kReadWrite);
    ASSERT_TRUE(r.ok());
    EXPECT_FALSE(r->fd.valid());
    EXPECT_EQ(r->steps[0].attr.rdev_minor, 3u);
    EXPECT_TRUE(client().Open(r->steps[0].node, OpenMode::kReadOnly).Is(Errno::kENXIO));
  }
  const NodeId fifo = gofer_->Node(root_, {"fifo"});
  EXPECT_TRUE(client().Open(fifo, OpenMode::kReadOnly).Is(Errno::kENXIO));
  EXPECT_TRUE(client().Open(root_, OpenMode::kReadOnly).Is(Errno::kEISDIR));
}

TEST_F(SessionTest, ReadDirResumesInSmallBatches) {
  std::set<std::string> want, got;
  for (int i = 0; i < 500; i++) {
    const std::string name = "entry" + std::to_string(i);
    WriteHostFile(dir_ / ("a/b/" + name), "");
    want.insert(name);
  }
  want.insert("file");
  const NodeId node = gofer_->Node(root_, {"a", "b"});
  uint64_t cookie = 0;
  for (int batches = 0;; batches++) {
    ASSERT_LT(batches, 1000);
    auto batch = client().ReadDir(node, cookie, 1024);
    ASSERT_TRUE(batch.ok());
    for (const DirEntry& e : batch->entries) {
      EXPECT_TRUE(got.insert(e.name).second) << e.name;
      EXPECT_EQ(e.type, DT_REG);
    }
    cookie = batch->next_cookie;
    if (batch->at_end) break;
  }
  EXPECT_EQ(got, want);
  EXPECT_TRUE(client().ReadDir(node, cookie)->entries.empty());
}

TEST_F(SessionTest, ReadOnlyMountRefusesEveryChange) {
  const NodeId dir = gofer_->Node(readonly_root_, {"a"});
  const NodeId file = gofer_->Node(readonly_root_, {"a", "b", "file"});
  auto r = gofer_->Walk(readonly_root_, {"a", "b", "file"}, OpenMode::kReadWrite);
  ASSERT_TRUE(r.ok());
  EXPECT_EQ(r->open_error, Errno::kEROFS);
  EXPECT_FALSE(r->fd.valid());
  EXPECT_TRUE(client().Open(file, OpenMode::kWriteOnly).Is(Errno::kEROFS));
  EXPECT_TRUE(client().Create(dir, "n", {.mode = 0644}, OpenMode::kReadWrite).Is(Errno::kEROFS));
  EXPECT_TRUE(client().Mkdir(dir, "n", {.mode = 0755}).Is(Errno::kEROFS));
  EXPECT_TRUE(client().Symlink(dir, "n", "t", {}).Is(Errno::kEROFS));
  EXPECT_TRUE(client().Mknod(dir, "n", {.mode = S_IFIFO | 0600}).Is(Errno::kEROFS));
  EXPECT_TRUE(client().Link(file, dir, "n").Is(Errno::kEROFS));
  EXPECT_TRUE(client().Unlink(dir, "link").Is(Errno::kEROFS));
  EXPECT_TRUE(client().Rmdir(dir, "b").Is(Errno::kEROFS));
  EXPECT_TRUE(client().Rename({dir, "link", dir, "n"}).Is(Errno::kEROFS));
  EXPECT_TRUE(client().SetXattr(file, "user.x", "y", 0).Is(Errno::kEROFS));
  EXPECT_TRUE(client().RemoveXattr(file, "user.x").Is(Errno::kEROFS));
  SetAttrRequest set = {};
  set.node = file;
  set.valid = kSetMode;
  EXPECT_TRUE(client().SetAttr(set).Is(Errno::kEROFS));
  // From one mount to the other, even of one host directory.
  EXPECT_TRUE(client().Rename({root_, "a", dir, "n"}).Is(Errno::kEROFS));
  EXPECT_TRUE(client().Link(gofer_->Node(root_, {"a", "b", "file"}), dir, "n").Is(Errno::kEROFS));
}

TEST_F(SessionTest, CreateWritesThrough) {
  auto created = client().Create(root_, "new", {.mode = 0640}, OpenMode::kReadWrite);
  ASSERT_TRUE(created.ok());
  EXPECT_EQ(created->node.attr.mode, S_IFREG | 0640u);
  ASSERT_EQ(write(created->fd.get(), "data", 4), 4);
  EXPECT_EQ(client().GetAttr(created->node.node)->size, 4u);
  EXPECT_TRUE(client().Create(root_, "new", {.mode = 0640}, OpenMode::kReadWrite).Is(Errno::kEEXIST));
  EXPECT_TRUE(client().Create(root_, "a", {.mode = 0640}, OpenMode::kNone).Is(Errno::kEEXIST));
  if (MayChown(dir_ / "scratch")) {
    auto owned = client().Create(root_, "owned", {.mode = 04755, .uid = 1000, .gid = 1001}, OpenMode::kNone);
    ASSERT_TRUE(owned.ok());
    EXPECT_EQ(owned->node.attr.mode, S_IFREG | 04755u);
    EXPECT_EQ(owned->node.attr.uid, 1000u);
    EXPECT_EQ(owned->node.attr.gid, 1001u);
  }
  auto truncated = client().Open(created->node.node, OpenMode::kReadWrite, kOpenTruncate);
  ASSERT_TRUE(truncated.ok());
  EXPECT_EQ(truncated->attr.size, 0u);
  EXPECT_TRUE(client().Fsync(created->node.node).ok());
}

TEST_F(SessionTest, MakesOtherTypes) {
  EXPECT_EQ(client().Mkdir(root_, "d", {.mode = 02750})->attr.mode, S_IFDIR | 02750u);
  EXPECT_EQ(client().Mknod(root_, "f", {.mode = S_IFIFO | 0600})->attr.mode, S_IFIFO | 0600u);
  EXPECT_EQ(client().Mknod(root_, "s", {.mode = S_IFSOCK | 0600})->attr.mode, S_IFSOCK | 0600u);
  const auto whiteout = client().Mknod(root_, "w", {.mode = S_IFCHR | 0600});
  ASSERT_TRUE(whiteout.ok());
  EXPECT_EQ(whiteout->attr.mode, S_IFCHR | 0600u);
  EXPECT_EQ(whiteout->attr.rdev_major, 0u);
  // A disk's, and the whole memory's.
  EXPECT_TRUE(client().Mknod(root_, "c", {.mode = S_IFBLK | 0600, .rdev_major = 8}).Is(Errno::kEPERM));
  EXPECT_TRUE(client().Mknod(root_, "c", {.mode = S_IFCHR | 0600, .rdev_major = 1, .rdev_minor = 1}).Is(Errno::kEPERM));
  EXPECT_TRUE(client().Mknod(root_, "c", {.mode = S_IFBLK | 0600}).Is(Errno::kEPERM));
  EXPECT_TRUE(client().Mknod(root_, "c", {.mode = S_IFIFO | 0600, .rdev_major = 1}).Is(Errno::kEINVAL));
  auto link = client().Symlink(root_, "l", "../x", {});
  ASSERT_TRUE(link.ok());
  EXPECT_EQ(client().ReadLink(link->node).value(), "../x");
  auto hard = client().Link(gofer_->Node(root_, {"a", "b", "file"}), root_, "h");
  ASSERT_TRUE(hard.ok());
  EXPECT_EQ(hard->attr.nlink, 2u);
  EXPECT_TRUE(client().Link(gofer_->Node(root_, {"a"}), root_, "hd").Is(Errno::kEPERM));
}

TEST_F(SessionTest, UnlinkAndRename) {
  const NodeId a = gofer_->Node(root_, {"a"});
  const NodeId b = gofer_->Node(root_, {"a", "b"});
  const NodeId file = gofer_->Node(root_, {"a", "b", "file"});
  EXPECT_TRUE(client().Unlink(root_, "a").Is(Errno::kEISDIR));
  EXPECT_TRUE(client().Rmdir(a, "b").Is(Errno::kENOTEMPTY));
  ASSERT_TRUE(client().Rename({b, "file", root_, "moved"}).ok());
  // The node has moved with its file: it opens by its new name.
  EXPECT_EQ(ReadFd(client().Open(file, OpenMode::kReadOnly)->fd.get()), "hello");
  WriteHostFile(dir_ / "other", "other");
  const NodeId other = gofer_->Node(root_, {"other"});
  EXPECT_TRUE(client().Rename({root_, "moved", root_, "other", kRenameNoReplace}).Is(Errno::kEEXIST));
  ASSERT_TRUE(client().Rename({root_, "moved", root_, "other", kRenameExchange}).ok());
  EXPECT_EQ(ReadFd(client().Open(file, OpenMode::kReadOnly)->fd.get()), "hello");
  EXPECT_EQ(ReadFd(client().Open(other, OpenMode::kReadOnly)->fd.get()), "other");
  EXPECT_TRUE(client().Rename({root_, "a", b, "x"}).Is(Errno::kEINVAL));
  EXPECT_TRUE(client().Rename({root_, "a", root_, "x", 4}).Is(Errno::kEINVAL));
  ASSERT_TRUE(client().Unlink(root_, "moved").ok());
  EXPECT_TRUE(client().Open(other, OpenMode::kReadOnly).Is(Errno::kESTALE));
  ASSERT_TRUE(client().Rmdir(a, "b").ok());
}

TEST_F(SessionTest, SetAttr) {
  const NodeId file = gofer_->Node(root_, {"a", "b", "file"});
  SetAttrRequest set = {};
  set.node = file;
  set.valid = kSetMode | kSetSize | kSetAtime | kSetMtime;
  set.mode = 04711;
  set.size = 3;
  set.atime = {100, 5, 0};
  set.mtime = {200, 6, 0};
  auto attr = client().SetAttr(set);
  ASSERT_TRUE(attr.ok());
  EXPECT_EQ(attr->mode, S_IFREG | 04711u);
  EXPECT_EQ(attr->size, 3u);
  EXPECT_EQ(attr->atime.seconds, 100);
  EXPECT_EQ(attr->mtime.nanoseconds, 6u);
  set.valid = kSetMtimeNow;
  EXPECT_GT(client().SetAttr(set)->mtime.seconds, 1000000);
  set.valid = 1 << 20;
  EXPECT_TRUE(client().SetAttr(set).Is(Errno::kEINVAL));
  set.valid = kSetSize;
  set.node = root_;
  EXPECT_TRUE(client().SetAttr(set).Is(Errno::kEISDIR));
  if (MayChown(dir_ / "scratch")) {
    set.node = file;
    set.valid = kSetUid;
    set.uid = 77;
    EXPECT_EQ(client().SetAttr(set)->uid, 77u);
  }
}

TEST_F(SessionTest, Xattrs) {
  const NodeId file = gofer_->Node(root_, {"a", "b", "file"});
  EXPECT_TRUE(client().GetXattr(file, "user.x").Is(Errno::kENODATA));
  EXPECT_TRUE(client().SetXattr(file, "security.capability", "x", 0).Is(Errno::kEOPNOTSUPP));
  auto set = client().SetXattr(file, "user.x", "value", kXattrCreate);
  if (set.Is(Errno::kEOPNOTSUPP)) GTEST_SKIP() << "no user.* attributes on this file system";
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(client().GetXattr(file, "user.x").value(), "value");
  const std::vector<std::string> names = client().ListXattr(file).value();
  EXPECT_NE(std::find(names.begin(), names.end(), "user.x"), names.end());
  EXPECT_TRUE(client().RemoveXattr(file, "user.x").ok());
}

TEST_F(SessionTest, StatFsAndClose) {
  EXPECT_GT(client().StatFs(root_)->block_size, 0u);
  const size_t before = gofer_->session().nodes().node_count();
  auto r = gofer_->Walk(root_, {"a", "b", "file"});
  std::vector<NodeId> ids;
  for (const NodeAttr& s : r->steps) ids.push_back(s.node);
  EXPECT_EQ(gofer_->session().nodes().node_count(), before + 3);
  ids.push_back(987654);  // unknown: ignored
  ASSERT_TRUE(client().Close(ids).ok());
  EXPECT_EQ(gofer_->session().nodes().node_count(), before);
  EXPECT_TRUE(client().GetAttr(r->steps[2].node).Is(Errno::kEBADF));
}

TEST_F(SessionTest, PseudoFileSystemsLookEmpty) {
  TestGofer gofer({{"/", true}});
  const NodeId root = gofer.Root();
  auto r = gofer.Walk(root, {"proc"});
  ASSERT_TRUE(r.ok() && r->steps.size() == 1);
  EXPECT_NE(r->steps[0].attr.flags & kAttrPseudo, 0u);
  const NodeId proc = r->steps[0].node;
  EXPECT_EQ(gofer.Walk(proc, {"self"})->stop, Errno::kENOENT);
  EXPECT_EQ(gofer.Walk(root, {"proc", "version"}, OpenMode::kReadOnly)->stop, Errno::kENOENT);
  auto batch = gofer.client().ReadDir(proc, 0);
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(batch->entries.empty() && batch->at_end);
}

TEST_F(SessionTest, FileAsMount) {
  TestGofer gofer({{dir_ / "a/b/file", true}});
  auto root = gofer.client().Attach(0);
  ASSERT_TRUE(root.ok());
  EXPECT_TRUE(S_ISREG(root->attr.mode));
  EXPECT_EQ(ReadFd(gofer.client().Open(root->node, OpenMode::kReadOnly)->fd.get()), "hello");
  EXPECT_EQ(gofer.Walk(root->node, {"x"})->stop, Errno::kENOTDIR);
}

}  // namespace
}  // namespace fsgofer

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "sentry/abi/ioctl.h"
#include "sentry/abi/termios.h"
#include "sentry/fs/devpts/devpts.h"
#include "sentry/fs/devpts/tty_internal.h"
#include "sentry/fs/devpts/tty_signals.h"
#include "sentry/usermem/fake_user_memory.h"
#include "sentry/vfs/controlling_terminal.h"
#include "sentry/vfs/file_description.h"
#include "sentry/vfs/mount.h"
#include "sentry/vfs/operations.h"
#include "sentry/vfs/simple_inode.h"
#include "sentry/vfs/special_files.h"

namespace sentry {
namespace {

class FakeJob final : public JobControl {
 public:
  int32_t tgid() const override { return tgid_; }
  int32_t process_group() const override { return pgid_; }
  int32_t session() const override { return 10; }
  bool process_group_orphaned() const override { return orphaned_; }
  bool signal_ignored(int signo) const override { return ignored_.count(signo) > 0; }
  Result<int32_t> FindProcessGroup(int32_t number, int32_t) const override {
    if (number == 99) return Errno::kESRCH;
    if (number == 98) return Errno::kEPERM;
    return number;
  }
  int32_t NumberOf(int32_t id) const override { return id; }
  const void* controlling_terminal() const override { return terminal_.get(); }
  void SetControllingTerminal(RefPtr<base::RefCounted> terminal) override { terminal_ = std::move(terminal); }
  void ClearControllingTerminal() override { terminal_.reset(); }

  int32_t tgid_ = 10, pgid_ = 10;
  bool orphaned_ = false;
  std::set<int> ignored_;
  RefPtr<base::RefCounted> terminal_;
};

class FakeSignals final : public TtySignals {
 public:
  void SignalGroup(int32_t session, int32_t pgid, int signo) override { sent.push_back({session, pgid, signo}); }
  void SignalLeader(int32_t session, int signo) override { sent.push_back({session, 0, signo}); }
  void ForgetTerminal(int32_t session) override { forgotten.push_back(session); }
  void CallLater(int64_t delay_ns, std::function<void()> fire) override {
    delays.push_back(delay_ns);
    fire();
  }
  std::vector<std::tuple<int, int, int>> sent;
  std::vector<int32_t> forgotten;
  std::vector<int64_t> delays;
};

class TtyTest : public testing::Test {
 protected:
  void SetUp() override {
    static bool registered = (RegisterTtyDevices(), true);
    (void)registered;
    SetTtySignals(&signals_);
    auto creds = MakeRef<Credentials>();
    creds->permitted = creds->effective = CapabilitySet::All();
    ctx_.creds = creds;
    DevptsMount m = NewDevpts();
    mount_ = MakeRef<Mount>(m.fs, m.root, MountFlags{});
    mounts_ = MakeRef<MountNamespace>(mount_);
    ctx_.root = ctx_.cwd = mounts_->root();
    ctx_.mounts = mounts_.get();
    ctx_.memory = &memory_;
    ctx_.tid = ctx_.tgid = 10;
    auto pair = OpenPtyPair(ctx_, mount_);
    ASSERT_TRUE(pair.ok());
    master_ = pair->master;
    slave_ = pair->slave;
    ctx_.job = &job_;
  }
  void TearDown() override {
    master_.reset();
    slave_.reset();
    SetTtySignals(nullptr);
  }
  Result<RefPtr<FileDescription>> OpenAt(std::string_view path, uint32_t flags) {
    OpenHow how;
    how.flags = flags;
    return Open(ctx_, ctx_.root, path, how);
  }
  Result<size_t> Write(FileDescription& f, std::string_view text) {
    KernelIoSource src(std::as_bytes(std::span(text)));
    return f.Write(ctx_, src);
  }
  std::string Read(FileDescription& f) {
    std::string out(4096, '\0');
    KernelIoSink sink(std::as_writable_bytes(std::span(out)));
    const Result<size_t> n = f.Read(ctx_, sink);
    if (!n.ok()) return std::string(base::ErrnoName(n.error()));
    out.resize(*n);
    return out;
  }
  template <typename T>
  Result<uint64_t> IoctlPut(FileDescription& f, uint32_t request, const T& value) {
    memory_.Put(0, value);
    return f.Ioctl(ctx_, request, memory_.base().value);
  }
  template <typename T>
  Result<T> IoctlGet(FileDescription& f, uint32_t request) {
    TRY(f.Ioctl(ctx_, request, memory_.base().value));
    return memory_.Get<T>(0);
  }
  void MakeRaw(uint8_t vmin, uint8_t vtime) {
    auto t = IoctlGet<abi::Termios>(*slave_, abi::kTcGetS).value();
    t.lflag &= ~(abi::kICanon | abi::kEcho);
    t.cc[abi::kVMin] = vmin, t.cc[abi::kVTime] = vtime;
    ASSERT_TRUE(IoctlPut(*slave_, abi::kTcSetS, t).ok());
  }

  FakeSignals signals_;
  FakeJob job_;
  FakeUserMemory memory_{4096};
  VfsContext ctx_;
  RefPtr<Mount> mount_;
  RefPtr<MountNamespace> mounts_;
  RefPtr<FileDescription> master_, slave_;
};

TEST_F(TtyTest, BytesGoBothWays) {
  EXPECT_EQ(*Write(*slave_, "hi\n"), 3u);
  EXPECT_EQ(Read(*master_), "hi\r\n");
  EXPECT_EQ(Read(*master_), "EAGAIN");
  EXPECT_EQ(Read(*slave_), "EAGAIN");
  EXPECT_EQ(*Write(*master_, "x\n"), 2u);
  EXPECT_EQ(slave_->Readiness(base::kEventIn), base::kEventIn);
  EXPECT_EQ(Read(*slave_), "x\n");
}

TEST_F(TtyTest, TheSlaveHasAName) {
  auto opened = OpenAt("/0", abi::kORdWr);
  ASSERT_TRUE(opened.ok());
  const Attributes a = GetAttributes(ctx_, (*opened)->path()).value();
  EXPECT_EQ(a.mode, abi::kSIfChr | 0620u);
  EXPECT_EQ(a.gid, 5u);
  EXPECT_EQ(a.rdev, abi::MakeDev(136, 0));
  master_.reset();
  EXPECT_TRUE(OpenAt("/0", abi::kORdWr).Is(Errno::kENOENT));
}

TEST_F(TtyTest, LockedUntilUnlocked) {
  auto second = OpenAt("/ptmx", abi::kORdWr);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(IoctlGet<uint32_t>(**second, abi::kTiocGPtn).value(), 1u);
  EXPECT_TRUE(OpenAt("/1", abi::kORdWr).Is(Errno::kEIO));
  EXPECT_TRUE(IoctlPut<int32_t>(**second, abi::kTiocSPtLck, 0).ok());
  EXPECT_TRUE(OpenAt("/1", abi::kORdWr | abi::kONoCtty).ok());
}

TEST_F(TtyTest, LastSlaveClosedIsEioAfterTheData) {
  ASSERT_TRUE(Write(*slave_, "bye").ok());
  slave_.reset();
  EXPECT_EQ(master_->Readiness(base::kEventIn), base::kEventIn | base::kEventHup);
  EXPECT_EQ(Read(*master_), "bye");
  EXPECT_EQ(Read(*master_), "EIO");
}

TEST_F(TtyTest, MasterClosedHangsUp) {
  ASSERT_TRUE(MakeControlling(ctx_, slave_).ok());
  master_.reset();
  EXPECT_EQ(signals_.sent[0], std::make_tuple(10, 0, kSigHup));
  EXPECT_EQ(signals_.sent[1], std::make_tuple(10, 0, kSigCont));
  EXPECT_EQ(signals_.forgotten, std::vector<int32_t>{10});
  EXPECT_EQ(Read(*slave_), "");
  EXPECT_TRUE(Write(*slave_, "x").Is(Errno::kEIO));
  EXPECT_TRUE(IoctlGet<abi::Winsize>(*slave_, abi::kTiocGWinSz).Is(Errno::kEIO));
  EXPECT_TRUE(slave_->Readiness(base::kEventIn) & base::kEventHup);
}

TEST_F(TtyTest, InterruptGoesToTheForegroundGroup) {
  ASSERT_TRUE(MakeControlling(ctx_, slave_).ok());
  ASSERT_TRUE(IoctlPut<int32_t>(*slave_, abi::kTiocSPgrp, 20).ok());
  EXPECT_EQ(IoctlGet<int32_t>(*slave_, abi::kTiocGPgrp).value(), 20);
  job_.pgid_ = 20;
  ASSERT_TRUE(Write(*master_, "\x03").ok());
  EXPECT_EQ(signals_.sent, (std::vector<std::tuple<int, int, int>>{{10, 20, kSigInt}}));
}

TEST_F(TtyTest, BackgroundReadersStop) {
  ASSERT_TRUE(MakeControlling(ctx_, slave_).ok());
  job_.pgid_ = 30;
  EXPECT_EQ(Read(*slave_), "EAGAIN");
  EXPECT_EQ(signals_.sent.back(), std::make_tuple(10, 30, kSigTtin));
  job_.ignored_ = {kSigTtin};
  EXPECT_EQ(Read(*slave_), "EIO");
  job_.ignored_.clear();
  job_.orphaned_ = true;
  EXPECT_EQ(Read(*slave_), "EIO");
  EXPECT_TRUE(IoctlPut<int32_t>(*slave_, abi::kTiocSPgrp, 30).Is(Errno::kENOTTY));
  job_.orphaned_ = false;
  EXPECT_TRUE(IoctlPut<int32_t>(*slave_, abi::kTiocSPgrp, 30).Is(Errno::kEINTR));
  EXPECT_EQ(signals_.sent.back(), std::make_tuple(10, 30, kSigTtou));
  job_.ignored_ = {kSigTtou};
  EXPECT_TRUE(IoctlPut<int32_t>(*slave_, abi::kTiocSPgrp, 30).ok());
  job_.ignored_.clear();
  EXPECT_EQ(Read(*slave_), "EAGAIN");
}

TEST_F(TtyTest, ToStop) {
  ASSERT_TRUE(MakeControlling(ctx_, slave_).ok());
  auto t = IoctlGet<abi::Termios>(*slave_, abi::kTcGetS).value();
  t.lflag |= abi::kToStop;
  ASSERT_TRUE(IoctlPut(*slave_, abi::kTcSetS, t).ok());
  job_.pgid_ = 30;
  EXPECT_TRUE(Write(*slave_, "x").Is(Errno::kEAGAIN));
  slave_->SetStatusFlags(abi::kONonBlock);
  EXPECT_TRUE(Write(*slave_, "x").Is(Errno::kEINTR));
  EXPECT_EQ(signals_.sent.back(), std::make_tuple(10, 30, kSigTtou));
}

TEST_F(TtyTest, ForegroundErrors) {
  EXPECT_TRUE(IoctlGet<int32_t>(*slave_, abi::kTiocGPgrp).Is(Errno::kENOTTY));
  EXPECT_TRUE(IoctlPut<int32_t>(*slave_, abi::kTiocSPgrp, 10).Is(Errno::kENOTTY));
  ASSERT_TRUE(slave_->Ioctl(ctx_, abi::kTiocSCtty, 0).ok());
  EXPECT_EQ(IoctlGet<int32_t>(*slave_, abi::kTiocGSid).value(), 10);
  EXPECT_TRUE(IoctlPut<int32_t>(*slave_, abi::kTiocSPgrp, -1).Is(Errno::kEINVAL));
  EXPECT_TRUE(IoctlPut<int32_t>(*slave_, abi::kTiocSPgrp, 99).Is(Errno::kESRCH));
  EXPECT_TRUE(IoctlPut<int32_t>(*slave_, abi::kTiocSPgrp, 98).Is(Errno::kEPERM));
  EXPECT_TRUE(slave_->Ioctl(ctx_, abi::kTiocSPgrp, 0).Is(Errno::kEFAULT));
}

TEST_F(TtyTest, ControllingTerminalThroughDevTty) {
  ASSERT_TRUE(MakeControlling(ctx_, slave_).ok());
  auto* terminal = static_cast<ControllingTerminal*>(job_.terminal_.get());
  EXPECT_EQ(terminal->device(), 136u << 8);
  EXPECT_EQ(terminal->foreground_group(), 10);
  EXPECT_TRUE(slave_->Ioctl(ctx_, abi::kTiocNoTty, 0).ok());
  EXPECT_EQ(signals_.sent.size(), 2u);
  EXPECT_FALSE(job_.terminal_);
  EXPECT_TRUE(slave_->Ioctl(ctx_, abi::kTiocNoTty, 0).Is(Errno::kENOTTY));
}

TEST_F(TtyTest, DevTty) {
  Attributes a;
  a.mode = abi::kSIfChr | 0666;
  a.rdev = abi::MakeDev(5, 0);
  RefPtr<Inode> inode = MakeRef<SimpleInode>(InternalFileSystem(InternalFs::kAnonInode), a);
  const Path path = InternalPath(InternalFs::kAnonInode, inode, "tty");
  EXPECT_TRUE(SpecialFiles::Open(ctx_, path, abi::kSIfChr, a.rdev, abi::kORdWr).Is(Errno::kENXIO));
  ASSERT_TRUE(MakeControlling(ctx_, slave_).ok());
  slave_.reset();
  auto tty = SpecialFiles::Open(ctx_, path, abi::kSIfChr, a.rdev, abi::kORdWr);
  ASSERT_TRUE(tty.ok());
  ASSERT_TRUE(Write(**tty, "x").ok());
  EXPECT_EQ(Read(*master_), "x");
}

TEST_F(TtyTest, PeerAndDirectory) {
  auto second = OpenAt("/ptmx", abi::kORdWr);
  ASSERT_TRUE(second.ok());
  auto peer = OpenPtyPeer(ctx_, *second, abi::kORdWr | abi::kONoCtty);  // no unlock needed
  ASSERT_TRUE(peer.ok());
  EXPECT_TRUE(OpenPtyPeer(ctx_, *peer, abi::kORdWr).Is(Errno::kENOTTY));
  struct Names final : DirSink {
    bool Add(std::string_view name, uint64_t, uint32_t, int64_t) override {
      all += std::string(name) + " ";
      return true;
    }
    std::string all;
  } names;
  ASSERT_TRUE(OpenAt("/", 0).value()->IterateDir(ctx_, names).ok());
  EXPECT_EQ(names.all, ". .. ptmx 0 1 ");
}

TEST_F(TtyTest, OpeningASlaveMakesItControlling) {
  auto opened = OpenAt("/0", abi::kORdWr);
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(job_.terminal_);
  static_cast<ControllingTerminal*>(job_.terminal_.get())->SessionLeaderExited(10);
  EXPECT_EQ(signals_.sent, (std::vector<std::tuple<int, int, int>>{{10, 10, kSigHup}}));
}

TEST_F(TtyTest, WindowSize) {
  ASSERT_TRUE(MakeControlling(ctx_, slave_).ok());
  const abi::Winsize size{24, 80, 0, 0};
  ASSERT_TRUE(SetWindowSize(master_, size).ok());
  EXPECT_EQ(IoctlGet<abi::Winsize>(*slave_, abi::kTiocGWinSz).value(), size);
  ASSERT_TRUE(SetWindowSize(master_, size).ok());
  EXPECT_EQ(signals_.sent.size(), 1u);
  EXPECT_EQ(signals_.sent.back(), std::make_tuple(10, 10, kSigWinch));
}

TEST_F(TtyTest, VminCounts) {
  MakeRaw(3, 0);
  ASSERT_TRUE(Write(*master_, "ab").ok());
  EXPECT_EQ(Read(*slave_), "EAGAIN");
  EXPECT_EQ(slave_->Readiness(base::kEventIn), 0u);
  ASSERT_TRUE(Write(*master_, "c").ok());
  EXPECT_EQ(slave_->Readiness(base::kEventIn), base::kEventIn);
  EXPECT_EQ(Read(*slave_), "abc");
}

TEST_F(TtyTest, NonBlockingReadTakesWhatIsThere) {
  MakeRaw(3, 0);
  slave_->SetStatusFlags(abi::kONonBlock);
  ASSERT_TRUE(Write(*master_, "ab").ok());
  EXPECT_EQ(Read(*slave_), "ab");
  EXPECT_EQ(Read(*slave_), "EAGAIN");
}

TEST_F(TtyTest, VminZeroNeverWaits) {
  MakeRaw(0, 0);
  EXPECT_EQ(Read(*slave_), "");
}

TEST_F(TtyTest, VtimeEndsARead) {
  MakeRaw(0, 1);
  EXPECT_EQ(Read(*slave_), "EAGAIN");
  ASSERT_EQ(signals_.delays.size(), 1u);
  EXPECT_GT(signals_.delays[0], 50'000'000);
  EXPECT_LE(signals_.delays[0], 100'000'000);
  usleep(120'000);
  EXPECT_EQ(slave_->Readiness(base::kEventIn), base::kEventIn);
  EXPECT_EQ(Read(*slave_), "");
}

TEST_F(TtyTest, VtimeBetweenBytes) {
  MakeRaw(5, 1);
  EXPECT_EQ(Read(*slave_), "EAGAIN");
  EXPECT_TRUE(signals_.delays.empty());
  ASSERT_TRUE(Write(*master_, "ab").ok());
  EXPECT_EQ(signals_.delays.size(), 1u);
  EXPECT_EQ(slave_->Readiness(base::kEventIn), 0u);
  usleep(120'000);
  EXPECT_EQ(slave_->Readiness(base::kEventIn), base::kEventIn);
  EXPECT_EQ(Read(*slave_), "ab");
}

TEST_F(TtyTest, PacketMode) {
  ASSERT_TRUE(IoctlPut<int32_t>(*master_, abi::kTiocPkt, 1).ok());
  ASSERT_TRUE(Write(*slave_, "x").ok());
  EXPECT_EQ(Read(*master_), std::string("\0x", 2));
  ASSERT_TRUE(slave_->Ioctl(ctx_, abi::kTcFlsh, abi::kTcIOFlush).ok());
  EXPECT_TRUE(master_->Readiness(base::kEventPri) & base::kEventPri);
  EXPECT_EQ(Read(*master_), std::string(1, abi::kPktFlushRead | abi::kPktFlushWrite));
  ASSERT_TRUE(slave_->Ioctl(ctx_, abi::kTcXOnC, abi::kTcOOff).ok());
  EXPECT_EQ(Read(*master_), std::string(1, abi::kPktStop));
}

TEST_F(TtyTest, StateOfInput) {
  ASSERT_TRUE(Write(*master_, "abc\nde").ok());
  EXPECT_EQ(IoctlGet<int32_t>(*slave_, abi::kFioNRead).value(), 4);
  auto t2 = IoctlGet<abi::Termios2>(*slave_, abi::kTcGetS2).value();
  EXPECT_EQ(t2.ospeed, 38400u);
  t2.cflag = 0;
  ASSERT_TRUE(IoctlPut(*slave_, abi::kTcSetSF2, t2).ok());
  EXPECT_EQ(IoctlGet<int32_t>(*slave_, abi::kFioNRead).value(), 0);
  EXPECT_EQ(IoctlGet<abi::Termios>(*master_, abi::kTcGetS).value().cflag & abi::kCsize, abi::kCs8);
  EXPECT_TRUE(slave_->Ioctl(ctx_, 0x1234, 0).Is(Errno::kENOTTY));
  EXPECT_TRUE(slave_->Ioctl(ctx_, abi::kTcFlsh, 7).Is(Errno::kEINVAL));
}

TEST_F(TtyTest, Sti) {
  ASSERT_TRUE(MakeControlling(ctx_, slave_).ok());
  ASSERT_TRUE(IoctlPut<uint8_t>(*slave_, abi::kTiocSti, '\n').ok());
  EXPECT_EQ(Read(*slave_), "\n");
}

}  // namespace
}  // namespace sentry

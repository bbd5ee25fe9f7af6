#include "sentry/fs/pipe/pipe.h"

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "sentry/abi/ioctl.h"
#include "sentry/fs/pipe/fifo.h"
#include "sentry/fs/pipe/pipe_file.h"
#include "sentry/usermem/fake_user_memory.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {
namespace {

class PipeTest : public ::testing::Test {
 protected:
  PipeTest() {
    ctx_.creds = MakeRef<Credentials>();
    ctx_.memory = &memory_;
  }
  void Make(uint32_t flags = 0) { pipe_ = NewPipe(ctx_, flags); }
  Result<size_t> Write(std::string_view s) { return Write(pipe_.write_end, s); }
  Result<size_t> Write(const RefPtr<FileDescription>& file, std::string_view s) {
    KernelIoSource src(std::as_bytes(std::span(s)));
    return file->Write(ctx_, src);
  }
  // The bytes, or "!N" for error N.
  std::string Read(size_t max) { return Read(pipe_.read_end, max); }
  std::string Read(const RefPtr<FileDescription>& file, size_t max) {
    std::string out(max, '\0');
    KernelIoSink dst(std::as_writable_bytes(std::span(out)));
    const Result<size_t> n = file->Read(ctx_, dst);
    if (!n.ok()) return "!" + std::to_string(static_cast<int>(n.error()));
    out.resize(*n);
    return out;
  }
  Pipe& pipe() { return FileCast<PipeEnd>(pipe_.read_end)->pipe(); }
  base::EventMask Ready(const RefPtr<FileDescription>& file) { return file->Readiness(~base::EventMask{0}); }

  FakeUserMemory memory_{0x20000};
  VfsContext ctx_;
  PipePair pipe_;
};

const std::string kAgain = "!11", kFault = "!14";

TEST_F(PipeTest, PassesBytesInOrderAndMergesSmallWrites) {
  Make();
  EXPECT_EQ(Read(10), kAgain);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(*Write("ab"), 2u);
  EXPECT_EQ(pipe().bytes_queued(), 2000u);
  EXPECT_EQ(Read(3), "aba");
  EXPECT_EQ(Read(5000).size(), 1997u);
  EXPECT_EQ(Read(1), kAgain);
}

TEST_F(PipeTest, FillsToItsCapacityAndNoFurther) {
  Make();
  EXPECT_EQ(*Write(std::string(100'000, 'x')), 65536u);
  EXPECT_TRUE(Write("y").Is(Errno::kEAGAIN));
  EXPECT_FALSE(Ready(pipe_.write_end) & base::kEventOut);
  EXPECT_EQ(Read(4095).size(), 4095u);
  EXPECT_TRUE(Write("y").Is(Errno::kEAGAIN));  // a page is still in use
  EXPECT_EQ(Read(1), "x");
  EXPECT_TRUE(Ready(pipe_.write_end) & base::kEventOut);
  EXPECT_EQ(*Write(std::string(8192, 'z')), 4096u);
}

TEST_F(PipeTest, OddBytesMergeFirstAsInLinux) {
  Make();
  EXPECT_EQ(*Write(std::string(100, 'a')), 100u);
  // 100 odd bytes join the first page; sixteen slots hold the rest.
  EXPECT_EQ(*Write(std::string(15 * 4096 + 100, 'b')), 15u * 4096 + 100);
  EXPECT_TRUE(Write(std::string(4096, 'c')).Is(Errno::kEAGAIN));
  EXPECT_EQ(Read(200), std::string(100, 'a') + std::string(100, 'b'));
}

TEST_F(PipeTest, WritesOfAPageOrLessAreAtomic) {
  Make();
  for (int i = 0; i < 15; ++i) ASSERT_EQ(*Write(std::string(4096, 'x')), 4096u);
  ASSERT_EQ(*Write(std::string(3000, 'y')), 3000u);
  EXPECT_TRUE(Write(std::string(1097, 'z')).Is(Errno::kEAGAIN));
  EXPECT_EQ(*Write(std::string(1096, 'z')), 1096u);
}

TEST_F(PipeTest, PacketsKeepTheirEnds) {
  Make(abi::kODirect);
  EXPECT_EQ(*Write("one"), 3u);
  EXPECT_EQ(*Write("three"), 5u);
  EXPECT_EQ(*Write(std::string(5000, 'p')), 5000u);
  EXPECT_EQ(Read(10), "one");
  EXPECT_EQ(Read(2), "th");  // the rest of the packet is lost
  EXPECT_EQ(Read(9000).size(), 4096u);
  EXPECT_EQ(Read(9000).size(), 904u);
}

TEST_F(PipeTest, EndsTellOfEachOther) {
  Make();
  EXPECT_EQ(*Write("last"), 4u);
  pipe_.write_end.reset();
  EXPECT_EQ(Ready(pipe_.read_end), base::kEventIn | base::kEventRdNorm | base::kEventHup);
  EXPECT_EQ(Read(10), "last");
  EXPECT_EQ(Read(10), "");
  EXPECT_EQ(Ready(pipe_.read_end), base::kEventHup);

  Make();
  pipe_.read_end.reset();
  EXPECT_TRUE(Write("x").Is(Errno::kEPIPE));
  EXPECT_TRUE(Write(std::string(9000, 'x')).Is(Errno::kEPIPE));
  EXPECT_TRUE(Ready(pipe_.write_end) & base::kEventErr);
}

TEST_F(PipeTest, ABadAddressLosesNothing) {
  Make();
  EXPECT_EQ(*Write("kept"), 4u);
  UserIoSink half(memory_, memory_.base() + memory_.bytes().size() - 2, 4);
  EXPECT_TRUE(pipe_.read_end->Read(ctx_, half).Is(Errno::kEFAULT));
  EXPECT_EQ(Read(10), "kept");
  for (const size_t len : {size_t{100}, size_t{4096}, size_t{10'000}}) {
    UserIoSource source(memory_, memory_.base() + memory_.bytes().size() - 2, len);
    EXPECT_TRUE(pipe_.write_end->Write(ctx_, source).Is(Errno::kEFAULT));
    EXPECT_EQ(Read(10), kAgain);
  }
  // A whole page before the bad address goes in.
  UserIoSource source(memory_, memory_.base() + memory_.bytes().size() - 5000, 9000);
  EXPECT_EQ(*pipe_.write_end->Write(ctx_, source), 4096u);
}

TEST_F(PipeTest, CapacityCanBeChanged) {
  Make();
  EXPECT_EQ(pipe().capacity(), 65536u);
  EXPECT_EQ(*pipe().SetCapacity(ctx_, 1), 4096u);
  EXPECT_EQ(*pipe().SetCapacity(ctx_, 4097), 8192u);
  EXPECT_EQ(*Write(std::string(10'000, 'x')), 8192u);
  EXPECT_TRUE(pipe().SetCapacity(ctx_, 4096).Is(Errno::kEBUSY));
  EXPECT_EQ(*pipe().SetCapacity(ctx_, 1 << 20), 1u << 20);
  EXPECT_TRUE(pipe().SetCapacity(ctx_, (1 << 20) + 1).Is(Errno::kEPERM));
  EXPECT_TRUE(pipe().SetCapacity(ctx_, 0).Is(Errno::kEINVAL));
  EXPECT_EQ(Read(10'000), std::string(8192, 'x'));
}

TEST_F(PipeTest, AUserWithManyPagesGetsSmallPipes) {
  Make();
  std::vector<RefPtr<Pipe>> hoard;
  auto creds = MakeRef<Credentials>();
  creds->uid = 77;
  for (int i = 0; i < 64; ++i) {
    hoard.push_back(MakeRef<Pipe>(*creds, false));
    ctx_.creds = creds;
    if (!hoard.back()->SetCapacity(ctx_, 1 << 20).ok()) break;
  }
  EXPECT_EQ(MakeRef<Pipe>(*creds, false)->capacity(), 8192u);
  hoard.clear();
  EXPECT_EQ(MakeRef<Pipe>(*creds, false)->capacity(), 65536u);
}

TEST_F(PipeTest, FionreadCounts) {
  Make();
  Write("12345").value();
  EXPECT_TRUE(pipe_.read_end->Ioctl(ctx_, abi::kFioNRead, memory_.base().value).ok());
  EXPECT_EQ(memory_.Get<int32_t>(0), 5);
  EXPECT_TRUE(pipe_.read_end->Ioctl(ctx_, 0x5401, 0).Is(Errno::kENOTTY));
  EXPECT_TRUE(pipe_.read_end->Ioctl(ctx_, abi::kFioNRead, 0).Is(Errno::kEFAULT));
}

TEST_F(PipeTest, TeeSharesAndSpliceMoves) {
  Make();
  PipePair other = NewPipe(ctx_, 0);
  Pipe& to = FileCast<PipeEnd>(other.read_end)->pipe();
  EXPECT_TRUE(Pipe::Tee(pipe(), to, 10).Is(Errno::kEAGAIN));
  EXPECT_TRUE(Pipe::Tee(pipe(), pipe(), 10).Is(Errno::kEINVAL));
  Write("hello world").value();
  EXPECT_EQ(*Pipe::Tee(pipe(), to, 5), 5u);
  Write("!").value();                           // behind what is shared
  EXPECT_EQ(*Write(other.write_end, "?"), 1u);  // must not overwrite it
  EXPECT_EQ(Read(other.read_end, 99), "hello?");
  EXPECT_EQ(*Pipe::Splice(pipe(), to, 6), 6u);
  EXPECT_EQ(Read(99), "world!");
  EXPECT_EQ(Read(other.read_end, 99), "hello ");
  pipe_.write_end.reset();
  EXPECT_EQ(*Pipe::Splice(pipe(), to, 6), 0u);
}

TEST_F(PipeTest, TwoThreads) {
  Make();
  std::thread writer([this] {
    std::string block(10'007, '\0');
    for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i % 251);
    for (int round = 0; round < 200; ++round) {
      size_t done = 0;
      while (done < block.size()) {
        const Result<size_t> n = Write(std::string_view(block).substr(done));
        if (n.ok())
          done += *n;
        else
          std::this_thread::yield();
      }
    }
    pipe_.write_end.reset();
  });
  size_t at = 0;
  while (true) {
    const std::string got = Read(3001);
    if (got == kAgain) {
      std::this_thread::yield();
      continue;
    }
    if (got.empty()) break;
    for (const char c : got) ASSERT_EQ(c, static_cast<char>(at++ % 10'007 % 251));
  }
  EXPECT_EQ(at, 200u * 10'007);
  writer.join();
}

TEST_F(PipeTest, APingIsFast) {
  Make();
  constexpr int kRounds = 200'000;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) {
    std::byte b{1};
    KernelIoSource src(std::span(&b, 1));
    (void)pipe_.write_end->Write(ctx_, src);
    KernelIoSink dst(std::span(&b, 1));
    (void)pipe_.read_end->Read(ctx_, dst);
  }
  const double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  printf("write + read of a byte: %.0f ns\n", ns / kRounds);
}

class FifoTest : public PipeTest {
 protected:
  FifoTest() {
    Attributes attributes;
    attributes.mode = abi::kSIfIfo | 0600;
    path_ = InternalPath(InternalFs::kAnonInode,
                         MakeRef<SimpleInode>(InternalFileSystem(InternalFs::kAnonInode), attributes), "fifo");
  }
  Result<RefPtr<FileDescription>> Open(uint32_t flags) { return OpenFifo(ctx_, path_, flags); }
  Path path_;
};

TEST_F(FifoTest, OpenersWaitForEachOther) {
  RefPtr<FileDescription> reader = *Open(abi::kORdOnly);
  EXPECT_TRUE(FifoOpenPending(reader));
  RefPtr<FileDescription> writer = *Open(abi::kOWrOnly);
  EXPECT_FALSE(FifoOpenPending(reader));
  EXPECT_FALSE(FifoOpenPending(writer));
  EXPECT_EQ(*Write(writer, "x"), 1u);
  EXPECT_EQ(Read(reader, 9), "x");
}

TEST_F(FifoTest, APeerThatCameAndWentReleasesTheOpener) {
  RefPtr<FileDescription> reader = *Open(abi::kORdOnly);
  { RefPtr<FileDescription> writer = *Open(abi::kOWrOnly | abi::kONonBlock); }
  EXPECT_FALSE(FifoOpenPending(reader));
  EXPECT_EQ(Read(reader, 9), "");
}

TEST_F(FifoTest, NonBlockingOpens) {
  EXPECT_TRUE(Open(abi::kOWrOnly | abi::kONonBlock).Is(Errno::kENXIO));
  RefPtr<FileDescription> reader = *Open(abi::kORdOnly | abi::kONonBlock);
  EXPECT_FALSE(FifoOpenPending(reader));
  EXPECT_EQ(Ready(reader), 0u);  // no hang-up before there was a writer
  EXPECT_EQ(Read(reader, 9), "");
  RefPtr<FileDescription> writer = *Open(abi::kOWrOnly | abi::kONonBlock);
  EXPECT_EQ(Read(reader, 9), kAgain);
  writer.reset();
  EXPECT_EQ(Ready(reader), base::kEventHup);
}

TEST_F(FifoTest, BothWaysNeverWaitsAndDataDiesWithTheLastEnd) {
  RefPtr<FileDescription> both = *Open(abi::kORdWr);
  EXPECT_FALSE(FifoOpenPending(both));
  EXPECT_EQ(*Write(both, "x"), 1u);
  both.reset();
  both = *Open(abi::kORdWr);
  EXPECT_EQ(Read(both, 9), kAgain);
  EXPECT_TRUE(Open(abi::kOAccMode).Is(Errno::kEINVAL));
}

TEST_F(FifoTest, AnonymousPipesOpenAgain) {
  Make();
  RefPtr<FileDescription> again = *OpenFifo(ctx_, pipe_.read_end->path(), abi::kOWrOnly);
  EXPECT_FALSE(FifoOpenPending(again));
  EXPECT_EQ(*Write(again, "again"), 5u);
  EXPECT_EQ(Read(9), "again");
  pipe_.write_end.reset();
  EXPECT_EQ(Read(9), kAgain);
  again.reset();
  EXPECT_EQ(Read(9), "");
}

}  // namespace
}  // namespace sentry

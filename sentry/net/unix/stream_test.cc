#include <chrono>
#include <cstdio>
#include <thread>

#include "sentry/abi/ioctl.h"
#include "sentry/net/unix/test_util.h"
#include "sentry/usermem/fake_user_memory.h"

namespace sentry {
namespace {

class StreamTest : public UnixSocketTest {
 protected:
  StreamTest() { std::tie(a_, b_) = Pair(abi::kSockStream); }
  S a_, b_;
};

TEST_F(StreamTest, BytesHaveNoBounds) {
  EXPECT_EQ(Text(b_), kAgain);
  EXPECT_EQ(*Send(a_, "hello "), 6u);
  EXPECT_EQ(*Send(a_, "world"), 5u);
  EXPECT_EQ(Text(b_, 3), "hel");
  EXPECT_EQ(Text(b_), "lo world");
  EXPECT_EQ(*Send(b_, "back"), 4u);
  EXPECT_EQ(Text(a_), "back");
  EXPECT_EQ(*Send(a_, ""), 0u);
  EXPECT_EQ(Text(b_), kAgain);
}

TEST_F(StreamTest, PeekLeavesAll) {
  Send(a_, "one").value();
  Send(a_, "two").value();
  EXPECT_EQ(Text(b_, 5, abi::kMsgPeek), "onetw");
  EXPECT_EQ(Text(b_, 9, abi::kMsgPeek), "onetwo");
  ASSERT_TRUE(SetOption(b_, abi::kSoPeekOff, 1).ok());
  EXPECT_EQ(Text(b_, 3, abi::kMsgPeek), "net");
  EXPECT_EQ(Text(b_, 9, abi::kMsgPeek), "wo");
  EXPECT_EQ(Text(b_, 9, abi::kMsgPeek), kAgain);
  EXPECT_EQ(Text(b_, 2), "on");
  EXPECT_EQ(Option<int>(b_, abi::kSoPeekOff), 4);
  EXPECT_EQ(Text(b_), "etwo");
}

TEST_F(StreamTest, TheSendBufferFillsAndDrains) {
  size_t sent = 0;
  const std::string page(4096, 'x');
  while (true) {
    const Result<size_t> n = Send(a_, page);
    if (!n.ok()) {
      EXPECT_TRUE(n.Is(Errno::kEAGAIN));
      break;
    }
    sent += *n;
  }
  EXPECT_EQ(sent, 44u * 4096);  // what Linux takes
  EXPECT_FALSE(Ready(a_) & base::kEventOut);
  EXPECT_EQ(Text(b_, 4096).size(), 4096u);
  EXPECT_FALSE(Ready(a_) & base::kEventOut);  // not before three quarters are free
  EXPECT_EQ(*Send(a_, page), 4096u);
  while (Text(b_, 1 << 20).size() > 10) {
  }
  EXPECT_TRUE(Ready(a_) & base::kEventOut);
  // A big write goes in part.
  const size_t part = *Send(a_, std::string(1 << 20, 'y'));
  EXPECT_GT(part, 100'000u);
  EXPECT_LT(part, 1u << 20);
}

TEST_F(StreamTest, ClosedPeer) {
  Send(a_, "last").value();
  a_.reset();
  EXPECT_EQ(Ready(b_) & (base::kEventHup | base::kEventRdHup | base::kEventIn),
            base::kEventHup | base::kEventRdHup | base::kEventIn);
  EXPECT_TRUE(Send(b_, "x").Is(Errno::kEPIPE));
  EXPECT_EQ(Text(b_), "last");
  EXPECT_EQ(Text(b_), "");
  EXPECT_EQ(b_->PeerAddress()->size(), 2u);  // still known
}

TEST_F(StreamTest, ClosedWithUnreadDataResets) {
  Send(a_, "unread").value();
  b_.reset();
  EXPECT_TRUE(Ready(a_) & base::kEventErr);
  EXPECT_EQ(Option<int>(a_, abi::kSoError), 104);
  EXPECT_EQ(Option<int>(a_, abi::kSoError), 0);
  EXPECT_EQ(Text(a_), "");
}

TEST_F(StreamTest, AnErrorWaitsForTheReadThatHasNothingElse) {
  Send(a_, "unread").value();
  Send(b_, "data").value();
  b_.reset();
  EXPECT_EQ(Text(a_), "data");
  EXPECT_EQ(Text(a_), kReset);
  EXPECT_EQ(Text(a_), "");
}

TEST_F(StreamTest, ReadDropsDescriptors) {
  Send(a_, "x", "", {.files = {a_, b_}, .credentials = {}, .records = {}}).value();
  std::byte byte;
  KernelIoSink dst(std::span(&byte, 1));
  EXPECT_EQ(*b_->Read(ctx_, dst), 1u);
  EXPECT_EQ(UnixGc::files_in_flight(), 0u);
}

TEST_F(StreamTest, Shutdown) {
  EXPECT_TRUE(a_->Shutdown(3).Is(Errno::kEINVAL));
  Send(a_, "tail").value();
  ASSERT_TRUE(a_->Shutdown(abi::kShutWr).ok());
  EXPECT_TRUE(Send(a_, "x").Is(Errno::kEPIPE));
  EXPECT_EQ(Text(b_), "tail");
  EXPECT_EQ(Text(b_), "");
  EXPECT_TRUE(Ready(b_) & base::kEventRdHup);
  EXPECT_FALSE(Ready(b_) & base::kEventHup);
  EXPECT_EQ(*Send(b_, "still"), 5u);
  EXPECT_EQ(Text(a_), "still");
  ASSERT_TRUE(a_->Shutdown(abi::kShutRd).ok());
  EXPECT_TRUE(Send(b_, "x").Is(Errno::kEPIPE));
  EXPECT_TRUE(Ready(b_) & base::kEventHup);
}

TEST_F(StreamTest, StatesAndAddresses) {
  S fresh = New(abi::kSockStream);
  EXPECT_TRUE(Send(fresh, "x").Is(Errno::kENOTCONN));
  EXPECT_TRUE(Send(fresh, "x", "@y").Is(Errno::kEOPNOTSUPP));
  EXPECT_TRUE(Send(a_, "x", "@y").Is(Errno::kEISCONN));
  EXPECT_TRUE(Receive(fresh, 1).Is(Errno::kEINVAL));
  EXPECT_TRUE(Ready(fresh) & base::kEventHup);
  EXPECT_TRUE(Send(a_, "x", "", {}, abi::kMsgOob).Is(Errno::kEOPNOTSUPP));
}

TEST_F(StreamTest, ABadAddressLosesNothing) {
  FakeUserMemory memory(4096);
  Send(a_, "kept").value();
  UserIoSink half(memory, memory.base() + 4094, 4);
  EXPECT_TRUE(b_->ReceiveMessage(ctx_, half, 0).Is(Errno::kEFAULT));
  EXPECT_EQ(Text(b_), "kept");
  UserIoSource source(memory, memory.base() + 4094, 4);
  EXPECT_TRUE(a_->SendMessage(ctx_, source, {}, {}, 0).Is(Errno::kEFAULT));
  EXPECT_EQ(Text(b_), kAgain);
}

TEST_F(StreamTest, CredentialsOnRequest) {
  EXPECT_FALSE(Receive(b_, 0).ok());
  ASSERT_TRUE(SetOption(b_, abi::kSoPassCred, 1).ok());
  Send(a_, "x").value();
  VfsContext other = ctx_;
  const RefPtr<Pid> writer = NewProcess(8);
  other.process = writer.get();
  KernelIoSource src(std::as_bytes(std::span("y", 1)));
  a_->SendMessage(other, src, {}, {}, 0).value();
  Got got = *Receive(b_, 10);
  EXPECT_EQ(got.bytes, "x");  // not glued to another writer's
  EXPECT_EQ(got.result.control.credentials->pid->id(), 7);
  got = *Receive(b_, 10);
  EXPECT_EQ(got.result.control.credentials->pid->id(), 8);
}

TEST_F(StreamTest, ForgedCredentialsAreRefused) {
  ControlData control;
  control.credentials = PeerCredentials{NewProcess(1), 0, 0};
  EXPECT_TRUE(Send(a_, "x", "", control).Is(Errno::kEPERM));
  control.credentials = PeerCredentials{process_, 1, 0};
  EXPECT_TRUE(Send(a_, "x", "", control).Is(Errno::kEPERM));
  ctx_.creds->effective = CapabilitySet::All();
  EXPECT_TRUE(Send(a_, "x", "", control).ok());
  ASSERT_TRUE(SetOption(b_, abi::kSoPassCred, 1).ok());
  EXPECT_EQ(Receive(b_, 9)->result.control.credentials->uid, 1u);
}

TEST_F(StreamTest, Ioctls) {
  FakeUserMemory memory(4096);
  ctx_.memory = &memory;
  Send(a_, "12345").value();
  Send(a_, "678").value();
  EXPECT_TRUE(b_->Ioctl(ctx_, abi::kSiocInq, memory.base().value).ok());
  EXPECT_EQ(memory.Get<int32_t>(0), 8);
  EXPECT_TRUE(a_->Ioctl(ctx_, abi::kSiocOutq, memory.base().value).ok());
  EXPECT_EQ(memory.Get<int32_t>(0), 2 * 768);
  EXPECT_TRUE(Listener("@l")->Ioctl(ctx_, abi::kSiocInq, memory.base().value).Is(Errno::kEINVAL));
}

TEST_F(StreamTest, TwoThreads) {
  std::thread writer([this] {
    const std::string block(3001, 'b');
    for (int i = 0; i < 500; ++i) {
      size_t done = 0;
      while (done < block.size()) {
        const Result<size_t> n = Send(a_, std::string_view(block).substr(done));
        if (n.ok())
          done += *n;
        else
          std::this_thread::yield();
      }
    }
    a_.reset();
  });
  size_t total = 0;
  while (true) {
    const std::string got = Text(b_, 5000);
    if (got == kAgain) {
      std::this_thread::yield();
      continue;
    }
    if (got.empty()) break;
    total += got.size();
  }
  writer.join();
  EXPECT_EQ(total, 500u * 3001);
}

TEST_F(StreamTest, APingIsFast) {
  constexpr int kRounds = 100'000;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kRounds; ++i) {
    std::byte b{1};
    KernelIoSource src(std::span(&b, 1));
    (void)a_->Write(ctx_, src);
    KernelIoSink dst(std::span(&b, 1));
    (void)b_->Read(ctx_, dst);
  }
  const double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  printf("send + receive of a byte: %.0f ns\n", ns / kRounds);
}

}  // namespace
}  // namespace sentry

#include "sentry/net/unix/gc.h"

#include <atomic>
#include <thread>

#include "sentry/net/unix/test_util.h"

namespace sentry {
namespace {

// A file that tells of its end.
class Witness final : public FileDescription {
 public:
  explicit Witness(int* gone)
      : FileDescription(InternalPath(InternalFs::kAnonInode, AnonInode(), "witness"), abi::kORdWr), gone_(gone) {}

 private:
  ~Witness() override { ++*gone_; }
  int* const gone_;
};

class GcTest : public UnixSocketTest {
 protected:
  ~GcTest() override { EXPECT_EQ(UnixGc::files_in_flight(), 0u); }
  RefPtr<FileDescription> NewWitness() { return MakeRef<Witness>(&gone_); }
  static ControlData With(std::vector<RefPtr<FileDescription>> files) {
    ControlData c;
    c.files = std::move(files);
    return c;
  }
  int gone_ = 0;
};

TEST_F(GcTest, FilesTravel) {
  auto [a, b] = Pair(abi::kSockStream);
  RefPtr<FileDescription> w = NewWitness();
  Send(a, "plain").value();
  Send(a, "with", "", With({w, w})).value();
  Send(a, "after").value();
  EXPECT_EQ(UnixGc::files_in_flight(), 2u);
  Got peeked = *Receive(b, 99, abi::kMsgPeek);
  EXPECT_EQ(peeked.bytes, "plainwith");
  EXPECT_EQ(peeked.result.control.files.size(), 2u);
  Got got = *Receive(b, 99);
  EXPECT_EQ(got.bytes, "plainwith");  // a read ends with the message that has files
  ASSERT_EQ(got.result.control.files.size(), 2u);
  EXPECT_EQ(got.result.control.files[0], w);
  EXPECT_EQ(UnixGc::files_in_flight(), 0u);
  EXPECT_EQ(Text(b), "after");
}

TEST_F(GcTest, UnreadFilesAreDropped) {
  auto [a, b] = Pair(abi::kSockDgram);
  Send(a, "x", "", With({NewWitness()})).value();
  Send(a, "y", "", With({NewWitness()})).value();
  Text(b);
  EXPECT_EQ(gone_, 1);
  b.reset();
  EXPECT_EQ(gone_, 2);
}

TEST_F(GcTest, ASocketInItsOwnQueue) {
  auto [a, b] = Pair(abi::kSockStream);
  Send(b, "x", "", With({a, NewWitness()})).value();
  a.reset();
  EXPECT_EQ(gone_, 0);
  b.reset();  // collects
  EXPECT_EQ(gone_, 1);
}

TEST_F(GcTest, TwoInEachOthersQueue) {
  {
    auto [a, b] = Pair(abi::kSockStream);
    Send(a, "x", "", With({a, NewWitness()})).value();
    Send(b, "x", "", With({b, NewWitness()})).value();
  }
  EXPECT_EQ(gone_, 0);
  { auto other = Pair(abi::kSockStream); }  // any socket's end collects
  EXPECT_EQ(gone_, 2);
}

TEST_F(GcTest, ReachableSocketsStay) {
  auto [a, b] = Pair(abi::kSockStream);
  auto [c, d] = Pair(abi::kSockStream);
  // c is only in b's queue, and d's peer queue holds d itself: reachable by b.
  Send(d, "x", "", With({c, NewWitness()})).value();
  Send(a, "x", "", With({c})).value();
  c.reset();
  { auto other = Pair(abi::kSockStream); }
  EXPECT_EQ(gone_, 0);
  Got got = *Receive(b, 9);
  S back(static_cast<Socket*>(got.result.control.files[0].get()));
  got = *Receive(back, 9);
  EXPECT_EQ(got.result.control.files.size(), 2u);
}

TEST_F(GcTest, EmbryosAreSearched) {
  S listener = Listener("@l");
  S client = New(abi::kSockStream);
  ASSERT_TRUE(Connect(client, "@l").ok());
  Send(client, "x", "", With({listener, NewWitness()})).value();
  listener.reset();
  client.reset();
  EXPECT_EQ(gone_, 1);
}

TEST_F(GcTest, ALongChainDoesNotOverflowTheStack) {
  // Each socket lies in the next one's queue.
  RefPtr<FileDescription> carried = NewWitness();
  std::vector<S> senders;  // to be closed last
  for (int i = 0; i < 10'000; ++i) {
    auto [a, b] = Pair(abi::kSockDgram);
    Send(a, "x", "", With({carried})).value();
    carried = b;
    senders.push_back(a);
  }
  carried.reset();
  EXPECT_EQ(gone_, 1);
}

TEST_F(GcTest, CollectsUnderTraffic) {
  auto [a, b] = Pair(abi::kSockStream);
  const S to = a, from = b;
  std::atomic<bool> done{false};
  // One thread passes live sockets on, and each must arrive alive.
  std::thread sender([&] {
    for (int i = 0; i < 100; ++i) {
      auto [c, d] = Pair(abi::kSockStream);
      Send(d, "inside", "", With({d})).value();
      while (!Send(to, "x", "", With({c})).ok()) std::this_thread::yield();
    }
    done = true;
  });
  // The other makes garbage, so that collections run all the time.
  std::thread littering([&] {
    while (!done) {
      auto [c, d] = Pair(abi::kSockStream);
      Send(c, "x", "", With({c, d})).value();
      auto other = Pair(abi::kSockStream);  // its end collects, so that little piles up
    }
  });
  for (int received = 0; received < 100;) {
    Result<Got> got = Receive(from, 1);
    if (!got.ok()) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(got->result.control.files.size(), 1u);
    const S live(static_cast<Socket*>(got->result.control.files[0].get()));
    got->result.control.files.clear();
    EXPECT_EQ(Text(live), "inside");
    ++received;
  }
  sender.join();
  littering.join();
  UnixGc::Collect();
  { auto last = Pair(abi::kSockStream); }
}

TEST_F(GcTest, Bounds) {
  auto [a, b] = Pair(abi::kSockStream);
  RefPtr<FileDescription> w = NewWitness();
  EXPECT_TRUE(Send(a, "x", "", With(Files(254, w))).Is(Errno::kEINVAL));
  size_t in_flight = 0;
  std::vector<SocketPair> pairs;
  while (in_flight + 253 <= kMaxInFlightPerUser) {
    if (in_flight % (253 * 50) == 0) pairs.push_back(Pair(abi::kSockStream));
    ASSERT_TRUE(Send(pairs.back().first, "x", "", With(Files(253, w))).ok());
    in_flight += 253;
  }
  EXPECT_TRUE(Send(a, "x", "", With(Files(253, w))).Is(Errno::kETOOMANYREFS));
}

}  // namespace
}  // namespace sentry

#include "sentry/fs/signalfd/signalfd.h"

#include <deque>

#include "gtest/gtest.h"
#include "sentry/usermem/fake_user_memory.h"

namespace sentry {
namespace {

class FakeSignals final : public SignalSource {
 public:
  bool Pending(abi::SignalSet mask) override {
    for (const int signo : pending) {
      if (mask.Has(signo)) return true;
    }
    return false;
  }
  bool Dequeue(abi::SignalSet mask, abi::SignalfdSiginfo* info) override {
    for (auto it = pending.begin(); it != pending.end(); ++it) {
      if (!mask.Has(*it)) continue;
      info->signo = static_cast<uint32_t>(*it);
      pending.erase(it);
      return true;
    }
    return false;
  }
  base::WaitQueue& wait_queue() override { return queue_; }
  std::deque<int> pending;

 private:
  base::WaitQueue queue_;
};

abi::SignalSet Set(std::initializer_list<int> signals) {
  abi::SignalSet set;
  for (const int s : signals) set.Add(s);
  return set;
}

TEST(SignalFd, ReadsWhatItsMaskHas) {
  VfsContext ctx;
  ctx.creds = MakeRef<Credentials>();
  auto source = MakeRef<FakeSignals>();
  RefPtr<FileDescription> file = *NewSignalFd(ctx, source, Set({abi::kSigUsr1, abi::kSigChld, abi::kSigKill}), 0);
  abi::SignalfdSiginfo infos[3] = {};
  const auto read = [&](size_t bytes) {
    KernelIoSink dst(std::as_writable_bytes(std::span(infos)).first(bytes));
    return file->Read(ctx, dst);
  };
  EXPECT_TRUE(read(127).Is(Errno::kEINVAL));
  EXPECT_TRUE(read(128).Is(Errno::kEAGAIN));
  source->pending = {abi::kSigUsr2, abi::kSigChld, abi::kSigUsr1, abi::kSigKill};
  EXPECT_EQ(file->Readiness(base::kEventIn), base::kEventIn);
  EXPECT_EQ(*read(sizeof(infos)), 256u);
  EXPECT_EQ(infos[0].signo, 17u);
  EXPECT_EQ(infos[1].signo, 10u);
  EXPECT_EQ(file->Readiness(base::kEventIn), 0u);
  FileCast<SignalFd>(file)->SetMask(Set({abi::kSigUsr2}));
  EXPECT_EQ(*read(200), 128u);
  EXPECT_EQ(infos[0].signo, 12u);
  EXPECT_TRUE(NewSignalFd(ctx, source, {}, 1).Is(Errno::kEINVAL));
}

}  // namespace
}  // namespace sentry

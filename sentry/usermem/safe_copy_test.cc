#include "sentry/usermem/safe_copy.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "gtest/gtest.h"

namespace sentry {
namespace {

constexpr size_t kPage = 4096;

class SafeCopyTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { InstallSafeCopyHandler(); }

  // One good page followed by one that can't be touched.
  void SetUp() override {
    void* p = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(p, MAP_FAILED);
    page_ = static_cast<char*>(p);
    ASSERT_EQ(mprotect(page_ + kPage, kPage, PROT_NONE), 0);
  }
  void TearDown() override { munmap(page_, 2 * kPage); }

  char* page_ = nullptr;
};

TEST_F(SafeCopyTest, CopiesEverySize) {
  std::vector<char> src(1000), dst(1000);
  for (size_t i = 0; i < src.size(); ++i) src[i] = static_cast<char>(i * 7 + 1);
  for (size_t n = 0; n < 600; ++n) {
    std::fill(dst.begin(), dst.end(), 0);
    ASSERT_EQ(SafeCopy(dst.data(), src.data(), n), 0u);
    ASSERT_EQ(memcmp(dst.data(), src.data(), n), 0) << n;
    ASSERT_EQ(dst[n], 0) << n;
  }
}

TEST_F(SafeCopyTest, ReportsTheExactRemainderForEverySizeAndSide) {
  std::vector<char> other(600);
  for (size_t n = 1; n < 300; ++n) {
    for (size_t good = 0; good < n; good += (n > 40 ? 13 : 1)) {
      memset(page_, 1, kPage);
      std::fill(other.begin(), other.end(), 2);
      ASSERT_EQ(SafeCopy(other.data(), page_ + kPage - good, n), n - good);
      ASSERT_EQ(std::count(other.begin(), other.end(), 1), static_cast<long>(good));
      ASSERT_EQ(SafeCopy(page_ + kPage - good, other.data() + 300, n), n - good);
      ASSERT_EQ(std::count(page_, page_ + kPage, 2), static_cast<long>(good));
    }
  }
}

TEST_F(SafeCopyTest, Zeroes) {
  memset(page_, 1, kPage);
  EXPECT_EQ(SafeZero(page_, 100), 0u);
  EXPECT_EQ(page_[99], 0);
  EXPECT_EQ(page_[100], 1);
  EXPECT_EQ(SafeZero(page_ + kPage - 10, 50), 40u);
  EXPECT_EQ(page_[kPage - 1], 0);
}

TEST_F(SafeCopyTest, Words) {
  auto* word = reinterpret_cast<uint32_t*>(page_);
  *word = 0xffffffff;
  EXPECT_EQ(SafeLoadU32(word), 0xffffffffu);
  EXPECT_EQ(SafeCompareExchangeU32(word, 0, 5), 0xffffffffu);
  EXPECT_EQ(SafeCompareExchangeU32(word, 0xffffffff, 5), 0xffffffffu);
  EXPECT_EQ(*word, 5u);
  EXPECT_FALSE(SafeLoadU32(page_ + kPage).has_value());
  EXPECT_FALSE(SafeCompareExchangeU32(page_ + kPage, 0, 1).has_value());
  EXPECT_FALSE(SafeLoadU32(nullptr).has_value());
}

TEST_F(SafeCopyTest, NonCanonicalAddressFails) {
  char buf[64];
  EXPECT_EQ(SafeCopy(buf, reinterpret_cast<void*>(0x8000000000000000), 64), 64u);
}

TEST_F(SafeCopyTest, FileTruncatedDuringCopyEndsShort) {
  base::UniqueFd fd(memfd_create("t", MFD_CLOEXEC));
  const size_t size = 64 * kPage;
  ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  void* map = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  ASSERT_NE(map, MAP_FAILED);
  std::vector<char> buf(size);
  std::atomic<bool> stop{false};
  std::thread truncater([&] {
    while (!stop) {
      ASSERT_EQ(ftruncate(fd.get(), kPage), 0);
      ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    }
  });
  int shorts = 0;
  for (int i = 0; i < 3000; ++i) {
    shorts += SafeCopy(buf.data(), map, size) != 0;
    shorts += SafeCopy(map, buf.data(), size) != 0;
    shorts += SafeZero(map, size) != 0;
  }
  stop = true;
  truncater.join();
  ASSERT_EQ(ftruncate(fd.get(), kPage), 0);
  EXPECT_EQ(SafeCopy(buf.data(), map, size), size - kPage);
  EXPECT_EQ(SafeCopy(map, buf.data(), size), size - kPage);
  munmap(map, size);
  RecordProperty("short_copies", shorts);
}

// In a child, with a mount namespace of its own: what a full tmpfs does.
int FullTmpfsChild() {
  if (unshare(CLONE_NEWNS) != 0) return 77;
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
  if (mount("t", "/tmp", "tmpfs", 0, "size=16k") != 0) return 77;
  const int fd = open("/tmp/f", O_RDWR | O_CREAT, 0600);
  if (fd < 0 || ftruncate(fd, 1 << 20) != 0) return 1;
  void* map = mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return 2;
  std::vector<char> buf(1 << 20, 'x');
  if (SafeCopy(map, buf.data(), buf.size()) != buf.size() - 4 * kPage) return 3;
  return static_cast<char*>(map)[4 * kPage - 1] == 'x' ? 0 : 4;
}

TEST_F(SafeCopyTest, FullTmpfsEndsShort) {
  const pid_t pid = fork();
  if (pid == 0) _exit(FullTmpfsChild());
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "no mount namespace";
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

using SafeCopyDeathTest = SafeCopyTest;
TEST_F(SafeCopyDeathTest, FaultElsewhereSaysWhereAndDies) {
  EXPECT_DEATH(
      {
        InstallSafeCopyHandler();
        *static_cast<volatile char*>(page_ + kPage) = 1;
      },
      "fatal SIGSEGV at address 0x");
}

}  // namespace
}  // namespace sentry

// pread, pwrite, and the vector calls.
#include <limits.h>
#include <sys/uio.h>

#include <vector>

#include "test/syscalls/harness/test.h"

TOUCHES("pread64", "pwrite64", "readv", "writev", "preadv", "pwritev", "preadv2", "pwritev2")

namespace {

using st::Bad;
using st::Tmp;

Fd NewFile(const std::string& data, int flags = O_RDWR) {
  st::WriteFile(Tmp("f"), data);
  return Fd(MUST(open(Tmp("f").c_str(), flags)));
}

struct iovec Iov(void* p, size_t n) {
  return {p, n};
}

TEST(Pread, LeavesOffsetAlone) {
  Fd fd = NewFile("0123456789");
  char b[4] = {};
  EXPECT_RET(pread(fd, b, 3, 5), 3);
  EXPECT_EQ(std::string(b), "567");
  EXPECT_RET(pwrite(fd, "ab", 2, 8), 2);
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 0);
  EXPECT_EQ(st::ReadAll(fd), "01234567ab");
}

TEST(Pread, PastEndIsZeroAndNegativeIsInvalid) {
  Fd fd = NewFile("x");
  char b[4];
  EXPECT_RET(pread(fd, b, 4, 100), 0);
  EXPECT_RET(pread(fd, b, 4, 1), 0);
  EXPECT_ERR(pread(fd, b, 4, -1), EINVAL);
  EXPECT_ERR(pwrite(fd, b, 4, -1), EINVAL);
}

TEST(Pread, NegativeOffsetBeforeBadFd) {
  char b;
  EXPECT_ERR(pread(-1, &b, 1, -1), EINVAL);
  EXPECT_ERR(pread(-1, &b, 1, 0), EBADF);
}

TEST(Pread, PipeIsESPIPE) {
  st::Pipe p;
  char b;
  EXPECT_ERR(pread(p.r, &b, 1, 0), ESPIPE);
  EXPECT_ERR(pwrite(p.w, &b, 1, 0), ESPIPE);
  EXPECT_ERR(pwrite(p.r, &b, 1, 0), ESPIPE);  // the kind comes before the mode
}

TEST(Pread, PwriteExtendsWithHole) {
  Fd fd = NewFile("");
  EXPECT_RET(pwrite(fd, "end", 3, 5000), 3);
  EXPECT_EQ(st::StatOf(Tmp("f")).st_size, 5003);
  char b[2];
  EXPECT_RET(pread(fd, b, 2, 4998), 2);
  EXPECT_EQ(b[0] | b[1], 0);
}

TEST(Pread, PwriteOnAppendAppends) {  // Linux, against POSIX: see BUGS in pwrite(2)
  Fd fd = NewFile("base", O_RDWR | O_APPEND);
  EXPECT_RET(pwrite(fd, "X", 1, 0), 1);
  EXPECT_EQ(st::ReadFile(Tmp("f")), "baseX");
}

TEST(Pread, DirectoryIsEISDIR) {
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  char b;
  EXPECT_ERR(pread(fd, &b, 1, 0), EISDIR);
}

TEST(VectorIo, GatherAndScatter) {
  Fd fd = NewFile("");
  char one[] = "one", two[] = "twotwo";
  struct iovec w[3] = {Iov(one, 3), Iov(nullptr, 0), Iov(two, 6)};
  EXPECT_RET(writev(fd, w, 3), 9);
  MUST(lseek(fd, 0, SEEK_SET));
  char a[5] = {}, b[20] = {};
  struct iovec r[2] = {Iov(a, 4), Iov(b, 19)};
  EXPECT_RET(readv(fd, r, 2), 9);
  EXPECT_EQ(std::string(a), "onet");
  EXPECT_EQ(std::string(b), "wotwo");
}

TEST(VectorIo, CountLimits) {
  Fd fd = NewFile("");
  std::vector<struct iovec> v(IOV_MAX + 1, Iov(const_cast<char*>("x"), 1));
  EXPECT_RET(writev(fd, v.data(), IOV_MAX), IOV_MAX);
  EXPECT_ERR(writev(fd, v.data(), IOV_MAX + 1), EINVAL);
  EXPECT_ERR(syscall(SYS_readv, static_cast<int>(fd), v.data(), -1), EINVAL);
  EXPECT_RET(readv(fd, v.data(), 0), 0);
  EXPECT_RET(writev(fd, nullptr, 0), 0);
}

TEST(VectorIo, NegativeElementLengthIsInvalid) {
  Fd fd = NewFile("abc");
  char a[4];
  struct iovec v[2] = {Iov(a, 2), Iov(a, static_cast<size_t>(-1))};
  EXPECT_ERR(readv(fd, v, 2), EINVAL);
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 0);
}

TEST(VectorIo, BadVectorAddressIsEFAULT) {
  Fd fd = NewFile("abc");
  EXPECT_ERR(readv(fd, Bad<struct iovec>(), 1), EFAULT);
  EXPECT_ERR(writev(fd, Bad<struct iovec>(), 1), EFAULT);
}

TEST(VectorIo, FaultInLaterElementGivesShortCount) {
  Fd fd = NewFile("0123456789");
  char a[4];
  struct iovec v[2] = {Iov(a, 4), Iov(st::BadAddr(), 4)};
  EXPECT_RET(readv(fd, v, 2), 4);
  struct iovec first_bad[2] = {Iov(st::BadAddr(), 4), Iov(a, 4)};
  EXPECT_ERR(readv(fd, first_bad, 2), EFAULT);
}

TEST(VectorIo, BadFdBeforeBadVector) {
  EXPECT_ERR(readv(st::BadFd(), Bad<struct iovec>(), 1), EBADF);
  EXPECT_ERR(preadv(st::BadFd(), Bad<struct iovec>(), 1, -1), EINVAL);
}

TEST(VectorIo, PreadvPwritev) {
  Fd fd = NewFile("0123456789");
  char a[3] = {}, b[3] = {};
  struct iovec r[2] = {Iov(a, 2), Iov(b, 2)};
  EXPECT_RET(preadv(fd, r, 2, 3), 4);
  EXPECT_EQ(std::string(a) + b, "3456");
  char x[] = "XY", y[] = "Z";
  struct iovec w[2] = {Iov(x, 2), Iov(y, 1)};
  EXPECT_RET(pwritev(fd, w, 2, 1), 3);
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 0);
  EXPECT_EQ(st::ReadAll(fd), "0XYZ456789");
}

TEST(VectorIo, Preadv2CurrentOffset) {
  Fd fd = NewFile("0123456789");
  char a[4] = {};
  struct iovec r = Iov(a, 3);
  EXPECT_RET(preadv2(fd, &r, 1, -1, 0), 3);  // -1: as readv
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 3);
  EXPECT_RET(preadv2(fd, &r, 1, 5, 0), 3);
  EXPECT_EQ(std::string(a), "567");
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 3);
}

TEST(VectorIo, Pwritev2Append) {
  Fd fd = NewFile("base");
  char x[] = "+";
  struct iovec w = Iov(x, 1);
  EXPECT_RET(pwritev2(fd, &w, 1, 0, RWF_APPEND), 1);
  EXPECT_EQ(st::ReadFile(Tmp("f")), "base+");
  EXPECT_ERR(pwritev2(fd, &w, 1, 0, 1 << 30), EOPNOTSUPP);
}

TEST(VectorIo, PipeWritevIsOneMessage) {
  st::Pipe p;
  char x[] = "ab", y[] = "cd";
  struct iovec w[2] = {Iov(x, 2), Iov(y, 2)};
  EXPECT_RET(writev(p.w, w, 2), 4);
  char b[8];
  EXPECT_RET(read(p.r, b, 8), 4);
}

}  // namespace

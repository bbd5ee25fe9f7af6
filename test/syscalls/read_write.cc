// read, write, lseek on regular files and special descriptors.
#include <sys/resource.h>

#include "test/syscalls/harness/test.h"

TOUCHES("read", "write", "lseek", "close", "open", "creat")

namespace {

using st::Bad;
using st::Tmp;

Fd NewFile(const std::string& data, int flags = O_RDWR) {
  st::WriteFile(Tmp("f"), data);
  return Fd(MUST(open(Tmp("f").c_str(), flags)));
}

TEST(ReadWrite, EmptyFileReturnsZero) {
  Fd fd = NewFile("");
  char b[4];
  EXPECT_RET(read(fd, b, sizeof b), 0);
}

TEST(ReadWrite, ReadIsShortAtEndOfFile) {
  Fd fd = NewFile("hello");
  char b[16] = {};
  EXPECT_RET(read(fd, b, sizeof b), 5);
  EXPECT_EQ(std::string(b, 5), "hello");
  EXPECT_RET(read(fd, b, sizeof b), 0);
}

TEST(ReadWrite, WriteAdvancesOffset) {
  Fd fd = NewFile("");
  EXPECT_RET(write(fd, "abc", 3), 3);
  EXPECT_RET(write(fd, "def", 3), 3);
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 6);
  EXPECT_EQ(st::ReadFile(Tmp("f")), "abcdef");
}

TEST(ReadWrite, WriteOnReadOnlyIsBadFd) {
  Fd fd = NewFile("x", O_RDONLY);
  EXPECT_ERR(write(fd, "a", 1), EBADF);
  EXPECT_ERR(write(fd, "a", 0), EBADF);
  EXPECT_ERR(write(fd, Bad(), 1), EBADF);
}

TEST(ReadWrite, ReadOnWriteOnlyIsBadFd) {
  Fd fd = NewFile("x", O_WRONLY);
  char b;
  EXPECT_ERR(read(fd, &b, 1), EBADF);
}

TEST(ReadWrite, ZeroLengthReadIgnoresBuffer) {
  Fd fd = NewFile("x");
  EXPECT_RET(syscall(SYS_read, static_cast<int>(fd), Bad(), 0), 0);
  EXPECT_RET(syscall(SYS_write, static_cast<int>(fd), Bad(), 0), 0);
}

TEST(ReadWrite, DirectoryReadIsEISDIR) {
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY | O_DIRECTORY)));
  char b[8];
  EXPECT_ERR(read(fd, b, sizeof b), EISDIR);
  EXPECT_ERR(write(fd, b, sizeof b), EBADF);
}

TEST(ReadWrite, SparseHoleReadsAsZeroes) {
  Fd fd = NewFile("");
  MUST(lseek(fd, 10000, SEEK_SET));
  EXPECT_RET(write(fd, "x", 1), 1);
  EXPECT_EQ(st::StatOf(Tmp("f")).st_size, 10001);
  MUST(lseek(fd, 0, SEEK_SET));
  std::string all = st::ReadAll(fd);
  EXPECT_EQ(all.size(), 10001u);
  EXPECT_EQ(all, std::string(10000, '\0') + "x");
}

TEST(ReadWrite, LargeWriteReadsBack) {
  std::string data(3 * 1024 * 1024 + 17, 0);
  for (size_t i = 0; i < data.size(); i++) data[i] = static_cast<char>(i * 7 + i / 4096);
  st::WriteFile(Tmp("f"), data);
  EXPECT_TRUE(st::ReadFile(Tmp("f")) == data);
}

TEST(ReadWrite, AppendIgnoresOffset) {
  st::WriteFile(Tmp("f"), "base");
  Fd fd(MUST(open(Tmp("f").c_str(), O_WRONLY | O_APPEND)));
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 0);
  MUST(lseek(fd, 1, SEEK_SET));
  EXPECT_RET(write(fd, "++", 2), 2);
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 6);
  EXPECT_EQ(st::ReadFile(Tmp("f")), "base++");
}

TEST(ReadWrite, DevNullAndZero) {
  Fd null(MUST(open("/dev/null", O_RDWR)));
  Fd zero(MUST(open("/dev/zero", O_RDWR)));
  Fd full(MUST(open("/dev/full", O_RDWR)));
  char b[8] = "abcdefg";
  EXPECT_RET(read(null, b, 8), 0);
  EXPECT_RET(write(null, b, 8), 8);
  EXPECT_RET(read(zero, b, 8), 8);
  EXPECT_EQ(b[0] | b[7], 0);
  EXPECT_RET(write(zero, b, 8), 8);
  EXPECT_ERR(write(full, b, 8), ENOSPC);
}

TEST(ReadWrite, OpenWriteOnlyOfClosedFdNumberFails) {
  int fd = MUST(open(Tmp().c_str(), O_RDONLY));
  EXPECT_OK(close(fd));
  char b;
  EXPECT_ERR(read(fd, &b, 1), EBADF);
  EXPECT_ERR(close(fd), EBADF);
  EXPECT_ERR(close(-1), EBADF);
}

TEST(ReadWrite, CreatTruncates) {
  st::WriteFile(Tmp("f"), "old");
  Fd fd(MUST(creat(Tmp("f").c_str(), 0600)));
  EXPECT_EQ(st::StatOf(Tmp("f")).st_size, 0);
  char b;
  EXPECT_ERR(read(fd, &b, 1), EBADF);
}

TEST(Lseek, WhenceValues) {
  Fd fd = NewFile("0123456789");
  EXPECT_RET(lseek(fd, 4, SEEK_SET), 4);
  EXPECT_RET(lseek(fd, 3, SEEK_CUR), 7);
  EXPECT_RET(lseek(fd, -2, SEEK_END), 8);
  EXPECT_RET(lseek(fd, 5, SEEK_END), 15);
  EXPECT_RET(lseek(fd, -15, SEEK_CUR), 0);
}

TEST(Lseek, NegativeResultIsInvalidAndKeepsOffset) {
  Fd fd = NewFile("0123456789");
  MUST(lseek(fd, 2, SEEK_SET));
  EXPECT_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
  EXPECT_ERR(lseek(fd, -3, SEEK_CUR), EINVAL);
  EXPECT_ERR(lseek(fd, -11, SEEK_END), EINVAL);
  EXPECT_ERR(lseek(fd, 0, 99), EINVAL);
  EXPECT_RET(lseek(fd, 0, SEEK_CUR), 2);
}

TEST(Lseek, PipeAndSocketAreESPIPE) {
  st::Pipe p;
  EXPECT_ERR(lseek(p.r, 0, SEEK_SET), ESPIPE);
  EXPECT_ERR(lseek(p.w, 0, 99), EINVAL);
  st::SockPair s(1 /*SOCK_STREAM*/);
  EXPECT_ERR(lseek(s.a, 0, SEEK_CUR), ESPIPE);
  EXPECT_ERR(lseek(-1, 0, SEEK_CUR), EBADF);
}

TEST(Lseek, DataAndHole) {
  Fd fd = NewFile("data");
  EXPECT_RET(lseek(fd, 0, SEEK_DATA), 0);
  EXPECT_RET(lseek(fd, 2, SEEK_DATA), 2);
  EXPECT_RET(lseek(fd, 0, SEEK_HOLE), 4);
  EXPECT_ERR(lseek(fd, 4, SEEK_DATA), ENXIO);
  EXPECT_ERR(lseek(fd, 4, SEEK_HOLE), ENXIO);
}

TEST(Lseek, OffsetIsSharedByDupNotByReopen) {
  Fd fd = NewFile("0123456789");
  Fd d(MUST(dup(fd)));
  Fd other(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  MUST(lseek(fd, 6, SEEK_SET));
  EXPECT_RET(lseek(d, 0, SEEK_CUR), 6);
  EXPECT_RET(lseek(other, 0, SEEK_CUR), 0);
}

TEST(ReadWrite, OffsetIsSharedAcrossFork) {
  Fd fd = NewFile("0123456789");
  char b[4];
  EXPECT_CHILD_OK([&] { EXPECT_RET(read(fd, b, 4), 4); });
  EXPECT_RET(read(fd, b, 1), 1);
  EXPECT_EQ(b[0], '4');
}

TEST(ReadWrite, FileSizeLimitSendsSIGXFSZ) {
  Fd fd = NewFile("");
  int status = st::RunInChild([&] {
    struct rlimit lim = {10, 10};
    MUST(setrlimit(RLIMIT_FSIZE, &lim));
    EXPECT_RET(write(fd, "0123456789ab", 12), 10);
    write(fd, "x", 1);
  });
  EXPECT_SIGNALED(status, SIGXFSZ);
  EXPECT_CHILD_OK([&] {
    struct rlimit lim = {10, 10};
    MUST(setrlimit(RLIMIT_FSIZE, &lim));
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_ERR(write(fd, "x", 1), EFBIG);
  });
}

TEST(ReadWrite, UnlinkedFileStaysUsable) {
  Fd fd = NewFile("keep");
  MUST(unlink(Tmp("f").c_str()));
  EXPECT_RET(write(fd, "K", 1), 1);
  MUST(lseek(fd, 0, SEEK_SET));
  EXPECT_EQ(st::ReadAll(fd), "Keep");
  struct stat s;
  MUST(fstat(fd, &s));
  EXPECT_EQ(s.st_nlink, 0u);
}

}  // namespace

// sendfile, splice, tee, copy_file_range.
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "test/syscalls/harness/test.h"

TOUCHES("sendfile", "splice", "tee", "copy_file_range")

namespace {

Fd File(const char* name, const std::string& data, int flags = O_RDWR) {
  st::WriteFile(st::Tmp(name), data);
  return Fd(MUST(open(st::Tmp(name).c_str(), flags)));
}
std::string Text(const char* name) { return st::ReadFile(st::Tmp(name)); }

TEST(Sendfile, UsesAndMovesOffsets) {
  Fd in = File("in", "0123456789");
  Fd out = File("out", "");
  EXPECT_RET(sendfile(out, in, nullptr, 4), 4);
  EXPECT_RET(lseek(in, 0, SEEK_CUR), 4);
  off_t at = 6;
  EXPECT_RET(sendfile(out, in, &at, 100), 4);
  EXPECT_EQ(at, 10);
  EXPECT_RET(lseek(in, 0, SEEK_CUR), 4);
  EXPECT_EQ(Text("out"), "01236789");
  EXPECT_RET(sendfile(out, in, &at, 10), 0);
}

TEST(Sendfile, ToPipeAndSocket) {
  Fd in = File("in", "payload");
  st::Pipe p;
  EXPECT_RET(sendfile(p.w, in, nullptr, 3), 3);
  st::SockPair s(SOCK_STREAM);
  EXPECT_RET(sendfile(s.a, in, nullptr, 100), 4);
  char b[8];
  EXPECT_RET(read(p.r, b, 8), 3);
  EXPECT_RET(read(s.b, b, 8), 4);
  EXPECT_EQ(std::string(b, 4), "load");
}

TEST(Sendfile, Errors) {
  Fd in = File("in", "data");
  Fd ro = File("ro", "", O_RDONLY), wo = File("wo", "", O_WRONLY), app = File("app", "", O_WRONLY | O_APPEND);
  EXPECT_ERR(sendfile(ro, in, nullptr, 4), EBADF);
  EXPECT_ERR(sendfile(ro, wo, nullptr, 4), EBADF);
  EXPECT_ERR(sendfile(st::BadFd(), in, nullptr, 4), EBADF);
  EXPECT_ERR(sendfile(app, in, nullptr, 4), EINVAL);
  off_t at = -1;
  EXPECT_ERR(sendfile(wo, in, &at, 4), EINVAL);
  EXPECT_ERR(sendfile(wo, in, st::Bad<off_t>(), 4), EFAULT);
}

TEST(Splice, FileToPipeToFile) {
  Fd in = File("in", "abcdefgh");
  Fd out = File("out", "");
  st::Pipe p;
  loff_t at = 2;
  EXPECT_RET(splice(in, &at, p.w, nullptr, 4, 0), 4);
  EXPECT_EQ(at, 6);
  EXPECT_RET(splice(p.r, nullptr, out, nullptr, 100, 0), 4);
  EXPECT_EQ(Text("out"), "cdef");
  EXPECT_RET(splice(in, nullptr, p.w, nullptr, 2, SPLICE_F_MOVE), 2);
  EXPECT_RET(lseek(in, 0, SEEK_CUR), 2);
}

TEST(Splice, PipeToPipe) {
  st::Pipe a, b;
  MUST(write(a.w, "xyz", 3));
  EXPECT_RET(splice(a.r, nullptr, b.w, nullptr, 2, 0), 2);
  char c[8];
  EXPECT_RET(read(b.r, c, 8), 2);
  EXPECT_RET(read(a.r, c, 8), 1);
  EXPECT_EQ(c[0], 'z');
}

TEST(Splice, EmptyAndEnd) {
  st::Pipe a, b;
  EXPECT_ERR(splice(a.r, nullptr, b.w, nullptr, 5, SPLICE_F_NONBLOCK), EAGAIN);
  a.w.reset();
  EXPECT_RET(splice(a.r, nullptr, b.w, nullptr, 5, 0), 0);
}

TEST(Splice, Errors) {
  Fd f = File("f", "data"), g = File("g", "");
  st::Pipe p;
  loff_t at = 0;
  EXPECT_ERR(splice(f, nullptr, g, nullptr, 4, 0), EINVAL);
  EXPECT_ERR(splice(p.r, &at, g, nullptr, 4, 0), ESPIPE);
  EXPECT_ERR(splice(f, nullptr, p.w, &at, 4, 0), ESPIPE);
  EXPECT_ERR(splice(p.r, nullptr, p.w, nullptr, 4, 0), EINVAL);
  EXPECT_ERR(splice(f, nullptr, p.w, nullptr, 4, 64), EINVAL);
  EXPECT_ERR(splice(st::BadFd(), nullptr, p.w, nullptr, 4, 0), EBADF);
  EXPECT_ERR(splice(f, nullptr, p.r, nullptr, 4, 0), EBADF);
}

TEST(Tee, CopiesWithoutTaking) {
  st::Pipe a, b;
  MUST(write(a.w, "both", 4));
  EXPECT_RET(tee(a.r, b.w, 100, 0), 4);
  char c[8];
  EXPECT_RET(read(a.r, c, 8), 4);
  EXPECT_RET(read(b.r, c, 8), 4);
  EXPECT_EQ(std::string(c, 4), "both");
  EXPECT_ERR(tee(a.r, b.w, 4, SPLICE_F_NONBLOCK), EAGAIN);
  Fd f = File("f", "x");
  EXPECT_ERR(tee(f, b.w, 4, 0), EINVAL);
  EXPECT_ERR(tee(a.r, a.w, 4, 0), EINVAL);
  EXPECT_ERR(tee(st::BadFd(), b.w, 4, 0), EBADF);
}

TEST(CopyFileRange, CopiesWithOffsets) {
  Fd in = File("in", "0123456789"), out = File("out", "..........");
  EXPECT_RET(copy_file_range(in, nullptr, out, nullptr, 3, 0), 3);
  loff_t from = 5, to = 8;
  EXPECT_RET(copy_file_range(in, &from, out, &to, 2, 0), 2);
  EXPECT_EQ(from, 7);
  EXPECT_EQ(to, 10);
  EXPECT_EQ(Text("out"), "012.....56");
  EXPECT_RET(lseek(in, 0, SEEK_CUR), 3);
  from = 100;
  EXPECT_RET(copy_file_range(in, &from, out, &to, 2, 0), 0);
}

TEST(CopyFileRange, Errors) {
  Fd in = File("in", "0123456789"), ro = File("ro", "", O_RDONLY), app = File("app", "", O_WRONLY | O_APPEND);
  Fd out = File("out", "");
  EXPECT_ERR(copy_file_range(in, nullptr, ro, nullptr, 3, 0), EBADF);
  EXPECT_ERR(copy_file_range(in, nullptr, app, nullptr, 3, 0), EBADF);
  EXPECT_ERR(copy_file_range(in, nullptr, out, nullptr, 3, 1), EINVAL);
  loff_t a = 0, b = 2;
  EXPECT_ERR(copy_file_range(in, &a, in, &b, 5, 0), EINVAL);  // overlap
  st::Pipe p;
  EXPECT_ERR(copy_file_range(p.r, nullptr, out, nullptr, 3, 0), EINVAL);
  Fd dir(MUST(open(st::Tmp().c_str(), O_RDONLY)));
  EXPECT_ERR(copy_file_range(dir, nullptr, out, nullptr, 3, 0), EISDIR);
}

}  // namespace

// inotify: which operation is which event, to whom, and in which order.
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "test/syscalls/harness/inotify_events.h"

TOUCHES("inotify_add_watch")

namespace {

using namespace inotify_events;

TEST(Inotify, FileOperations) {
  Fd i = New();
  Watch(i, st::Tmp());
  Fd f(MUST(open(Path(st::Tmp("f")), O_CREAT | O_RDWR, 0600)));
  EXPECT_TOLD(i, "100:f 20:f");
  MUST(write(f, "hello", 5));
  EXPECT_TOLD(i, "2:f");
  char c[8];
  EXPECT_RET(read(f, c, 8), 0);
  EXPECT_TOLD(i, "");  // nothing was read
  EXPECT_RET(pread(f, c, 5, 0), 5);
  EXPECT_TOLD(i, "1:f");
  MUST(ftruncate(f, 2));
  EXPECT_TOLD(i, "2:f");
  MUST(truncate(Path(st::Tmp("f")), 2));
  EXPECT_TOLD(i, "2:f");
  MUST(fchmod(f, 0644));
  EXPECT_TOLD(i, "4:f");
  MUST(fchown(f, getuid(), getgid()));
  EXPECT_TOLD(i, "4:f");
  f.reset();
  EXPECT_TOLD(i, "8:f");
  f.reset(static_cast<int>(MUST(open(Path(st::Tmp("f")), O_RDONLY))));
  f.reset();
  EXPECT_TOLD(i, "20:f 10:f");
  f.reset(static_cast<int>(MUST(open(Path(st::Tmp("f")), O_WRONLY | O_TRUNC))));
  const std::string told = Told(i);  // Linux has changed the order
  EXPECT_TRUE(told == "2:f 20:f" || told == "20:f 2:f");
  f.reset();
  EXPECT_TOLD(i, "8:f");
  f.reset(static_cast<int>(MUST(open(Path(st::Tmp("f")), O_PATH))));
  f.reset();
  EXPECT_TOLD(i, "");
}

TEST(Inotify, Times) {
  Fd i = New();
  st::WriteFile(st::Tmp("f"), "");
  Watch(i, st::Tmp("f"));
  const timespec omit = {0, UTIME_OMIT}, now = {0, UTIME_NOW};
  const timespec both[] = {now, now}, access[] = {now, omit}, modify[] = {omit, now}, none[] = {omit, omit};
  MUST(utimensat(AT_FDCWD, Path(st::Tmp("f")), both, 0));
  EXPECT_TOLD(i, "4:");
  MUST(utimensat(AT_FDCWD, Path(st::Tmp("f")), access, 0));
  EXPECT_TOLD(i, "1:");
  MUST(utimensat(AT_FDCWD, Path(st::Tmp("f")), modify, 0));
  EXPECT_TOLD(i, "2:");
  MUST(utimensat(AT_FDCWD, Path(st::Tmp("f")), none, 0));
  EXPECT_TOLD(i, "");
}

TEST(Inotify, Names) {
  Fd i = New();
  Watch(i, st::Tmp());
  MUST(mkdir(Path(st::Tmp("d")), 0700));
  EXPECT_TOLD(i, "40000100:d");
  MUST(mknod(Path(st::Tmp("p")), S_IFIFO | 0600, 0));
  EXPECT_TOLD(i, "100:p");
  MUST(symlink("x", Path(st::Tmp("l"))));
  EXPECT_TOLD(i, "100:l");
  MUST(link(Path(st::Tmp("p")), Path(st::Tmp("p2"))));
  EXPECT_TOLD(i, "100:p2");
  MUST(unlink(Path(st::Tmp("p2"))));
  EXPECT_TOLD(i, "200:p2");
  MUST(rmdir(Path(st::Tmp("d"))));
  EXPECT_TOLD(i, "40000200:d");
  Fd s(MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
  MUST(chdir(st::Tmp().c_str()));
  sockaddr_un name = {AF_UNIX, "s"};
  MUST(bind(s, reinterpret_cast<sockaddr*>(&name), sizeof name));
  EXPECT_TOLD(i, "100:s");
}

TEST(Inotify, DirectoryItself) {
  MUST(mkdir(Path(st::Tmp("d")), 0700));
  Fd parent = New(), self = New();
  Watch(parent, st::Tmp());
  Watch(self, st::Tmp("d"));
  Fd d(MUST(open(Path(st::Tmp("d")), O_RDONLY | O_DIRECTORY)));
  EXPECT_TOLD(parent, "40000020:d");
  EXPECT_TOLD(self, "40000020:");
  char buf[1024];
  EXPECT_GE(syscall(SYS_getdents64, static_cast<int>(d), buf, sizeof buf), 0);
  EXPECT_TOLD(parent, "40000001:d");
  EXPECT_TOLD(self, "40000001:");
  MUST(fchmod(d, 0755));
  d.reset();
  EXPECT_TOLD(parent, "40000004:d 40000010:d");
  EXPECT_TOLD(self, "40000004: 40000010:");
  MUST(rmdir(Path(st::Tmp("d"))));
  EXPECT_TOLD(parent, "40000200:d");
  EXPECT_TOLD(self, "400: 8000:");
}

TEST(Inotify, ParentHearsFirst) {
  Fd i = New();
  st::WriteFile(st::Tmp("f"), "x");
  EXPECT_EQ(Watch(i, st::Tmp("f")), 1);
  EXPECT_EQ(Watch(i, st::Tmp()), 2);
  MUST(chmod(Path(st::Tmp("f")), 0600));
  EXPECT_TOLD(i, "4:f 4:");
}

TEST(Inotify, LinkAndUnlinkChangeTheCount) {
  Fd i = New();
  st::WriteFile(st::Tmp("f"), "x");
  Watch(i, st::Tmp("f"));
  MUST(link(Path(st::Tmp("f")), Path(st::Tmp("g"))));
  EXPECT_TOLD(i, "4:");
  MUST(unlink(Path(st::Tmp("f"))));
  EXPECT_TOLD(i, "4:");
  MUST(unlink(Path(st::Tmp("g"))));
  EXPECT_TOLD(i, "4: 400: 8000:");
  EXPECT_ERR(inotify_rm_watch(i, 1), EINVAL);
}

TEST(Inotify, DeleteSelfWaitsForTheLastClose) {
  Fd i = New();
  st::WriteFile(st::Tmp("f"), "x");
  Watch(i, st::Tmp("f"));
  Fd f(MUST(open(Path(st::Tmp("f")), O_RDWR)));
  EXPECT_TOLD(i, "20:");
  MUST(unlink(Path(st::Tmp("f"))));
  EXPECT_TOLD(i, "4:");
  MUST(write(f, "y", 1));
  EXPECT_TOLD(i, "2:");
  f.reset();
  EXPECT_TOLD(i, "8: 400: 8000:");
}

TEST(Inotify, RenameInADirectory) {
  Fd dir = New(), self = New();
  st::WriteFile(st::Tmp("a"), "x");
  Watch(dir, st::Tmp());
  Watch(self, st::Tmp("a"));
  MUST(rename(Path(st::Tmp("a")), Path(st::Tmp("b"))));
  const std::vector<Event> events = ReadEvents(dir);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].mask, static_cast<uint32_t>(IN_MOVED_FROM));
  EXPECT_EQ(events[0].name, std::string("a"));
  EXPECT_EQ(events[1].mask, static_cast<uint32_t>(IN_MOVED_TO));
  EXPECT_EQ(events[1].name, std::string("b"));
  EXPECT_NE(events[0].cookie, 0u);
  EXPECT_EQ(events[0].cookie, events[1].cookie);
  EXPECT_TOLD(self, "800:");
  // It goes along.
  MUST(chmod(Path(st::Tmp("b")), 0600));
  EXPECT_TOLD(self, "4:");
  EXPECT_TOLD(dir, "4:b");
  MUST(rename(Path(st::Tmp("b")), Path(st::Tmp("c"))));
  EXPECT_NE(ReadEvents(dir)[0].cookie, events[0].cookie);
}

TEST(Inotify, RenameOfADirectoryAcross) {
  MUST(mkdir(Path(st::Tmp("x")), 0700));
  MUST(mkdir(Path(st::Tmp("y")), 0700));
  MUST(mkdir(Path(st::Tmp("x/d")), 0700));
  Fd from = New(), to = New(), self = New();
  Watch(from, st::Tmp("x"));
  Watch(to, st::Tmp("y"));
  Watch(self, st::Tmp("x/d"));
  MUST(rename(Path(st::Tmp("x/d")), Path(st::Tmp("y/e"))));
  EXPECT_TOLD(from, "40000040:d");
  EXPECT_TOLD(to, "40000080:e");
  EXPECT_TOLD(self, "800:");
  st::WriteFile(st::Tmp("y/e/f"), "");
  EXPECT_TOLD(self, "100:f 20:f 8:f");
}

TEST(Inotify, RenameOverAFile) {
  Fd i = New(), dir = New();
  st::WriteFile(st::Tmp("a"), "x");
  st::WriteFile(st::Tmp("b"), "x");
  Watch(i, st::Tmp("b"));
  Watch(dir, st::Tmp());
  MUST(rename(Path(st::Tmp("a")), Path(st::Tmp("b"))));
  EXPECT_TOLD(i, "4: 400: 8000:");
  EXPECT_TOLD(dir, "40:a 80:b");
}

TEST(Inotify, Exchange) {
  Fd dir = New(), a = New(), b = New();
  st::WriteFile(st::Tmp("a"), "x");
  MUST(mkdir(Path(st::Tmp("b")), 0700));
  Watch(dir, st::Tmp());
  Watch(a, st::Tmp("a"));
  Watch(b, st::Tmp("b"));
  if (syscall(SYS_renameat2, AT_FDCWD, Path(st::Tmp("a")), AT_FDCWD, Path(st::Tmp("b")), 2) != 0) SKIP("no exchange");
  EXPECT_TOLD(dir, "40:a 80:b 40000040:b 40000080:a");
  EXPECT_TOLD(a, "800:");
  EXPECT_TOLD(b, "800:");
}

TEST(Inotify, DontFollow) {
  st::WriteFile(st::Tmp("f"), "x");
  MUST(symlink("f", Path(st::Tmp("l"))));
  Fd link = New(), file = New();
  Watch(link, st::Tmp("l"), IN_ALL_EVENTS | IN_DONT_FOLLOW);
  Watch(file, st::Tmp("l"), IN_ALL_EVENTS);
  MUST(chmod(Path(st::Tmp("f")), 0600));
  EXPECT_TOLD(link, "");
  EXPECT_TOLD(file, "4:");
  MUST(unlink(Path(st::Tmp("l"))));
  EXPECT_TOLD(link, "4: 400: 8000:");
}

TEST(Inotify, HardLinkIsTheSameFile) {
  Fd i = New();
  st::WriteFile(st::Tmp("a"), "x");
  MUST(link(Path(st::Tmp("a")), Path(st::Tmp("b"))));
  EXPECT_EQ(Watch(i, st::Tmp("a")), 1);
  EXPECT_EQ(Watch(i, st::Tmp("b")), 1);
  MUST(chmod(Path(st::Tmp("b")), 0600));
  EXPECT_TOLD(i, "4:");
}

TEST(Inotify, Xattr) {
  Fd i = New();
  st::WriteFile(st::Tmp("f"), "x");
  if (setxattr(Path(st::Tmp("f")), "user.a", "b", 1, 0) != 0) SKIP("no user attributes here");
  Watch(i, st::Tmp("f"));
  MUST(setxattr(Path(st::Tmp("f")), "user.a", "c", 1, 0));
  EXPECT_TOLD(i, "4:");
  MUST(removexattr(Path(st::Tmp("f")), "user.a"));
  EXPECT_TOLD(i, "4:");
}

TEST(Inotify, SendfileAndFallocate) {
  st::WriteFile(st::Tmp("in"), "hello");
  st::WriteFile(st::Tmp("out"), "");
  Fd in(MUST(open(Path(st::Tmp("in")), O_RDONLY))), out(MUST(open(Path(st::Tmp("out")), O_WRONLY)));
  Fd i = New();
  Watch(i, st::Tmp());
  EXPECT_RET(sendfile(out, in, nullptr, 5), 5);
  EXPECT_TOLD(i, "1:in 2:out");
  if (fallocate(out, 0, 0, 100) == 0) EXPECT_TOLD(i, "2:out");
}

}  // namespace

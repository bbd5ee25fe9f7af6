// inotify: instances, watches, queues and their limits.
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "test/syscalls/harness/inotify_events.h"

TOUCHES("inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "ioctl", "poll")

namespace {

using namespace inotify_events;

TEST(Inotify, Init) {
  Fd a(MUST(syscall(SYS_inotify_init)));
  EXPECT_EQ(fcntl(a, F_GETFD), 0);
  EXPECT_EQ(fcntl(a, F_GETFL), O_RDONLY);
  Fd b(MUST(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)));
  EXPECT_EQ(fcntl(b, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(b, F_GETFL), O_RDONLY | O_NONBLOCK);
  EXPECT_ERR(inotify_init1(1), EINVAL);
  char link[64] = {};
  MUST(readlink(("/proc/self/fd/" + std::to_string(a)).c_str(), link, sizeof link - 1));
  EXPECT_EQ(std::string(link), std::string("anon_inode:inotify"));
  EXPECT_ERR(write(b, "x", 1), EBADF);
  char c[64];
  EXPECT_ERR(read(b, c, sizeof c), EAGAIN);
  EXPECT_RET(lseek(b, 5, SEEK_SET), 0);
  EXPECT_ERR(ioctl(b, 0x1234, 0), ENOTTY);
}

TEST(Inotify, AddErrors) {
  Fd i = New();
  Fd file(MUST(open(st::Tmp().c_str(), O_RDONLY)));
  Fd path(MUST(open(st::Tmp().c_str(), O_PATH)));
  EXPECT_ERR(inotify_add_watch(i, st::Tmp().c_str(), 0), EINVAL);
  EXPECT_ERR(inotify_add_watch(st::BadFd(), st::Tmp().c_str(), 0), EINVAL);
  EXPECT_ERR(inotify_add_watch(st::BadFd(), st::Tmp().c_str(), IN_OPEN), EBADF);
  EXPECT_ERR(inotify_add_watch(path, st::Tmp().c_str(), IN_OPEN), EBADF);
  EXPECT_ERR(inotify_add_watch(file, st::Tmp().c_str(), IN_OPEN), EINVAL);
  EXPECT_ERR(inotify_add_watch(i, st::Tmp().c_str(), IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
  EXPECT_ERR(inotify_add_watch(i, st::Bad<char>(), IN_OPEN), EFAULT);
  EXPECT_ERR(inotify_add_watch(i, "", IN_OPEN), ENOENT);
  EXPECT_ERR(inotify_add_watch(i, Path(st::Tmp("none")), IN_OPEN), ENOENT);
  st::WriteFile(st::Tmp("f"), "");
  EXPECT_ERR(inotify_add_watch(i, Path(st::Tmp("f")), IN_OPEN | IN_ONLYDIR), ENOTDIR);
  EXPECT_ERR(inotify_rm_watch(i, 1), EINVAL);
  EXPECT_ERR(inotify_rm_watch(file, 1), EINVAL);
  EXPECT_ERR(inotify_rm_watch(st::BadFd(), 1), EBADF);
}

TEST(Inotify, AddNeedsReadPermission) {
  st::NeedRoot();
  MUST(chmod(st::Tmp().c_str(), 0755));
  st::WriteFile(st::Tmp("f"), "", 0600);
  EXPECT_CHILD_OK([] {
    st::DropToNobody();
    Fd i = New();
    EXPECT_ERR(inotify_add_watch(i, Path(st::Tmp("f")), IN_OPEN), EACCES);
    EXPECT_OK(inotify_add_watch(i, st::Tmp().c_str(), IN_OPEN));
  });
}

TEST(Inotify, NumbersGoUp) {
  Fd i = New();
  MUST(mkdir(Path(st::Tmp("a")), 0700));
  MUST(mkdir(Path(st::Tmp("b")), 0700));
  EXPECT_EQ(Watch(i, st::Tmp("a")), 1);
  EXPECT_EQ(Watch(i, st::Tmp("b")), 2);
  EXPECT_EQ(Watch(i, st::Tmp("a")), 1);  // the same inode
  EXPECT_RET(inotify_rm_watch(i, 2), 0);
  EXPECT_EQ(Watch(i, st::Tmp("b")), 3);
  const std::vector<Event> events = ReadEvents(i);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].wd, 2);
  EXPECT_EQ(events[0].mask, static_cast<uint32_t>(IN_IGNORED));
}

TEST(Inotify, MaskRules) {
  Fd i = New();
  st::WriteFile(st::Tmp("f"), "x");
  EXPECT_EQ(Watch(i, st::Tmp("f"), IN_OPEN), 1);
  EXPECT_ERR(inotify_add_watch(i, Path(st::Tmp("f")), IN_ATTRIB | IN_MASK_CREATE), EEXIST);
  EXPECT_EQ(Watch(i, st::Tmp("f"), IN_ATTRIB | IN_MASK_ADD), 1);
  MUST(chmod(Path(st::Tmp("f")), 0600));
  (void)st::ReadFile(st::Tmp("f"));
  EXPECT_TOLD(i, "4: 20:");
  EXPECT_EQ(Watch(i, st::Tmp("f"), IN_ATTRIB), 1);  // replaces
  (void)st::ReadFile(st::Tmp("f"));
  EXPECT_TOLD(i, "");
}

TEST(Inotify, ExcludeUnlinked) {
  Fd all = New(), without = New();
  st::WriteFile(st::Tmp("f"), "x");
  Watch(all, st::Tmp(), IN_MODIFY | IN_ATTRIB);
  Watch(without, st::Tmp(), IN_MODIFY | IN_ATTRIB | IN_EXCL_UNLINK);
  Fd f(MUST(open(Path(st::Tmp("f")), O_RDWR)));
  MUST(write(f, "y", 1));
  EXPECT_TOLD(all, "2:f");
  EXPECT_TOLD(without, "2:f");
  MUST(unlink(Path(st::Tmp("f"))));
  MUST(write(f, "y", 1));
  EXPECT_TOLD(all, "2:f");
  EXPECT_TOLD(without, "");
}

TEST(Inotify, OneShot) {
  Fd i = New();
  st::WriteFile(st::Tmp("f"), "x");
  Watch(i, st::Tmp("f"), IN_ATTRIB | IN_ONESHOT);
  MUST(chmod(Path(st::Tmp("f")), 0600));
  MUST(chmod(Path(st::Tmp("f")), 0644));
  EXPECT_TOLD(i, "4: 8000:");
  EXPECT_ERR(inotify_rm_watch(i, 1), EINVAL);
}

TEST(Inotify, EqualEventsAreOne) {
  Fd i = New();
  st::WriteFile(st::Tmp("f"), "x");
  st::WriteFile(st::Tmp("g"), "x");
  Watch(i, st::Tmp(), IN_ATTRIB);
  for (int n = 0; n < 3; ++n) MUST(chmod(Path(st::Tmp("f")), 0600));
  MUST(chmod(Path(st::Tmp("g")), 0600));
  MUST(chmod(Path(st::Tmp("f")), 0600));
  EXPECT_TOLD(i, "4:f 4:g 4:f");
}

TEST(Inotify, SizesAndSmallBuffers) {
  Fd i = New();
  Watch(i, st::Tmp(), IN_CREATE);
  int bytes = -1;
  EXPECT_RET(ioctl(i, FIONREAD, &bytes), 0);
  EXPECT_EQ(bytes, 0);
  MUST(mkdir(Path(st::Tmp("a")), 0700));
  MUST(mkdir(Path(st::Tmp(std::string(15, 'b'))), 0700));
  MUST(mkdir(Path(st::Tmp(std::string(16, 'c'))), 0700));
  EXPECT_RET(ioctl(i, FIONREAD, &bytes), 0);
  EXPECT_EQ(bytes, 32 + 32 + 48);
  alignas(inotify_event) char buf[256];
  EXPECT_ERR(read(i, buf, 31), EINVAL);
  EXPECT_ERR(read(i, buf, 0), EINVAL);
  EXPECT_RET(read(i, buf, 63), 32);
  EXPECT_EQ(reinterpret_cast<inotify_event*>(buf)->len, 16u);
  for (int at = 1; at < 16; ++at) EXPECT_EQ(buf[16 + at], 0);
  EXPECT_RET(read(i, buf, sizeof buf), 80);
  EXPECT_EQ(reinterpret_cast<inotify_event*>(buf + 32)->len, 32u);
  EXPECT_ERR(read(i, buf, sizeof buf), EAGAIN);
  MUST(rmdir(Path(st::Tmp("a"))));
  MUST(mkdir(Path(st::Tmp("a")), 0700));
  EXPECT_ERR(read(i, st::Bad<>(), 64), EFAULT);
  EXPECT_ERR(read(i, buf, sizeof buf), EAGAIN);  // it is lost
}

TEST(Inotify, Overflow) {
  Fd i = New();
  const int limit = atoi(st::ReadFile("/proc/sys/fs/inotify/max_queued_events").c_str());
  ASSERT_TRUE(limit > 0);
  if (limit > 100'000) SKIP("a long queue");
  st::WriteFile(st::Tmp("a"), "");
  st::WriteFile(st::Tmp("b"), "");
  Watch(i, st::Tmp(), IN_ATTRIB);
  for (int n = 0; n < limit + 10; ++n) {
    MUST(chmod(Path(st::Tmp(n % 2 == 0 ? "a" : "b")), 0600));
  }
  const std::vector<Event> events = ReadEvents(i);
  ASSERT_EQ(events.size(), static_cast<size_t>(limit) + 1);
  EXPECT_EQ(events.back().wd, -1);
  EXPECT_EQ(events.back().mask, static_cast<uint32_t>(IN_Q_OVERFLOW));
  MUST(chmod(Path(st::Tmp("a")), 0600));
  EXPECT_TOLD(i, "4:a");
}

TEST(Inotify, PollAndBlockedReader) {
  Fd i = New(0);
  Watch(i, st::Tmp(), IN_CREATE);
  pollfd p = {i, POLLIN | POLLOUT, 0};
  EXPECT_RET(poll(&p, 1, 0), 0);
  st::Thread reader([&] {
    char buf[64];
    EXPECT_RET(read(i, buf, sizeof buf), 32);
  });
  st::WaitBlocked(getpid(), reader.tid());
  MUST(mkdir(Path(st::Tmp("a")), 0700));
  reader.Join();
  MUST(mkdir(Path(st::Tmp("b")), 0700));
  EXPECT_RET(poll(&p, 1, 5000), 1);
  EXPECT_EQ(p.revents, POLLIN);
}

TEST(Inotify, TwoInstances) {
  Fd a = New(), b = New();
  Watch(a, st::Tmp(), IN_CREATE);
  Watch(b, st::Tmp(), IN_DELETE);
  MUST(mkdir(Path(st::Tmp("d")), 0700));
  MUST(rmdir(Path(st::Tmp("d"))));
  EXPECT_TOLD(a, "40000100:d");
  EXPECT_TOLD(b, "40000200:d");
  a.reset();
  MUST(mkdir(Path(st::Tmp("d")), 0700));
  EXPECT_TOLD(b, "");
}

TEST(Inotify, Unmount) {
  st::NeedRoot();
  EXPECT_CHILD_OK([] {
    MUST(unshare(CLONE_NEWNS));
    MUST(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    MUST(mkdir(Path(st::Tmp("m")), 0700));
    MUST(mount("none", Path(st::Tmp("m")), "tmpfs", 0, nullptr));
    st::WriteFile(st::Tmp("m/f"), "");
    Fd i = New();
    Watch(i, st::Tmp("m"));
    Watch(i, st::Tmp("m/f"));
    MUST(umount(Path(st::Tmp("m"))));
    std::vector<Event> events = ReadEvents(i);
    ASSERT_EQ(events.size(), 4u);
    for (const int wd : {1, 2}) {
      std::string told;
      for (const Event& e : events) {
        if (e.wd == wd) told += (e.mask & IN_UNMOUNT) != 0 ? "U" : e.mask == IN_IGNORED ? "I" : "?";
      }
      EXPECT_EQ(told, std::string("UI"));
    }
  });
}

TEST(Inotify, Limits) {
  for (const char* name : {"max_queued_events", "max_user_instances", "max_user_watches"}) {
    const std::string path = std::string("/proc/sys/fs/inotify/") + name;
    EXPECT_GT(atoi(st::ReadFile(path).c_str()), 0);
    EXPECT_EQ(st::StatOf(path).st_mode & 0777, 0644u);
  }
  const int limit = atoi(st::ReadFile("/proc/sys/fs/inotify/max_user_instances").c_str());
  if (limit > 500) SKIP("many instances");
  std::vector<Fd> instances;
  int fd;
  while ((fd = inotify_init1(0)) >= 0) instances.emplace_back(fd);
  EXPECT_EQ(errno, EMFILE);
  EXPECT_LE(instances.size(), static_cast<size_t>(limit));
  instances.pop_back();
  EXPECT_OK(inotify_init1(0));
}

TEST(Inotify, FdInfo) {
  Fd i = New();
  Watch(i, st::Tmp(), IN_CREATE);
  const std::string info = st::ReadFile("/proc/self/fdinfo/" + std::to_string(i));
  char want[64];
  snprintf(want, sizeof want, "inotify wd:1 ino:%lx sdev:", static_cast<unsigned long>(st::StatOf(st::Tmp()).st_ino));
  EXPECT_NE(info.find(want), std::string::npos);
  EXPECT_NE(info.find(" mask:100 ignored_mask:0 "), std::string::npos);
}

}  // namespace

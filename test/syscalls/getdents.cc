// getdents64 and getdents: the raw records.
#include <dirent.h>

#include <map>
#include <set>

#include "test/syscalls/harness/test.h"

TOUCHES("getdents64", "getdents", "lseek")

namespace {

using st::Tmp;

struct Dirent64 {
  uint64_t ino;
  int64_t off;
  uint16_t reclen;
  uint8_t type;
  char name[];
};

// Appends the records of one call; returns its value.
long Read(int fd, size_t size, std::map<std::string, int>* out, int64_t* last_off = nullptr) {
  alignas(8) char b[65536];
  long n = syscall(SYS_getdents64, fd, b, size);
  for (long at = 0; at < n;) {
    auto* d = reinterpret_cast<Dirent64*>(b + at);
    EXPECT_GE(d->reclen, 24);
    EXPECT_EQ(d->reclen % 8, 0);
    if (d->reclen == 0) break;
    if (out) (*out)[d->name] = d->type;
    if (last_off) *last_off = d->off;
    at += d->reclen;
  }
  return n;
}

std::map<std::string, int> List(const std::string& path) {
  Fd fd(MUST(open(path.c_str(), O_RDONLY | O_DIRECTORY)));
  std::map<std::string, int> m;
  while (MUST(Read(fd, 4096, &m)) > 0) {
  }
  return m;
}

TEST(Getdents, NamesAndTypes) {
  st::WriteFile(Tmp("file"), "");
  MUST(mkdir(Tmp("dir").c_str(), 0755));
  MUST(symlink("x", Tmp("link").c_str()));
  MUST(mkfifo(Tmp("fifo").c_str(), 0600));
  auto m = List(Tmp());
  EXPECT_EQ(m.size(), 6u);
  auto type = [&](const char* n, int want) {
    EXPECT_TRUE(m.count(n));
    EXPECT_TRUE(m[n] == want || m[n] == DT_UNKNOWN);
  };
  type(".", DT_DIR);
  type("..", DT_DIR);
  type("file", DT_REG);
  type("dir", DT_DIR);
  type("link", DT_LNK);
  type("fifo", DT_FIFO);
}

TEST(Getdents, EmptyDirectoryHasDotAndDotDot) {
  auto m = List(Tmp());
  EXPECT_EQ(m.size(), 2u);
}

TEST(Getdents, AgainAtEndReturnsZero) {
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  EXPECT_GT(MUST(Read(fd, 4096, nullptr)), 0);
  EXPECT_EQ(MUST(Read(fd, 4096, nullptr)), 0);
  EXPECT_EQ(MUST(Read(fd, 4096, nullptr)), 0);
}

TEST(Getdents, BufferTooSmallIsEINVAL) {
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  EXPECT_ERR(Read(fd, 8, nullptr), EINVAL);
  EXPECT_GT(MUST(Read(fd, 4096, nullptr)), 0);  // nothing was lost
}

TEST(Getdents, SmallBuffersGiveEachNameOnce) {
  std::set<std::string> want = {".", ".."};
  for (int i = 0; i < 200; i++) {
    std::string n = "name" + std::to_string(i);
    st::WriteFile(Tmp(n), "");
    want.insert(n);
  }
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  std::multiset<std::string> got;
  for (;;) {
    std::map<std::string, int> m;
    if (MUST(Read(fd, 100, &m)) == 0) break;
    for (auto& e : m) got.insert(e.first);
  }
  EXPECT_EQ(got.size(), want.size());
  EXPECT_TRUE(std::set<std::string>(got.begin(), got.end()) == want);
}

TEST(Getdents, RewindSeesNewNames) {
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  while (MUST(Read(fd, 4096, nullptr)) > 0) {
  }
  st::WriteFile(Tmp("new"), "");
  EXPECT_RET(lseek(fd, 0, SEEK_SET), 0);
  std::map<std::string, int> m;
  while (MUST(Read(fd, 4096, &m)) > 0) {
  }
  EXPECT_TRUE(m.count("new"));
}

TEST(Getdents, SeekToOffsetContinues) {
  for (int i = 0; i < 20; i++) st::WriteFile(Tmp("n" + std::to_string(i)), "");
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  int64_t off = 0;
  MUST(Read(fd, 150, nullptr, &off));
  std::map<std::string, int> first, again;
  while (MUST(Read(fd, 4096, &first)) > 0) {
  }
  MUST(lseek(fd, off, SEEK_SET));
  while (MUST(Read(fd, 4096, &again)) > 0) {
  }
  EXPECT_TRUE(first == again);
}

TEST(Getdents, RemovedWhileReading) {
  for (int i = 0; i < 100; i++) st::WriteFile(Tmp("n" + std::to_string(i)), "");
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  std::map<std::string, int> m;
  int calls = 0;
  while (MUST(Read(fd, 300, &m)) > 0 && calls++ < 1000) {
    for (auto& e : m) {
      if (e.first[0] == 'n') unlink(Tmp(e.first).c_str());
    }
  }
  EXPECT_EQ(m.size(), 102u);  // `rm -r` relies on this
}

TEST(Getdents, FileIsENOTDIR) {
  st::WriteFile(Tmp("f"), "");
  Fd fd(MUST(open(Tmp("f").c_str(), O_RDONLY)));
  EXPECT_ERR(Read(fd, 4096, nullptr), ENOTDIR);
  EXPECT_ERR(Read(st::BadFd(), 4096, nullptr), EBADF);
}

TEST(Getdents, RemovedDirectoryIsENOENT) {
  MUST(mkdir(Tmp("d").c_str(), 0755));
  Fd fd(MUST(open(Tmp("d").c_str(), O_RDONLY)));
  MUST(rmdir(Tmp("d").c_str()));
  EXPECT_ERR(Read(fd, 4096, nullptr), ENOENT);
}

TEST(Getdents, BadBuffer) {
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  EXPECT_ERR(syscall(SYS_getdents64, static_cast<int>(fd), st::BadAddr(), 4096), EFAULT);
}

TEST(Getdents, OldCallHasTypeAtTheEnd) {
  struct Old {
    unsigned long ino, off;
    unsigned short reclen;
    char name[];
  };
  MUST(mkdir(Tmp("dir").c_str(), 0755));
  Fd fd(MUST(open(Tmp().c_str(), O_RDONLY)));
  alignas(8) char b[4096];
  long n = MUST(syscall(SYS_getdents, static_cast<int>(fd), b, sizeof b));
  bool seen = false;
  for (long at = 0; at < n;) {
    auto* d = reinterpret_cast<Old*>(b + at);
    if (!strcmp(d->name, "dir")) {
      seen = true;
      EXPECT_EQ(static_cast<int>(b[at + d->reclen - 1]), DT_DIR);
    }
    at += d->reclen;
  }
  EXPECT_TRUE(seen);
}

}  // namespace

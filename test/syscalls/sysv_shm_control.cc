// System V shared memory: shmctl, who may, and the limits of a namespace.
#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

#include <string>

#include "test/syscalls/sysv_shm_test_util.h"

TOUCHES("shmctl")

namespace {

using namespace shm_test;

constexpr int kStatAny = 15;  // SHM_STAT_ANY
constexpr mode_t kLocked = 02000;

TEST(SysvShmControl, Stat) {
  Segment segment(kPage, 0640);
  shmid_ds stat = StatOf(segment);
  EXPECT_EQ(stat.shm_perm.mode, 0640u);
  EXPECT_EQ(stat.shm_perm.uid, geteuid());
  EXPECT_EQ(stat.shm_cpid, getpid());
  EXPECT_EQ(stat.shm_lpid, 0);
  EXPECT_EQ(stat.shm_atime, 0);
  EXPECT_EQ(stat.shm_dtime, 0);
  EXPECT_LE(time(nullptr) - stat.shm_ctime, 5);
  char* const p = Attach(segment);
  p[0] = 1;
  EXPECT_RET(shmdt(p), 0);
  stat = StatOf(segment);
  EXPECT_LE(time(nullptr) - stat.shm_atime, 5);
  EXPECT_LE(time(nullptr) - stat.shm_dtime, 5);
  shmid_ds indexed = {};
  EXPECT_RET(shmctl(segment % 32768, SHM_STAT, &indexed), +segment);
  EXPECT_RET(shmctl(segment % 32768, kStatAny, &indexed), +segment);
  EXPECT_EQ(indexed.shm_segsz, kPage);
  struct shm_info use = {};
  EXPECT_GE(EXPECT_OK(shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&use))), segment % 32768);
  EXPECT_GE(use.used_ids, 1);
  EXPECT_GE(use.shm_tot, 1u);
  EXPECT_GE(use.shm_rss, 1u);
  struct shminfo limits = {};
  EXPECT_OK(shmctl(0, IPC_INFO, reinterpret_cast<shmid_ds*>(&limits)));
  EXPECT_EQ(limits.shmmin, 1u);
  EXPECT_EQ(limits.shmmni, limits.shmseg);
  EXPECT_ERR(shmctl(-1, IPC_STAT, &indexed), EINVAL);
  EXPECT_ERR(shmctl(segment, -1, &indexed), EINVAL);
  EXPECT_ERR(shmctl(segment, 99, &indexed), EINVAL);
  EXPECT_ERR(shmctl(INT_MAX, IPC_STAT, st::Bad<shmid_ds>()), EINVAL);
  EXPECT_ERR(shmctl(segment, IPC_STAT, st::Bad<shmid_ds>()), EFAULT);
  EXPECT_ERR(shmctl(INT_MAX, IPC_SET, st::Bad<shmid_ds>()), EFAULT);
  EXPECT_ERR(shmctl(0, IPC_INFO, st::Bad<shmid_ds>()), EFAULT);
}

TEST(SysvShmControl, Permissions) {
  st::NeedRoot();
  Segment segment(kPage, 0604);
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    shmid_ds stat = StatOf(segment);
    EXPECT_ERR(At(segment), EACCES);
    EXPECT_ERR(At(segment, nullptr, SHM_RDONLY | SHM_EXEC), EACCES);
    Attach(segment, SHM_RDONLY);
    EXPECT_ERR(shmctl(segment, IPC_SET, &stat), EPERM);
    EXPECT_ERR(shmctl(segment, IPC_RMID, nullptr), EPERM);
    EXPECT_ERR(shmctl(segment, SHM_LOCK, nullptr), EPERM);
    EXPECT_ERR(shmctl(segment, SHM_UNLOCK, nullptr), EPERM);
  });
  shmid_ds stat = StatOf(segment);
  stat.shm_perm.uid = 65534, stat.shm_perm.mode = 0200;
  EXPECT_RET(shmctl(segment, IPC_SET, &stat), 0);
  EXPECT_CHILD_OK([&] {
    st::DropToNobody();
    shmid_ds mine = {};
    EXPECT_ERR(At(segment, nullptr, SHM_RDONLY), EACCES);
    EXPECT_ERR(shmctl(segment, IPC_STAT, &mine), EACCES);
    EXPECT_RET(shmctl(segment % 32768, kStatAny, &mine), +segment);
    EXPECT_RET(shmctl(segment, IPC_RMID, nullptr), 0);
  });
}

TEST(SysvShmControl, LockedInMemory) {
  st::NeedRoot();
  Segment segment(2 * kPage, 0666);
  EXPECT_RET(shmctl(segment, SHM_LOCK, nullptr), 0);
  EXPECT_EQ(StatOf(segment).shm_perm.mode, kLocked | 0666);
  EXPECT_RET(shmctl(segment, SHM_UNLOCK, nullptr), 0);
  EXPECT_EQ(StatOf(segment).shm_perm.mode, 0666u);
  EXPECT_CHILD_OK([&] {
    const rlimit two = {2 * kPage, 2 * kPage}, one = {kPage, kPage}, none = {0, 0};
    MUST(setrlimit(RLIMIT_MEMLOCK, &two));
    st::DropToNobody();
    Segment mine(2 * kPage);
    EXPECT_RET(shmctl(mine, SHM_LOCK, nullptr), 0);
    EXPECT_RET(shmctl(mine, SHM_UNLOCK, nullptr), 0);
    MUST(setrlimit(RLIMIT_MEMLOCK, &one));
    EXPECT_ERR(shmctl(mine, SHM_LOCK, nullptr), ENOMEM);
    MUST(setrlimit(RLIMIT_MEMLOCK, &none));
    EXPECT_ERR(shmctl(mine, SHM_LOCK, nullptr), EPERM);
    EXPECT_RET(shmctl(mine, SHM_UNLOCK, nullptr), 0);
  });
}

TEST(SysvShmControl, LimitsOfANamespace) {
  st::NeedRoot();
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWIPC));
    EXPECT_EQ(st::ReadFile("/proc/sys/kernel/shmmax"), "18446744073692774399\n");
    EXPECT_EQ(st::ReadFile("/proc/sys/kernel/shmall"), "18446744073692774399\n");
    EXPECT_EQ(st::ReadFile("/proc/sys/kernel/shmmni"), "4096\n");
    st::WriteFile("/proc/sys/kernel/shmmax", "8192\n");
    st::WriteFile("/proc/sys/kernel/shmall", "4\n");
    st::WriteFile("/proc/sys/kernel/shmmni", "2\n");
    EXPECT_ERR(shmget(IPC_PRIVATE, 8193, 0600), EINVAL);
    const int id = MUST(shmget(IPC_PRIVATE, 8192, 0600));
    EXPECT_RET(id, 0);
    const int second = MUST(shmget(IPC_PRIVATE, kPage, 0640));
    EXPECT_ERR(shmget(IPC_PRIVATE, 1, 0600), ENOSPC);
    st::WriteFile("/proc/sys/kernel/shmmni", "3\n");
    EXPECT_ERR(shmget(IPC_PRIVATE, 8192, 0600), ENOSPC);
    EXPECT_RET(shmctl(second, IPC_RMID, nullptr), 0);
    Attach(id)[0] = 1;
    const std::string text = st::ReadFile("/proc/sysvipc/shm");
    char line[80];
    snprintf(line, sizeof line, "         0          0   600                  8192 %5d %5d      1 ", getpid(),
             getpid());
    EXPECT_EQ(text.find(line), text.find('\n') + 1);
  });
}

// What is mapped outlives its namespace.
TEST(SysvShmControl, AttachedInAnotherNamespace) {
  st::NeedRoot();
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWIPC));
    const int id = MUST(shmget(OwnKey(), kPage, IPC_CREAT | 0600));
    char* const p = Attach(id);
    p[0] = 1;
    MUST(unshare(CLONE_NEWIPC));
    EXPECT_EQ(p[0], 1);
    EXPECT_ERR(shmget(OwnKey(), 0, 0), ENOENT);
    EXPECT_ERR(At(id), EINVAL);
    EXPECT_RET(shmdt(p), 0);
  });
}

TEST(SysvShmControl, RemovalForced) {
  st::NeedRoot();
  EXPECT_CHILD_OK([&] {
    MUST(unshare(CLONE_NEWIPC));
    int orphan = -1;
    int pipe_fds[2];
    MUST(pipe(pipe_fds));
    EXPECT_EXITED(st::WaitStatus(st::Spawn([&] {
                    const int id = MUST(shmget(IPC_PRIVATE, kPage, 0600));
                    EXPECT_RET(write(pipe_fds[1], &id, sizeof id), sizeof id);
                  })),
                  0);
    EXPECT_RET(read(pipe_fds[0], &orphan, sizeof orphan), sizeof orphan);
    EXPECT_EQ(Attached(orphan), 0u);
    const int own = MUST(shmget(IPC_PRIVATE, kPage, 0600)), used = MUST(shmget(IPC_PRIVATE, kPage, 0600));
    char* const p = Attach(used);
    EXPECT_EQ(st::ReadFile("/proc/sys/kernel/shm_rmid_forced"), "0\n");
    st::WriteFile("/proc/sys/kernel/shm_rmid_forced", "1\n");
    shmid_ds stat = {};
    EXPECT_ERR(shmctl(orphan, IPC_STAT, &stat), EINVAL);
    EXPECT_EQ(Attached(own), 0u);  // its maker lives
    EXPECT_EQ(Attached(used), 1u);
    EXPECT_RET(shmdt(p), 0);
    EXPECT_ERR(shmctl(used, IPC_STAT, &stat), EINVAL);
    EXPECT_EXITED(st::WaitStatus(st::Spawn([&] {
                    const int id = MUST(shmget(IPC_PRIVATE, kPage, 0600));
                    EXPECT_RET(write(pipe_fds[1], &id, sizeof id), sizeof id);
                  })),
                  0);
    EXPECT_RET(read(pipe_fds[0], &orphan, sizeof orphan), sizeof orphan);
    EXPECT_ERR(shmctl(orphan, IPC_STAT, &stat), EINVAL);
  });
}

}  // namespace

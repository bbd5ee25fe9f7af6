// Segments of System V shared memory, for the files that try them.
#ifndef TEST_SYSCALLS_SYSV_SHM_TEST_UTIL_H_
#define TEST_SYSCALLS_SYSV_SHM_TEST_UTIL_H_

#include <sys/ipc.h>
#include <sys/shm.h>

#include "test/syscalls/harness/test.h"

namespace shm_test {

inline constexpr size_t kPage = 4096;

// A segment of the case's own; removed at its end.
class Segment {
 public:
  explicit Segment(size_t size = kPage, int mode = 0600) : id_(MUST(shmget(IPC_PRIVATE, size, mode))) {}
  Segment(const Segment&) = delete;
  ~Segment() { shmctl(id_, IPC_RMID, nullptr); }
  operator int() const { return id_; }

 private:
  const int id_;
};

inline char* Attach(int id, int flags = 0, void* at = nullptr) {
  void* p = shmat(id, at, flags);
  if (p == reinterpret_cast<void*>(-1)) {
    EXPECT_OK(-1);
    st::EndCase();
  }
  return static_cast<char*>(p);
}
inline long At(int id, const void* at = nullptr, int flags = 0) { return reinterpret_cast<long>(shmat(id, at, flags)); }
inline shmid_ds StatOf(int id) {
  shmid_ds stat = {};
  EXPECT_RET(shmctl(id, IPC_STAT, &stat), 0);
  return stat;
}
inline size_t Attached(int id) { return StatOf(id).shm_nattch; }
inline key_t OwnKey() { return 0x53000000 + getpid(); }

}  // namespace shm_test

#endif  // TEST_SYSCALLS_SYSV_SHM_TEST_UTIL_H_

// What the tests of scheduling and of priorities share.
#pragma once

#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>

#include <sstream>
#include <string>

#include "test/syscalls/capability_test_util.h"
#include "test/syscalls/harness/test.h"

namespace sched_test {

struct Attr {
  uint32_t size = 56, policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
  uint32_t util_min = 0, util_max = 0;
};
static_assert(sizeof(Attr) == 56);
inline constexpr uint64_t kResetOnFork = 1, kKeepPolicy = 8, kKeepParams = 16;
inline constexpr int kDeadline = 6, kIoNone = 0, kIoRt = 1, kIoBe = 2, kIoIdle = 3;
inline constexpr int kIoProcess = 1, kIoGroup = 2, kIoUser = 3;
inline constexpr int kNoSuchPid = 0x3ffffff;

inline long SetAttr(int pid, const Attr& attr, unsigned flags = 0) {
  return syscall(SYS_sched_setattr, pid, &attr, flags);
}
inline Attr GetAttr(int pid = 0) {
  Attr attr;
  MUST(syscall(SYS_sched_getattr, pid, &attr, sizeof attr, 0));
  return attr;
}
inline long SetPolicy(int pid, int policy, int priority) {
  const sched_param param = {priority};
  return syscall(SYS_sched_setscheduler, pid, policy, &param);
}
inline constexpr int IoPriority(int io_class, int level) { return io_class << 13 | level; }
inline long IoSet(int which, int who, int priority) { return syscall(SYS_ioprio_set, which, who, priority); }
inline long IoGet(int which, int who) { return syscall(SYS_ioprio_get, which, who); }

// A field of /proc/PID/stat by its number in man 5 proc, from 4 on.
inline long StatField(int number, const std::string& who = "self") {
  std::string text = st::ReadFile("/proc/" + who + "/stat");
  std::istringstream rest(text.substr(text.rfind(')') + 2));
  std::string word;
  for (int i = 3; i <= number; ++i) rest >> word;
  return std::stol(word);
}
inline constexpr int kStatPriority = 18, kStatNice = 19, kStatRtPriority = 40, kStatPolicy = 41;

inline void LoseSysNice() { capability_test::Drop(capability_test::Bit(CAP_SYS_NICE)); }

inline void SetLimit(int which, rlim_t value) {
  const rlimit limit = {value, value};
  MUST(setrlimit(static_cast<__rlimit_resource>(which), &limit));
}

}  // namespace sched_test

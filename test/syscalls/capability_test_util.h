// The caller's capability sets, read and set.
#ifndef TEST_SYSCALLS_CAPABILITY_TEST_UTIL_H_
#define TEST_SYSCALLS_CAPABILITY_TEST_UTIL_H_

#include <linux/capability.h>
#include <sys/prctl.h>

#include "test/syscalls/harness/test.h"

namespace capability_test {

constexpr uint64_t Bit(int cap) { return uint64_t{1} << cap; }

struct Sets {
  uint64_t effective = 0, permitted = 0, inheritable = 0;
};
inline Sets Get() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  MUST(syscall(SYS_capget, &header, data));
  return {data[0].effective | uint64_t{data[1].effective} << 32, data[0].permitted | uint64_t{data[1].permitted} << 32,
          data[0].inheritable | uint64_t{data[1].inheritable} << 32};
}
inline long Set(const Sets& s) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  const auto low = [](uint64_t v) { return static_cast<uint32_t>(v); };
  const __user_cap_data_struct data[2] = {{low(s.effective), low(s.permitted), low(s.inheritable)},
                                          {low(s.effective >> 32), low(s.permitted >> 32), low(s.inheritable >> 32)}};
  return syscall(SYS_capset, &header, data);
}
inline void Drop(uint64_t bits) {
  Sets s = Get();
  s.effective &= ~bits, s.permitted &= ~bits, s.inheritable &= ~bits;
  MUST(Set(s));
}
inline uint64_t Status(const char* name) {
  const std::string text = st::ReadFile("/proc/self/status");
  const size_t at = text.find("\n" + std::string(name) + ":\t");
  return at == std::string::npos ? 0 : strtoull(text.c_str() + at + strlen(name) + 3, nullptr, 16);
}
inline long Ambient(int what, unsigned long cap) { return prctl(PR_CAP_AMBIENT, what, cap, 0, 0); }
inline long Resuid(long r, long e, long s) { return syscall(SYS_setresuid, r, e, s); }

}  // namespace capability_test

#endif  // TEST_SYSCALLS_CAPABILITY_TEST_UTIL_H_

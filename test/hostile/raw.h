// System calls without libc: they work with any fs_base, and leave errno alone.
#ifndef TEST_HOSTILE_RAW_H_
#define TEST_HOSTILE_RAW_H_

#include <cstdint>

namespace hostile {

// The raw result: -errno if it failed.
template <typename A = long, typename B = long, typename C = long, typename D = long>
long Raw(long number, A a = 0, B b = 0, C c = 0, D d = 0, long e = 0, long f = 0) {
  const auto word = [](auto value) { return (long)value; };
  long ret = number;
  register long r10 asm("r10") = word(d);
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "+a"(ret)
               : "D"(word(a)), "S"(word(b)), "d"(word(c)), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return ret;
}

}  // namespace hostile

#endif  // TEST_HOSTILE_RAW_H_

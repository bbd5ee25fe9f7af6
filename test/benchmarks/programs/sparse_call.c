// What such a call costs when 100 us of work lie between two.
#include "common.h"

#include <sys/syscall.h>

static volatile uint64_t sink;

static int64_t work(int n, int call) {
  const int64_t start = now_ns();
  for (int i = 0; i < n; i++) {
    uint64_t x = (uint64_t)i;
    for (int k = 0; k < 60000; k++) x = x * 6364136223846793005u + 1;
    sink = x;
    long rax = SYS_getpgid;
    if (call) asm volatile("nop; syscall; nop" : "+a"(rax) : "D"(0L) : "rcx", "r11", "memory");
  }
  return now_ns() - start;
}

int main(void) {
  int64_t with = INT64_MAX, without = INT64_MAX;
  for (int i = 0; i < 20; i++) {
    const int64_t a = work(100, 1), b = work(100, 0);
    if (a < with) with = a;
    if (b < without) without = b;
  }
  printf("%.1f\n", (double)(with - without) / 100);
  return 0;
}

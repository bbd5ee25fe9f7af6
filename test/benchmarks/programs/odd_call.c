// The same from code of a form that no compiler emits: nothing there can be rewritten.
#include "common.h"

#include <sys/syscall.h>

static void body(int n) {
  for (int i = 0; i < n; i++) {
    long rax = SYS_getpgid;
    asm volatile("nop; syscall; nop" : "+a"(rax) : "D"(0L) : "rcx", "r11", "memory");
  }
}

int main(void) {
  measure(2000, body);
  return 0;
}

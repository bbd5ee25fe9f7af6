// The cheapest call that must enter the kernel.
#include "common.h"

#include <sys/syscall.h>
#include <unistd.h>

static void body(int n) {
  for (int i = 0; i < n; i++) syscall(SYS_getppid);
}

int main(void) {
  measure(2000, body);
  return 0;
}

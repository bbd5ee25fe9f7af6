// Work of some 5 to 10 us, then a call.
#include "common.h"

#include <unistd.h>

static volatile uint64_t sink;

static void body(int n) {
  for (int i = 0; i < n; i++) {
    uint64_t x = (uint64_t)i;
    for (int k = 0; k < 6000; k++) x = x * 6364136223846793005u + 1;
    sink = x;
    getpgid(0);
  }
}

int main(void) {
  measure(1000, body);
  return 0;
}

// One byte written to a pipe and read back by the same thread: two calls that copy.
#include "common.h"

#include <unistd.h>

static int ends[2];

static void body(int n) {
  char c = 0;
  for (int i = 0; i < n; i++) {
    if (write(ends[1], &c, 1) != 1 || read(ends[0], &c, 1) != 1) die("pipe");
  }
}

int main(void) {
  if (pipe(ends)) die("pipe");
  measure(1000, body);
  return 0;
}

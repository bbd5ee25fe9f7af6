// 64 KiB read at a time from a file that the host has cached; the figure is for one read.
#include "common.h"

#include <fcntl.h>
#include <unistd.h>

static int file;
static char buffer[65536];

static void body(int n) {
  for (int i = 0; i < n; i++) {
    if (pread(file, buffer, sizeof(buffer), 0) <= 0) die("pread");
  }
}

int main(int argc, char** argv) {
  (void)argc;
  file = open(argv[0], O_RDONLY);
  if (file < 0) die(argv[0]);
  measure(200, body);
  return 0;
}

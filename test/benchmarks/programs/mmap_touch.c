// Map 1 MiB, touch each of its 256 pages, unmap; the figure is for one page.
#include "common.h"

#include <sys/mman.h>

static void body(int n) {
  for (int done = 0; done < n; done += 256) {
    char* p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) die("mmap");
    for (int i = 0; i < 256; i++) p[i * 4096] = 1;
    munmap(p, 1 << 20);
  }
}

int main(void) {
  measure(2560, body);
  return 0;
}

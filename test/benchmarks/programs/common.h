// What the benchmark programs share: a clock, and the one line that they print.
#ifndef TEST_BENCHMARKS_PROGRAMS_COMMON_H_
#define TEST_BENCHMARKS_PROGRAMS_COMMON_H_

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline void die(const char* what) {
  perror(what);
  exit(1);
}

// Runs `body` in batches for at least 100 ms and prints the ns of one run in the best batch: a batch that the
// host's scheduler disturbed says nothing about us.
static inline void measure(int batch, void (*body)(int)) {
  body(batch / 10 + 1);
  const int64_t begin = now_ns();
  int64_t best = INT64_MAX;
  for (int n = 0; n < 3 || now_ns() - begin < 100000000; n++) {
    const int64_t start = now_ns();
    body(batch);
    const int64_t took = now_ns() - start;
    if (took < best) best = took;
  }
  printf("%.1f\n", (double)best / batch);
}

#endif  // TEST_BENCHMARKS_PROGRAMS_COMMON_H_

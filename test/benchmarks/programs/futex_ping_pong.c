// Two threads that wake each other by futexes; the figure is for one round trip.
#include "common.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic uint32_t turn;

static void pass(uint32_t to) {
  atomic_store(&turn, to);
  syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void wait_for(uint32_t me) {
  uint32_t now;
  while ((now = atomic_load(&turn)) != me) {
    if (now == 2) pthread_exit(NULL);
    syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
  }
}

static void* partner(void* p) {
  for (;;) {
    wait_for(1);
    pass(0);
  }
  return p;
}

static void body(int n) {
  for (int i = 0; i < n; i++) {
    pass(1);
    wait_for(0);
  }
}

int main(void) {
  pthread_t t;
  if (pthread_create(&t, NULL, partner, NULL)) die("thread");
  measure(200, body);
  pass(2);
  pthread_join(t, NULL);
  return 0;
}

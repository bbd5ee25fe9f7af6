// A thread made and joined.
#include "common.h"

#include <pthread.h>

static void* nothing(void* p) { return p; }

static void body(int n) {
  for (int i = 0; i < n; i++) {
    pthread_t t;
    if (pthread_create(&t, NULL, nothing, NULL)) die("thread");
    pthread_join(t, NULL);
  }
}

int main(void) {
  measure(20, body);
  return 0;
}

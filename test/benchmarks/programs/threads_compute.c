// Eight threads that compute, with a lock now and then; wall time a thread.
#include "common.h"

#include <pthread.h>

enum { kThreads = 8 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static uint64_t total;

static void* run(void* arg) {
  uint64_t x = (uint64_t)(uintptr_t)arg;
  for (int i = 0; i < 500; i++) {
    for (int k = 0; k < 20000; k++) x = x * 6364136223846793005u + 1;
    pthread_mutex_lock(&mutex);
    total += x & 1;
    pthread_mutex_unlock(&mutex);
  }
  return NULL;
}

static void body(int n) {
  pthread_t threads[kThreads];
  for (int i = 0; i < n; i++) pthread_create(&threads[i % kThreads], NULL, run, (void*)(uintptr_t)i);
  for (int i = 0; i < n; i++) pthread_join(threads[i % kThreads], NULL);
}

int main(void) {
  measure(kThreads, body);
  return 0;
}

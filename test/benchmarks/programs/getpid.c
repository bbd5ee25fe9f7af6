// A call with one answer until something happens.
#include "common.h"

#include <unistd.h>

static void body(int n) {
  for (int i = 0; i < n; i++) getpid();
}

int main(void) {
  measure(10000, body);
  return 0;
}

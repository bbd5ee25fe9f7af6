// clock_gettime, which needs no kernel where there is a vDSO.
#include "common.h"

static void body(int n) {
  for (int i = 0; i < n; i++) now_ns();
}

int main(void) {
  measure(2000, body);
  return 0;
}

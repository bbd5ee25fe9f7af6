// fork and waiting for a child that leaves at once.
#include "common.h"

#include <sys/wait.h>
#include <unistd.h>

static void body(int n) {
  for (int i = 0; i < n; i++) {
    const pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) _exit(0);
    if (waitpid(pid, NULL, 0) != pid) die("wait");
  }
}

int main(void) {
  measure(10, body);
  return 0;
}

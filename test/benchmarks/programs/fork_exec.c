// fork, execve of this small static program, and waiting for it.
#include "common.h"

#include <sys/wait.h>
#include <unistd.h>

static const char* self;

static void body(int n) {
  for (int i = 0; i < n; i++) {
    const pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
      execl(self, self, "child", (char*)NULL);
      _exit(127);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0) die("child");
  }
}

int main(int argc, char** argv) {
  if (argc > 1) return 0;
  self = argv[0];
  measure(10, body);
  return 0;
}

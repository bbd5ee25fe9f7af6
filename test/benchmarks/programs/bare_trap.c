// The bound of odd_call: SIGSYS by seccomp, and a futex to a partner and back, on one CPU,
// with nothing else done. Native only.
#include "common.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile uint32_t* turn;

static long futex(int op, uint32_t value) { return syscall(SYS_futex, turn, op, value, NULL, NULL, 0); }

static void give(uint32_t to) {
  __atomic_store_n(turn, to, __ATOMIC_SEQ_CST);
  futex(FUTEX_WAKE, 1);
  while (__atomic_load_n(turn, __ATOMIC_SEQ_CST) == to) futex(FUTEX_WAIT, to);
}

static void on_trap(int signo) {
  (void)signo;
  give(1);
}

static void body(int n) {
  for (int i = 0; i < n; i++) syscall(SYS_getpgid, 0);
}

int main(void) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof(one), &one);
  turn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (turn == MAP_FAILED) die("mmap");
  const pid_t partner = fork();
  if (partner == 0) {
    while (*turn == 0) futex(FUTEX_WAIT, 0);
    for (;;) give(0);
  }
  struct sigaction action = {.sa_handler = on_trap, .sa_flags = SA_NODEFER};
  sigaction(SIGSYS, &action, NULL);
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) die("seccomp");
  measure(2000, body);
  kill(partner, SIGKILL);
  waitpid(partner, NULL, 0);
  return 0;
}

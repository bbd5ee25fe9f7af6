#!/bin/bash
# Static and odd binaries: no libc at all, static PIE, vfork, clone with its own stack, execveat of a memfd, 32 bit refused.
cat > n.c <<'C'
static long call(long n, long a, long b, long c) { long r; __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory"); return r; }
__attribute__((force_align_arg_pointer)) void _start(void) { call(1, 1, (long)"no libc\n", 8); call(60, 11, 0, 0); }
C
gcc -O1 -nostdlib -static -o n n.c && ./n; echo $?; gcc -O1 -nostdlib -static-pie -fPIE -o np n.c && ./np; echo $?
cat > s.c <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ; static int shared; static int child(void *p) { shared = *(int *)p; return 3; }
int main(int argc, char **argv) {
  if (argc > 1) { printf("executed %s\n", argv[1]); return 8; } setvbuf(stdout, 0, _IONBF, 0); int s, n = 5; pid_t p;
  if (!(p = vfork())) { shared = 1; _exit(2); } waitpid(p, &s, 0); printf("vfork %d %d\n", shared, WEXITSTATUS(s));
  char *stack = malloc(65536); p = clone(child, stack + 65536, CLONE_VM | SIGCHLD, &n); waitpid(p, &s, 0); printf("clone %d %d\n", shared, WEXITSTATUS(s));
  int m = memfd_create("program", 0), f = open("/proc/self/exe", O_RDONLY); char b[65536]; ssize_t r; while ((r = read(f, b, sizeof b)) > 0) write(m, b, r);
  if (!(p = fork())) { syscall(SYS_execveat, m, "", (char *[]){"x", "from a memfd", 0}, environ, AT_EMPTY_PATH); _exit(99); } waitpid(p, &s, 0); printf("memfd %d\n", WEXITSTATUS(s));
  posix_spawn(&p, "/bin/echo", 0, 0, (char *[]){"echo", "spawned", 0}, environ); waitpid(p, &s, 0); printf("system %d\n", WEXITSTATUS(system("exit 4"))); FILE *o = popen("tr a-z A-Z", "w"); fputs("piped\n", o); printf("pclose %d\n", pclose(o));
  prctl(PR_SET_CHILD_SUBREAPER, 1); if (!fork()) { if (!fork()) { usleep(50000); _exit(6); } _exit(0); } int sum = 0; while (wait(&s) > 0) sum += WEXITSTATUS(s); printf("reaped %d\n", sum);
  prctl(PR_SET_NAME, "renamed"); char name[16]; prctl(PR_GET_NAME, name); puts(name); execl("/no/such", "x", NULL); printf("%s\n", strerror(errno)); char big[200000]; memset(big, 'x', sizeof big); big[sizeof big - 1] = 0; execl("/bin/true", "true", big, NULL); printf("%s\n", strerror(errno)); p = fork(); if (!p) { raise(SIGSTOP); _exit(1); } waitpid(p, &s, WUNTRACED); printf("stopped %d\n", WIFSTOPPED(s)); kill(p, SIGKILL); waitpid(p, &s, 0); printf("killed %d\n", WTERMSIG(s)); return 0; }
C
gcc -O1 -w -static -o s s.c && ./s; gcc -O1 -w -o d s.c && ./d | md5sum; printf '\x7fELF\x01\x01\x01' > e; chmod +x e; ./e 2> /dev/null; echo $?; head -c 100 s > cut; chmod +x cut; ./cut 2> /dev/null; echo $?; cp s t; ./t & wait $!; echo x > t 2> /dev/null; echo $?; /lib64/ld-linux-x86-64.so.2 /bin/echo by the loader; ldd d | wc -l

#!/bin/bash
# workload: seconds=120
# C++ with threads, exceptions, thread-local data; C with the calls that libraries make; static and not.
cat > t.cc <<'C'
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <regex>
#include <shared_mutex>
#include <stdexcept>
#include <thread>
#include <vector>
static thread_local int mine = 0;
static int thrower(int n) { if (n % 3 == 0) throw std::runtime_error("three " + std::to_string(n)); return n; }
int main() {
  std::atomic<int> sum{0}; std::mutex m; std::map<int, int> counts;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) threads.emplace_back([&, t] {
    for (int i = 0; i < 3000; ++i) { ++mine; sum += i; try { thrower(i); } catch (const std::exception&) { std::lock_guard l(m); ++counts[t]; } }
    if (mine != 3000) std::puts("thread-local data is shared");
  });
  for (auto& t : threads) t.join();
  std::printf("%d %zu %d\n", sum.load(), counts.size(), counts[3]);
  auto f = std::async(std::launch::async, [] { return thrower(9); });
  try { f.get(); } catch (const std::exception& e) { std::cout << e.what() << std::endl; }
  std::shared_mutex rw; std::condition_variable_any cv; bool ready = false; int value = 0;
  std::thread reader([&] { std::shared_lock l(rw); cv.wait(l, [&] { return ready; }); value = 42; });
  { std::unique_lock l(rw); ready = true; } cv.notify_all(); reader.join(); std::cout << value << "\n";
  std::mutex t; t.lock(); std::timed_mutex tm; tm.lock(); std::thread([&] { std::cout << tm.try_lock_for(std::chrono::milliseconds(20)) << "\n"; }).join();
  std::regex r("([a-z]+)-(\\d+)"); std::smatch match; std::string s = "abc-123"; std::cout << std::regex_match(s, match, r) << match[2] << "\n";
  namespace fs = std::filesystem; fs::create_directories("x/y/z"); std::ofstream("x/y/file") << "data"; std::cout << fs::file_size("x/y/file") << fs::exists("x/no") << fs::remove_all("x") << "\n";
  try { std::vector<int>().at(1); } catch (const std::out_of_range& e) { std::cout << "out of range\n"; }
  try { std::cout << fs::file_size("missing"); } catch (const fs::filesystem_error& e) { std::cout << e.code().message() << "\n"; }
}
C
cat > c.c <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
static sigjmp_buf jump; static volatile int hits; static ucontext_t one, two;
static void on_fault(int n, siginfo_t *i, void *c) { hits++; siglongjmp(jump, n + (i->si_code << 8)); }
static void on_stack(int n) { char here; stack_t s; sigaltstack(0, &s); hits += (char *)s.ss_sp <= &here && &here < (char *)s.ss_sp + s.ss_size ? 100 : 0; }
static void other(void) { puts("in the other context"); swapcontext(&two, &one); }
static void *spin(void *p) { for (;;) pthread_testcancel(); return p; }
static int recurse(int n) { volatile char big[4096]; big[0] = n; return n == 0 ? 0 : big[0] * 0 + 1 + recurse(n - 1); }
int main(void) {
  struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER}; sigaction(SIGSEGV, &a, 0); sigaction(SIGFPE, &a, 0); sigaction(SIGBUS, &a, 0); sigaction(SIGILL, &a, 0); sigaction(SIGTRAP, &a, 0);
  int r; volatile int zero = 0; char *ro = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!(r = sigsetjmp(jump, 1))) *(volatile int *)8 = 1; printf("null %x\n", r);
  if (!(r = sigsetjmp(jump, 1))) ro[0] = 1; printf("read-only %x\n", r);
  if (!(r = sigsetjmp(jump, 1))) printf("%d", 1 / zero); printf("divide %x\n", r);
  if (!(r = sigsetjmp(jump, 1))) __builtin_trap(); printf("trap %x\n", r);
  if (!(r = sigsetjmp(jump, 1))) __asm__ volatile("int3"); printf("int3 %x\n", r);
  if (!(r = sigsetjmp(jump, 1))) *(volatile char *)0xffff800000000000ul = 1; printf("kernel %x\n", r);
  if (!(r = sigsetjmp(jump, 1))) *(volatile char *)0x8000000000000000ul = 1; printf("non-canonical %x\n", r);
  FILE *f = tmpfile(); ftruncate(fileno(f), 4096); char *p = mmap(0, 8192, PROT_READ, MAP_SHARED, fileno(f), 0);
  if (!(r = sigsetjmp(jump, 1))) (void)*(volatile char *)(p + 4096); printf("beyond the end %x\n", r);
  stack_t s = {.ss_sp = malloc(65536), .ss_size = 65536}; sigaltstack(&s, 0); struct sigaction b = {.sa_handler = on_stack, .sa_flags = SA_ONSTACK}; sigaction(SIGUSR1, &b, 0); raise(SIGUSR1); printf("hits %d\n", hits);
  getcontext(&two); two.uc_stack.ss_sp = malloc(65536); two.uc_stack.ss_size = 65536; makecontext(&two, other, 0); swapcontext(&one, &two); puts("back");
  pthread_t t; pthread_create(&t, 0, spin, 0); pthread_cancel(t); void *v; pthread_join(t, &v); printf("cancelled %d\n", v == PTHREAD_CANCELED);
  pthread_mutexattr_t ma; pthread_mutexattr_init(&ma); pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST); pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
  pthread_mutex_t *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); pthread_mutex_init(m, &ma);
  if (!fork()) { pthread_mutex_lock(m); _exit(0); } wait(0); printf("owner died %d\n", pthread_mutex_lock(m) == EOWNERDEAD);
  sem_t *sem = (sem_t *)(m + 4); sem_init(sem, 1, 0); if (!fork()) { sem_post(sem); _exit(0); } printf("semaphore %d\n", sem_wait(sem)); wait(0);
  printf("deep %d\n", recurse(1500)); char *big = malloc(1 << 28); for (size_t i = 0; i < 1 << 28; i += 4096 * 64) big[i] = 1; big = realloc(big, 1 << 29); printf("big %d\n", big[4096 * 64]); free(big);
  struct timespec now, later; clock_gettime(CLOCK_MONOTONIC, &now); nanosleep(&(struct timespec){0, 1000000}, 0); clock_gettime(CLOCK_MONOTONIC, &later); printf("time %d\n", later.tv_sec > now.tv_sec || later.tv_nsec > now.tv_nsec);
  double d = 0; for (int i = 1; i < 100000; i++) d += 1.0 / i; printf("%.15f\n", d); abort();
}
C
g++ -std=c++20 -O1 -pthread t.cc -o t && ./t; gcc -O1 -w -pthread c.c -o c && { ./c; } 2> /dev/null; echo "abort: $?"; gcc -O1 -w -static -pthread c.c -o cs && { ./cs | md5sum; } 2> /dev/null

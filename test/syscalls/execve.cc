// execve and execveat: arguments, scripts, errors, what survives.
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <vector>

#include "test/syscalls/harness/test.h"

TOUCHES("execve", "execveat")

namespace {

using st::Tmp;
using Strings = std::vector<std::string>;

std::vector<char*> Pointers(const Strings& s) {
  std::vector<char*> out;
  for (const std::string& x : s) out.push_back(const_cast<char*>(x.c_str()));
  out.push_back(nullptr);
  return out;
}

int Exec(const std::string& path, const Strings& args, const Strings& env = {}) {
  std::vector<char*> a = Pointers(args), e = Pointers(env);
  return execve(path.c_str(), a.data(), e.data());
}

// Runs the binary's own helper in a child; its standard output.
template <class F>
std::string Output(F run, int code = 0) {
  st::Pipe p;
  pid_t child = st::Spawn([&] {
    MUST(dup2(p.w, 1));
    p.r.reset();
    p.w.reset();
    run();
    _exit(98);
  });
  p.w.reset();
  std::string out = st::ReadAll(p.r);
  EXPECT_EXITED(st::WaitStatus(child), code);
  return out;
}

HELPER(print) {  // all arguments but the first, then the environment
  for (int i = 1; i < argc; i++) dprintf(1, "[%s]", argv[i]);
  for (char** e = environ; *e; e++) dprintf(1, "{%s}", *e);
  return 0;
}

HELPER(auxv) {
  bool ok = getauxval(AT_PAGESZ) == 4096 && getauxval(AT_PHDR) != 0 && getauxval(AT_PHNUM) > 0 &&
            getauxval(AT_ENTRY) != 0 && getauxval(AT_UID) == getuid() && getauxval(AT_SECURE) == 0 &&
            getauxval(AT_CLKTCK) == 100 && getauxval(AT_RANDOM) != 0;
  auto* file = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  dprintf(1, "%s %s", ok ? "ok" : "bad", file ? file : "none");
  return 0;
}

HELPER(state) {  // what an exec keeps and what it resets
  sigset_t m;
  sigprocmask(SIG_BLOCK, nullptr, &m);
  struct sigaction one, two;
  sigaction(SIGUSR1, nullptr, &one);
  sigaction(SIGUSR2, nullptr, &two);
  char name[17] = {};
  prctl(PR_GET_NAME, name);
  dprintf(1, "%d %d %d %d %d %s", sigismember(&m, SIGTERM), one.sa_handler == SIG_DFL, two.sa_handler == SIG_IGN,
          fcntl(70, F_GETFD) >= 0, fcntl(71, F_GETFD) >= 0, name);
  return 0;
}

TEST(Execve, PassesArgumentsAndEnvironment) {
  EXPECT_EQ(Output([] {
              Exec(st::SelfExe(), {"st-helper:print", "a", "", "b c"}, {"X=1", "Y=two"});
            }),
            "[a][][b c]{X=1}{Y=two}");
}

TEST(Execve, AuxiliaryVector) {
  EXPECT_EQ(Output([] { Exec(st::SelfExe(), {"st-helper:auxv"}); }), "ok " + std::string(st::SelfExe()));
}

TEST(Execve, KeepsAndResets) {
  std::string out = Output([] {
    st::BlockSignal(SIGTERM);
    st::OnSignal(SIGUSR1, [](int) {});
    signal(SIGUSR2, SIG_IGN);
    MUST(dup2(0, 70));
    MUST(fcntl(70, F_SETFD, FD_CLOEXEC));
    MUST(dup2(0, 71));
    MUST(symlink(st::SelfExe(), Tmp("a-name").c_str()));
    Exec(Tmp("a-name"), {"st-helper:state"});
  });
  EXPECT_EQ(out, "1 1 1 0 1 a-name");
}

TEST(Execve, PendingSignalsSurvive) {
  EXPECT_EQ(Output([] {
              st::BlockSignal(SIGTERM);
              MUST(raise(SIGTERM));
              Exec(st::SelfExe(), {"st-helper:pending"});
            }),
            "pending");
}

HELPER(pending) {
  sigset_t s;
  sigpending(&s);
  dprintf(1, sigismember(&s, SIGTERM) ? "pending" : "lost");
  return 0;
}

TEST(Execve, KeepsPid) {
  EXPECT_EQ(Output([] { Exec(st::SelfExe(), {"st-helper:pid", std::to_string(getpid())}); }), "same");
}

HELPER(pid) {
  dprintf(1, argc > 1 && atoi(argv[1]) == getpid() ? "same" : "other");
  return 0;
}

TEST(Execve, FileErrors) {
  EXPECT_ERR(Exec(Tmp("none"), {"x"}), ENOENT);
  EXPECT_ERR(Exec("", {"x"}), ENOENT);
  EXPECT_ERR(Exec(Tmp(), {"x"}), EACCES);
  st::WriteFile(Tmp("plain"), "hello", 0644);
  EXPECT_ERR(Exec(Tmp("plain"), {"x"}), EACCES);
  EXPECT_ERR(Exec(Tmp("plain/x"), {"x"}), ENOTDIR);
  st::WriteFile(Tmp("text"), "hello", 0755);
  EXPECT_ERR(Exec(Tmp("text"), {"x"}), ENOEXEC);
  st::WriteFile(Tmp("empty"), "", 0755);
  EXPECT_ERR(Exec(Tmp("empty"), {"x"}), ENOEXEC);
  MUST(symlink("loop", Tmp("loop").c_str()));
  EXPECT_ERR(Exec(Tmp("loop"), {"x"}), ELOOP);
}

TEST(Execve, BrokenElfIsENOEXEC) {
  std::string head = st::ReadFile(st::SelfExe()).substr(0, 64);
  st::WriteFile(Tmp("short"), head.substr(0, 20), 0755);
  EXPECT_ERR(Exec(Tmp("short"), {"x"}), ENOEXEC);
  std::string other = head;
  other[18] = 40;  // another machine
  st::WriteFile(Tmp("arm"), other, 0755);
  EXPECT_ERR(Exec(Tmp("arm"), {"x"}), ENOEXEC);
}

TEST(Execve, MemoryErrors) {
  char* const argv[] = {const_cast<char*>("x"), st::BadAddr(), nullptr};
  char* const none[] = {nullptr};
  EXPECT_ERR(execve(st::SelfExe(), argv, none), EFAULT);
  EXPECT_ERR(execve(st::SelfExe(), st::Bad<char*>(), none), EFAULT);
  EXPECT_ERR(execve(st::Bad<char>(), none, none), EFAULT);
}

TEST(Execve, ArgumentTooLong) {
  std::string big(32 * 4096, 'x');
  EXPECT_ERR(Exec(st::SelfExe(), {"st-helper:pid", big}), E2BIG);
  Strings many(200, std::string(100000, 'y'));
  many[0] = "st-helper:pid";
  EXPECT_ERR(Exec(st::SelfExe(), many), E2BIG);
  EXPECT_EQ(Output([&] { Exec(st::SelfExe(), {"st-helper:pid", big.substr(1)}); }), "other");
}

TEST(Script, RunsInterpreterWithOneArgument) {
  MUST(symlink(st::SelfExe(), Tmp("i").c_str()));
  // The interpreter's argv[0] is its own path, which is no helper: so a script of a script.
  st::WriteFile(Tmp("s"), "#!/bin/sh\necho \"$0|$1|$2\"\n", 0755);
  EXPECT_EQ(Output([] { Exec(Tmp("s"), {"ignored", "one", "two"}); }), Tmp("s") + "|one|two\n");
  st::WriteFile(Tmp("e"), "#! /bin/echo  -n  -x \n", 0755);
  EXPECT_EQ(Output([] { Exec(Tmp("e"), {"ignored", "arg"}); }), "-n  -x " + Tmp("e") + " arg\n");
}

TEST(Script, NestedAndErrors) {
  st::WriteFile(Tmp("in"), "#!/bin/echo inner\n", 0755);
  st::WriteFile(Tmp("out"), "#!" + Tmp("in") + "\n", 0755);
  EXPECT_EQ(Output([] { Exec(Tmp("out"), {"x"}); }), "inner " + Tmp("in") + " " + Tmp("out") + "\n");
  st::WriteFile(Tmp("no"), "#!/none/such\n", 0755);
  EXPECT_ERR(Exec(Tmp("no"), {"x"}), ENOENT);
  st::WriteFile(Tmp("bare"), "#!\n", 0755);
  EXPECT_ERR(Exec(Tmp("bare"), {"x"}), ENOEXEC);
  st::WriteFile(Tmp("loop"), "#!" + Tmp("loop") + "\n", 0755);
  EXPECT_ERR(Exec(Tmp("loop"), {"x"}), ELOOP);
}

TEST(Execveat, DirectoryAndEmptyPath) {
  MUST(symlink(st::SelfExe(), Tmp("link").c_str()));
  Fd dir(MUST(open(Tmp().c_str(), O_RDONLY | O_DIRECTORY)));
  Fd exe(MUST(open(st::SelfExe(), O_RDONLY | O_CLOEXEC)));
  std::vector<char*> a = Pointers({"st-helper:print", "q"}), e = Pointers({});
  EXPECT_EQ(Output([&] { syscall(SYS_execveat, dir.operator int(), "link", a.data(), e.data(), 0); }), "[q]");
  EXPECT_EQ(Output([&] { syscall(SYS_execveat, exe.operator int(), "", a.data(), e.data(), AT_EMPTY_PATH); }), "[q]");
  EXPECT_ERR(syscall(SYS_execveat, dir.operator int(), "link", a.data(), e.data(), AT_SYMLINK_NOFOLLOW), ELOOP);
  EXPECT_ERR(syscall(SYS_execveat, exe.operator int(), "", a.data(), e.data(), 0), ENOENT);
  EXPECT_ERR(syscall(SYS_execveat, st::BadFd(), "x", a.data(), e.data(), 0), EBADF);
  EXPECT_ERR(syscall(SYS_execveat, dir.operator int(), "link", a.data(), e.data(), 1), EINVAL);
}

TEST(Execve, FromAThreadTakesOverThePid) {
  EXPECT_EQ(Output([] {
              st::Pipe never;
              st::Thread other([&] {
                char c;
                MUST(read(never.r, &c, 1));
              });
              st::Thread t([] { Exec(st::SelfExe(), {"st-helper:pid", std::to_string(getpid())}); });
              t.Join();
            }),
            "same");
}

TEST(Execve, SetUidBitGivesOwner) {
  st::NeedRoot();
  MUST(chmod(Tmp().c_str(), 0755));
  st::WriteFile(Tmp("suid"), st::ReadFile(st::SelfExe()), 0755);
  MUST(chown(Tmp("suid").c_str(), 1234, 1234));
  MUST(chmod(Tmp("suid").c_str(), 04755));
  EXPECT_EQ(Output([] {
              st::DropToNobody();
              Exec(Tmp("suid"), {"st-helper:ids"});
            }),
            "65534 1234 1");
}

HELPER(ids) {
  dprintf(1, "%u %u %lu", getuid(), geteuid(), getauxval(AT_SECURE));
  return 0;
}

}  // namespace

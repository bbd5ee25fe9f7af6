// Runs the registered cases. Prints, one line each:
//   RUN  Area.Name
//     file:line: what failed            (any number)
//   PASS Area.Name 3ms | FAIL Area.Name 3ms reason | SKIP Area.Name reason
//   DONE passed=N failed=N skipped=N
#include <dirent.h>
#include <fnmatch.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <set>
#include <vector>

#include "harness/state.h"
#include "harness/test.h"

namespace st {
namespace {

Case* g_cases = nullptr;
Helper* g_helpers = nullptr;
TouchList* g_touches = nullptr;

constexpr char kHelperPrefix[] = "st-helper:";

struct Options {
  std::string filter = "*";
  bool list = false, touches = false, full = false, here = false;
  int timeout_seconds = 20;
};

// The filter is a list of globs, parted by ':' or ','.
bool Matches(const std::string& filter, const std::string& name) {
  size_t at = 0;
  while (at <= filter.size()) {
    size_t end = filter.find_first_of(":,", at);
    if (end == std::string::npos) end = filter.size();
    if (fnmatch(filter.substr(at, end - at).c_str(), name.c_str(), 0) == 0) return true;
    at = end + 1;
  }
  return false;
}

std::string NameOf(const Case* c) { return std::string(c->area) + "." + c->name; }

std::vector<const Case*> Select(const Options& o) {
  std::vector<const Case*> out;
  for (const Case* c = g_cases; c; c = c->next) {
    if ((o.full || !c->full_only) && Matches(o.filter, NameOf(c))) out.push_back(c);
  }
  std::reverse(out.begin(), out.end());  // registration pushed at the front
  std::stable_sort(out.begin(), out.end(),
                   [](const Case* a, const Case* b) { return strcmp(a->area, b->area) < 0; });
  return out;
}

void RemoveTree(const std::string& path) {
  if (DIR* d = opendir(path.c_str())) {
    while (dirent* e = readdir(d)) {
      std::string n = e->d_name;
      if (n == "." || n == "..") continue;
      struct stat s;
      std::string p = path + "/" + n;
      if (lstat(p.c_str(), &s) == 0 && S_ISDIR(s.st_mode)) {
        RemoveTree(p);
      } else {
        unlink(p.c_str());
      }
    }
    closedir(d);
  }
  rmdir(path.c_str());
}

void CleanChildState() {
  setsid();
  for (int s = 1; s < 65; s++) signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  umask(022);
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
}

enum class Verdict { kPass, kFail, kSkip };

Verdict RunCase(const Case* c, const Options& o) {
  std::string name = NameOf(c);
  dprintf(1, "RUN  %s\n", name.c_str());
  memset(g_state, 0, sizeof *g_state);
  g_case_dir = g_run_dir + "/" + name;
  int64_t start = NowNs();
  pid_t pid = o.here ? 0 : fork();
  if (pid < 0) {
    dprintf(1, "FAIL %s 0ms fork: %s\n", name.c_str(), ErrnoName(errno));
    return Verdict::kFail;
  }
  if (pid == 0) {
    CleanChildState();
    c->fn();
    _exit(Failures() ? kFailedExit : 0);
  }
  int status = 0;
  bool timed_out = false;
  for (int nap_us = 200;; nap_us = std::min(nap_us * 2, 10000)) {
    pid_t r = waitpid(pid, &status, WNOHANG);
    if (r == pid) break;
    if (r < 0 && errno != EINTR) {
      status = -1;
      break;
    }
    if (!timed_out && NowNs() - start > o.timeout_seconds * 1000000000LL) {
      timed_out = true;
      kill(-pid, SIGKILL);
      kill(pid, SIGKILL);
    }
    if (timed_out && NowNs() - start > (o.timeout_seconds + 5) * 1000000000LL) break;  // can't be killed
    usleep(nap_us);
  }
  kill(-pid, SIGKILL);
  int ms = static_cast<int>((NowNs() - start) / 1000000);
  while (waitpid(-1, nullptr, WNOHANG) > 0) {  // orphans come here when this is the init process
  }
  RemoveTree(g_case_dir);
  std::string reason;
  if (timed_out) {
    reason = "timed out";
  } else if (WIFEXITED(status) && WEXITSTATUS(status) == kSkippedExit) {
    dprintf(1, "SKIP %s %s\n", name.c_str(), g_state->skip_reason);
    return Verdict::kSkip;
  } else if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && !Failures())) {
    reason = StatusText(status);
  } else if (Failures()) {
    reason = std::to_string(Failures()) + " expectation(s) failed";
  }
  if (reason.empty()) {
    dprintf(1, "PASS %s %dms\n", name.c_str(), ms);
    return Verdict::kPass;
  }
  dprintf(1, "FAIL %s %dms %s\n", name.c_str(), ms, reason.c_str());
  return Verdict::kFail;
}

bool MakeRunDir() {
  const char* base = getenv("TEST_TMPDIR");
  if (!base || !*base || access(base, W_OK | X_OK) != 0) base = "/tmp";
  g_run_dir = std::string(base) + "/syscalls-XXXXXX";
  if (!mkdtemp(g_run_dir.data()) || chmod(g_run_dir.c_str(), 0755) != 0) {
    fprintf(stderr, "syscalls_test: can't make a directory in %s: %s\n", base, strerror(errno));
    return false;
  }
  return true;
}

int Usage(const char* bad) {
  fprintf(stderr,
          "syscalls_test: unknown argument %s\n"
          "usage: syscalls_test [--list] [--touches] [--filter=GLOB[:GLOB]...] [--tier=ci|full] [--timeout=SECONDS]\n"
          "                     [--here]   (--here: no fork, for a debugger; one case)\n",
          bad);
  return 2;
}

bool Value(const char* arg, const char* flag, std::string* out) {
  size_t n = strlen(flag);
  if (strncmp(arg, flag, n) != 0 || arg[n] != '=') return false;
  *out = arg + n + 1;
  return true;
}

int Main(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i++) {
    std::string v;
    if (!strcmp(argv[i], "--list")) {
      o.list = true;
    } else if (!strcmp(argv[i], "--touches")) {
      o.touches = true;
    } else if (!strcmp(argv[i], "--here")) {
      o.here = true;
    } else if (Value(argv[i], "--filter", &v)) {
      o.filter = v;
    } else if (Value(argv[i], "--tier", &v) && (v == "ci" || v == "full")) {
      o.full = v == "full";
    } else if (Value(argv[i], "--timeout", &v) && atoi(v.c_str()) > 0) {
      o.timeout_seconds = atoi(v.c_str());
    } else {
      return Usage(argv[i]);
    }
  }
  std::vector<const Case*> cases = Select(o);
  if (o.touches) {
    std::set<std::string> names;
    for (TouchList* t = g_touches; t; t = t->next) names.insert(t->names, t->names + t->count);
    for (const std::string& n : names) puts(n.c_str());
    return 0;
  }
  if (o.list) {
    for (const Case* c : cases) puts(NameOf(c).c_str());
    return 0;
  }
  g_state = static_cast<SharedState*>(
      mmap(nullptr, sizeof(SharedState), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (g_state == MAP_FAILED) {
    fprintf(stderr, "syscalls_test: no shared memory: %s\n", strerror(errno));
    return 2;
  }
  if (!MakeRunDir()) return 2;
  int count[3] = {};
  for (const Case* c : cases) count[static_cast<int>(RunCase(c, o))]++;
  RemoveTree(g_run_dir);
  dprintf(1, "DONE passed=%d failed=%d skipped=%d\n", count[0], count[1], count[2]);
  return count[1] ? 1 : 0;
}

void FindSelf(const char* argv0) {
  char b[4096];
  ssize_t n = readlink("/proc/self/exe", b, sizeof b - 1);
  if (n > 0) {
    g_self_exe.assign(b, n);
  } else if (char* p = realpath(argv0, nullptr)) {
    g_self_exe = p;
  }
}

}  // namespace

Case::Case(const char* a, const char* n, void (*f)(), bool full) : area(a), name(n), fn(f), full_only(full) {
  next = g_cases;
  g_cases = this;
}
Helper::Helper(const char* n, int (*f)(int, char**)) : name(n), fn(f) {
  next = g_helpers;
  g_helpers = this;
}
TouchList::TouchList(const char* const* n, size_t c) : names(n), count(c) {
  next = g_touches;
  g_touches = this;
}

}  // namespace st

int main(int argc, char** argv) {
  size_t n = strlen(st::kHelperPrefix);
  if (argc > 0 && strncmp(argv[0], st::kHelperPrefix, n) == 0) {
    for (st::Helper* h = st::g_helpers; h; h = h->next) {
      if (!strcmp(h->name, argv[0] + n)) return h->fn(argc, argv);
    }
    return 99;
  }
  st::FindSelf(argc > 0 ? argv[0] : "");
  return st::Main(argc, argv);
}

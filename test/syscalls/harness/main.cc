// The command line of syscalls_test.
#include <fnmatch.h>

#include <algorithm>
#include <set>
#include <vector>

#include "test/syscalls/harness/state.h"
#include "test/syscalls/harness/test.h"

namespace st {
namespace {

Case* g_cases = nullptr;
Helper* g_helpers = nullptr;
TouchList* g_touches = nullptr;

constexpr char kHelperPrefix[] = "st-helper:";

struct Options {
  std::string filter = "*", area = "*", cases_file;
  bool list = false, touches = false, full = false;
  RunOptions run;
};

// Globs, parted by ':' or ','.
bool Matches(const std::string& globs, const std::string& name) {
  size_t at = 0;
  while (at <= globs.size()) {
    size_t end = globs.find_first_of(":,", at);
    if (end == std::string::npos) end = globs.size();
    if (fnmatch(globs.substr(at, end - at).c_str(), name.c_str(), 0) == 0) return true;
    at = end + 1;
  }
  return false;
}

std::set<std::string> Lines(const std::string& path) {
  std::set<std::string> out;
  std::string text = ReadFile(path), line;
  for (char c : text) {
    if (c == '\n') {
      out.insert(line);
      line.clear();
    } else {
      line += c;
    }
  }
  return out;
}

std::vector<const Case*> Select(const Options& o) {
  std::set<std::string> wanted;
  if (!o.cases_file.empty()) wanted = Lines(o.cases_file);
  std::vector<const Case*> out;
  for (const Case* c = g_cases; c; c = c->next) {
    if (c->full_only && !o.full) continue;
    if (!Matches(o.filter, c->Name()) || !Matches(o.area, c->Program())) continue;
    if (!o.cases_file.empty() && wanted.count(c->Name()) == 0) continue;
    out.push_back(c);
  }
  std::reverse(out.begin(), out.end());  // registration pushed at the front
  std::stable_sort(out.begin(), out.end(), [](const Case* a, const Case* b) { return a->Program() < b->Program(); });
  return out;
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
          "usage: syscalls_test [--area=GLOB] [--filter=GLOB[:GLOB]...] [--cases=FILE] [--tier=ci|full]\n"
          "                     [--jobs=N] [--timeout=SECONDS] [--json] [--list] [--touches] [--here]\n"
          "  --area     a file of test/syscalls without .cc; --filter: Area.Name; --cases: names, one a line\n"
          "  --list     print the chosen cases as PROGRAM Area.Name; --touches: system calls with a test\n"
          "  --here     one case in this process, for a debugger\n",
          bad);
  return 2;
}

bool Value(const char* arg, const char* flag, std::string* out) {
  size_t n = strlen(flag);
  if (strncmp(arg, flag, n) != 0 || arg[n] != '=') return false;
  *out = arg + n + 1;
  return true;
}

bool Parse(const char* arg, Options* o) {
  std::string v;
  if (!strcmp(arg, "--list")) {
    o->list = true;
  } else if (!strcmp(arg, "--touches")) {
    o->touches = true;
  } else if (!strcmp(arg, "--here")) {
    o->run.here = true;
  } else if (!strcmp(arg, "--json")) {
    o->run.json = true;
  } else if (Value(arg, "--filter", &o->filter) || Value(arg, "--area", &o->area) ||
             Value(arg, "--cases", &o->cases_file)) {
  } else if (Value(arg, "--tier", &v) && (v == "ci" || v == "full")) {
    o->full = v == "full";
  } else if (Value(arg, "--timeout", &v) && atoi(v.c_str()) > 0) {
    o->run.timeout_seconds = atoi(v.c_str());
  } else if (Value(arg, "--jobs", &v) && atoi(v.c_str()) > 0) {
    o->run.jobs = std::min(atoi(v.c_str()), 64);
  } else {
    return false;
  }
  return true;
}

int Main(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; i++) {
    if (!Parse(argv[i], &o)) return Usage(argv[i]);
  }
  std::vector<const Case*> cases = Select(o);
  if (o.touches) {
    std::set<std::string> names;
    for (TouchList* t = g_touches; t; t = t->next) names.insert(t->names, t->names + t->count);
    for (const std::string& n : names) puts(n.c_str());
    return 0;
  }
  if (o.list) {
    for (const Case* c : cases) printf("%s %s\n", c->Program().c_str(), c->Name().c_str());
    return 0;
  }
  for (int fd = 3; fd < 256; fd++) close(fd);  // cases count on a bare table of descriptors
  if (!MakeRunDir()) return 2;
  Counts n = RunCases(cases.data(), cases.size(), o.run);
  RemoveTree(g_run_dir);
  dprintf(1,
          o.run.json ? "{\"done\":true,\"passed\":%d,\"failed\":%d,\"skipped\":%d}\n"
                     : "%d passed, %d failed, %d skipped\n",
          n.passed, n.failed, n.skipped);
  return n.failed ? 1 : 0;
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

Case::Case(const char* file_path, const char* a, const char* n, void (*f)(), bool full)
    : file(file_path), area(a), name(n), fn(f), full_only(full) {
  next = g_cases;
  g_cases = this;
}
std::string Case::Program() const {
  const char* slash = strrchr(file, '/');
  std::string base = slash ? slash + 1 : file;
  return base.substr(0, base.rfind('.'));
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

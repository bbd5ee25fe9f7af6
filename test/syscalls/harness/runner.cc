// Runs cases, each in a forked child that leads its own session.
#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "test/syscalls/harness/state.h"
#include "test/syscalls/harness/test.h"

namespace st {
namespace {

struct Job {
  const Case* test = nullptr;
  pid_t pid = -1;
  int64_t start = 0;
  bool timed_out = false;
  SharedState* state = nullptr;

  std::string Dir() const { return g_run_dir + "/" + test->Name(); }
  std::string OutputPath() const { return g_run_dir + "/" + test->Name() + ".out"; }
};

void BecomeCase(const Job& job) {
  setsid();
  for (int s = 1; s < 65; s++) signal(s, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  umask(022);
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  int in = open("/dev/null", O_RDONLY);
  if (in >= 0 && in != 0) {
    dup2(in, 0);
    close(in);
  }
  int out = open(job.OutputPath().c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  if (out >= 0) {
    dup2(out, 1);
    dup2(out, 2);
    if (out > 2) close(out);
  }
}

[[noreturn]] void RunHere(const Case& c) {
  c.fn();
  _exit(Failures() ? kFailedExit : 0);
}

bool Start(Job* job, const Case* c, const RunOptions& o) {
  job->test = c;
  job->timed_out = false;
  memset(job->state, 0, sizeof *job->state);
  g_state = job->state;
  g_case_dir = job->Dir();
  ReportStart(o, *c);
  job->start = NowNs();
  job->pid = fork();
  if (job->pid == 0) {
    BecomeCase(*job);
    RunHere(*c);
  }
  return job->pid > 0;
}

std::string Head(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(4000, '\0');
  ssize_t n = fd < 0 ? 0 : read(fd, text.data(), text.size());
  text.resize(n > 0 ? n : 0);
  return text;
}

Result Judge(const Job& job, int status) {
  Result r;
  int failures = __atomic_load_n(&job.state->failures, __ATOMIC_SEQ_CST);
  r.ms = static_cast<int>((NowNs() - job.start) / 1000000);
  r.output = Head(job.OutputPath());
  if (job.timed_out) {
    r.reason = "timed out";
  } else if (WIFEXITED(status) && WEXITSTATUS(status) == kSkippedExit) {
    r.verdict = Result::Verdict::kSkip;
    r.reason = job.state->skip_reason;
  } else if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && failures == 0)) {
    r.reason = StatusText(status);
  } else if (failures > 0) {
    r.reason = std::to_string(failures) + " expectation(s) failed";
  } else {
    r.verdict = Result::Verdict::kPass;
  }
  return r;
}

class Pool {
 public:
  explicit Pool(const RunOptions& o) : options_(o), jobs_(o.jobs) {
    for (Job& j : jobs_) j.state = SharedValue<SharedState>();
  }

  Counts Run(const Case* const* cases, size_t count) {
    size_t next = 0;
    int nap_us = 200;
    for (;;) {
      for (Job& j : jobs_) {
        if (j.pid < 0 && next < count && !Start(&j, cases[next++], options_)) {
          Note(j, Result{Result::Verdict::kFail, 0, std::string("fork: ") + ErrnoName(errno), ""});
        }
      }
      if (Idle() && next >= count) return counts_;
      nap_us = Reap() ? 200 : std::min(nap_us * 2, 5000);
      KillLate();
      if (nap_us > 200) usleep(nap_us);
    }
  }

 private:
  bool Idle() const {
    return std::all_of(jobs_.begin(), jobs_.end(), [](const Job& j) { return j.pid < 0; });
  }

  // Also takes orphans, which come here where this is the init process.
  bool Reap() {
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return false;
    for (Job& j : jobs_) {
      if (j.pid == pid) Finish(&j, status);
    }
    return true;
  }

  void Finish(Job* j, int status) {
    kill(-j->pid, SIGKILL);
    Result r = Judge(*j, status);
    RemoveTree(j->Dir());
    unlink(j->OutputPath().c_str());
    Note(*j, r);
    j->pid = -1;
  }

  void KillLate() {
    int64_t limit = options_.timeout_seconds * 1000000000LL;
    for (Job& j : jobs_) {
      if (j.pid < 0 || NowNs() - j.start < limit) continue;
      if (!j.timed_out) {
        j.timed_out = true;
        kill(-j.pid, SIGKILL);
        kill(j.pid, SIGKILL);
      } else if (NowNs() - j.start > limit + 5000000000LL) {  // it does not die
        Finish(&j, 0);
      }
    }
  }

  void Note(const Job& j, const Result& r) {
    if (r.verdict == Result::Verdict::kPass) counts_.passed++;
    if (r.verdict == Result::Verdict::kFail) counts_.failed++;
    if (r.verdict == Result::Verdict::kSkip) counts_.skipped++;
    ReportResult(options_, *j.test, r);
  }

  RunOptions options_;
  std::vector<Job> jobs_;
  Counts counts_;
};

}  // namespace

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

Counts RunCases(const Case* const* cases, size_t count, const RunOptions& o) {
  if (o.here) {
    if (count == 0) return {};
    g_state = SharedValue<SharedState>();
    g_case_dir = g_run_dir + "/" + cases[0]->Name();
    RunHere(*cases[0]);
  }
  return Pool(o).Run(cases, count);
}

}  // namespace st

// What concerns a cgroup and all below it: its processes, its removal.
#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/cgroup/files.h"

namespace runsc::cgroup {
namespace {

constexpr int kMaxDepth = 64;  // the kernel's cgroup.max.depth may be higher; ours never are
constexpr int kBusyTries = 10;

absl::StatusOr<std::vector<std::string>> Children(const std::string& dir) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(dir.c_str()), closedir);
  if (stream == nullptr) return ErrnoError(errno, absl::StrCat("open ", dir));
  while (const dirent* entry = readdir(stream.get())) {
    const absl::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.push_back(absl::StrCat(dir, "/", name));
  }
  return names;
}

absl::Status AppendBelow(const std::string& dir, int depth, std::vector<pid_t>& pids) {
  const auto own = ProcessesOf(dir);
  if (!own.ok()) return own.status();
  pids.insert(pids.end(), own->begin(), own->end());
  if (depth == kMaxDepth) return absl::OkStatus();
  const auto children = Children(dir);
  if (!children.ok()) return children.status();
  for (const std::string& child : *children) {
    // It may be removed meanwhile, with its processes gone.
    if (absl::Status s = AppendBelow(child, depth + 1, pids); !s.ok() && !IsMissing(s)) return s;
  }
  return absl::OkStatus();
}

// 0: gone; else errno.
int Rmdir(const std::string& dir, int tries) {
  for (useconds_t pause = 1000;; pause *= 2, --tries) {
    if (rmdir(dir.c_str()) == 0 || errno == ENOENT) return 0;
    if (errno == EINTR) continue;
    if (errno != EBUSY || tries <= 1) return errno;
    usleep(pause);
  }
}

absl::Status Remove(const std::string& dir, int depth) {
  if (Rmdir(dir, 1) == 0) return absl::OkStatus();
  const auto children = Children(dir);
  if (!children.ok()) return IsMissing(children.status()) ? absl::OkStatus() : children.status();
  for (const std::string& child : *children) {
    if (depth == kMaxDepth) break;
    if (absl::Status s = Remove(child, depth + 1); !s.ok()) return s;
  }
  const int error = Rmdir(dir, kBusyTries);
  return error == 0 ? absl::OkStatus() : ErrnoError(error, absl::StrCat("rmdir ", dir));
}

}  // namespace

absl::StatusOr<std::vector<pid_t>> ProcessesOf(const std::string& dir) {
  auto text = ReadFile(dir, "cgroup.procs");
  // A threaded cgroup lists threads only.
  if (!text.ok() && ErrnoOf(text.status()) == EOPNOTSUPP) text = ReadFile(dir, "cgroup.threads");
  if (!text.ok()) return text.status();
  std::vector<pid_t> pids;
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    pid_t pid;
    if (!absl::SimpleAtoi(line, &pid)) {
      return absl::InvalidArgumentError(absl::StrCat("read ", dir, "/cgroup.procs: \"", line, "\" is no pid"));
    }
    // 0 is a process of another pid namespace, which nobody here can name.
    if (pid > 0) pids.push_back(pid);
  }
  return pids;
}

absl::StatusOr<std::vector<pid_t>> ProcessesBelow(const std::string& dir) {
  std::vector<pid_t> pids;
  if (absl::Status s = AppendBelow(dir, 0, pids); !s.ok()) return s;
  return pids;
}

absl::Status RemoveCgroup(const std::string& dir) { return Remove(dir, 0); }

}  // namespace runsc::cgroup

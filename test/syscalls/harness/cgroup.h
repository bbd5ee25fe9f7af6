// Control groups, version 2, for cases: each works in a group of its own below the mount's top.
#pragma once

#include <functional>
#include <sstream>

#include "test/syscalls/harness/test.h"

namespace st {

// Where the hierarchy of version 2 is mounted, or "".
inline std::string Top() {
  std::istringstream mounts(ReadFile("/proc/self/mountinfo"));
  std::string line, mount;
  while (std::getline(mounts, line)) {
    const size_t type = line.find(" - cgroup2 ");
    if (type == std::string::npos) continue;
    std::istringstream fields(line);
    std::string skip;
    fields >> skip >> skip >> skip >> skip >> mount;
  }
  return mount;
}

// The caller's own group there.
inline std::string OwnGroup() {
  const std::string mount = Top();
  const std::string own = ReadFile("/proc/self/cgroup");
  const size_t at = own.find("0::");
  if (mount.empty() || at == std::string::npos) return "";
  std::string path = own.substr(at + 3, own.find('\n', at) - at - 3);
  return mount + (path == "/" ? "" : path);
}

inline bool WriteText(const std::string& path, const std::string& text) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd >= 0 && write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

inline long WriteCall(const std::string& path, const std::string& text) {
  Fd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd < 0 ? -1 : write(fd, text.data(), text.size());
}

inline bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline long KeyValue(const std::string& text, const std::string& key) {
  const size_t at = ("\n" + text).find("\n" + key + " ");
  return at == std::string::npos ? -1 : atol(text.c_str() + at + key.size() + 1);
}

// Out of the top, into a group beside, as a container's init would have it: whoever is in the top may be moved by
// another case (NeedController), and its children must not be.
inline void LeaveTop(const std::string& top) {
  const std::string beside = top + "/st-init";
  if (mkdir(beside.c_str(), 0755) == 0 || errno == EEXIST) (void)WriteText(beside + "/cgroup.procs", "0");
}

// A group for the case, gone with it.
class Group {
 public:
  explicit Group(const std::string& name = "") {
    NeedRoot();
    const std::string top = Top();
    if (top.empty()) SKIP("no cgroup2 is mounted");
    LeaveTop(top);
    path_ = top + "/st-" + std::to_string(getpid()) + name;
    if (mkdir(path_.c_str(), 0755) != 0) SKIP("no control groups can be made here");
  }
  Group(const Group&) = delete;
  ~Group() {
    (void)WriteText(path_ + "/cgroup.kill", "1");
    WaitUntil([this] { return rmdir(path_.c_str()) == 0 || errno != EBUSY; });
  }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline bool HasWord(const std::string& text, const std::string& word) {
  std::istringstream words(text);
  for (std::string each; words >> each;) {
    if (each == word) return true;
  }
  return false;
}

// Before there is a Group: the controller for it. Skips where it can't be had. Where the top is a container's,
// processes are in the way: they move to a group beside.
inline void NeedController(const std::string& name) {
  NeedRoot();
  const std::string top = Top(), control = top + "/cgroup.subtree_control";
  if (top.empty()) SKIP("no cgroup2 is mounted");
  if (!HasWord(ReadFile(top + "/cgroup.controllers"), name)) SKIP("the controller is not in this hierarchy");
  LeaveTop(top);
  const auto passed_on = [&] {
    if (HasWord(ReadFile(control), name) || WriteText(control, "+" + name)) return true;
    std::istringstream pids(ReadFile(top + "/cgroup.procs"));
    for (std::string pid; pids >> pid;) (void)WriteText(top + "/st-init/cgroup.procs", pid);
    return false;
  };
  if (!WaitUntil(passed_on)) SKIP("the controller can't be passed on here");
}

// A child that joins the group first.
inline pid_t SpawnIn(const Group& group, const std::function<void()>& fn) {
  return Spawn([&] {
    MUST(WriteCall(group / "cgroup.procs", "0"));
    fn();
  });
}

}  // namespace st

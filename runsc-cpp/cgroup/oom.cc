#include "runsc-cpp/cgroup/oom.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/files.h"

namespace runsc::cgroup {

using base::UniqueFd;

absl::StatusOr<uint64_t> OomKillsV1(const std::string& dir) { return ReadKey(dir, "memory.oom_control", "oom_kill"); }
absl::StatusOr<uint64_t> OomKillsV2(const std::string& dir) { return ReadKey(dir, "memory.events", "oom_kill"); }

absl::StatusOr<OomWatch> OomWatch::StartV1(const std::string& dir) {
  const std::string path = dir + "/memory.oom_control";
  UniqueFd control(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!control) return ErrnoError(errno, absl::StrCat("open ", path));
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return ErrnoError(errno, "eventfd");
  if (absl::Status s = WriteFile(dir, "cgroup.event_control", absl::StrCat(event.get(), " ", control.get())); !s.ok()) {
    return s;
  }
  OomWatch watch(dir, std::move(event));
  watch.oom_control_ = std::move(control);
  return watch;
}

absl::StatusOr<OomWatch> OomWatch::StartV2(const std::string& dir) {
  UniqueFd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return ErrnoError(errno, "inotify_init1");
  for (const char* name : {"memory.events", "cgroup.events"}) {
    const std::string path = absl::StrCat(dir, "/", name);
    if (inotify_add_watch(fd.get(), path.c_str(), IN_MODIFY | IN_DELETE_SELF) < 0) {
      return ErrnoError(errno, absl::StrCat("inotify_add_watch of ", path));
    }
  }
  const auto kills = OomKillsV2(dir);
  if (!kills.ok()) return kills.status();
  OomWatch watch(dir, std::move(fd));
  watch.kind_ = Kind::kInotify;
  watch.kills_ = *kills;
  return watch;
}

absl::StatusOr<OomEvent> OomWatch::Read() { return kind_ == Kind::kEventfd ? ReadV1() : ReadV2(); }

absl::StatusOr<OomEvent> OomWatch::ReadV1() {
  uint64_t count;
  if (read(fd_.get(), &count, sizeof count) != sizeof count) {
    if (errno == EAGAIN || errno == EINTR) return OomEvent::kNothing;
    return ErrnoError(errno, "read the eventfd of memory.oom_control");
  }
  // The removal of a cgroup wakes its listeners too.
  return Exists(dir_ + "/cgroup.event_control") ? OomEvent::kOom : OomEvent::kGone;
}

absl::StatusOr<OomEvent> OomWatch::ReadV2() {
  alignas(inotify_event) char events[4096];
  ssize_t n;
  do {
    n = read(fd_.get(), events, sizeof events);
  } while (n > 0 || (n < 0 && errno == EINTR));
  if (n < 0 && errno != EAGAIN) return ErrnoError(errno, "read inotify events");
  const auto kills = OomKillsV2(dir_);
  if (kills.ok() && *kills > kills_) {
    kills_ = *kills;
    return OomEvent::kOom;
  }
  const auto populated = ReadKey(dir_, "cgroup.events", "populated");
  if (!populated.ok()) {
    const int error = ErrnoOf(populated.status());
    if (error == ENOENT || error == ENODEV) return OomEvent::kGone;
    return populated.status();
  }
  return *populated == 0 ? OomEvent::kGone : OomEvent::kNothing;
}

}  // namespace runsc::cgroup

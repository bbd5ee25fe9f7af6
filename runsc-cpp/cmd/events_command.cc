// events: what a container uses, again and again, and when its memory was out; a line of JSON each, as runc's.
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "runsc-cpp/cmd/command.h"
#include "runsc-cpp/cmd/oci_command.h"
#include "runsc-cpp/container/cgroup_record.h"
#include "runsc-cpp/container/measure.h"
#include "runsc-cpp/container/state.h"

namespace runsc {
namespace {

absl::Status PrintStats(const RuntimeOptions& runtime, const ContainerRecord& record) {
  const absl::StatusOr<oci::Stats> stats = MeasureContainer(runtime, record);
  if (!stats.ok()) return stats.status();
  Print(oci::StatsEvent(record.id(), *stats));
  return absl::OkStatus();
}

absl::StatusOr<base::UniqueFd> StartTimer(absl::Duration interval) {
  base::UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  const timespec each = absl::ToTimespec(interval);
  const itimerspec times{each, each};
  if (!timer.valid() || timerfd_settime(timer.get(), 0, &times, nullptr) != 0) {
    return absl::ErrnoToStatus(errno, "start a timer");
  }
  return timer;
}

std::optional<cgroup::OomWatch> WatchMemory(const RuntimeOptions& runtime, const ContainerRecord& record) {
  const absl::StatusOr<std::optional<cgroup::Cgroup>> cgroup = CgroupOf(runtime, record);
  absl::Status status = cgroup.status();
  if (cgroup.ok() && cgroup->has_value()) {
    absl::StatusOr<cgroup::OomWatch> watch = (*cgroup)->WatchOom();
    if (watch.ok()) return *std::move(watch);
    status = watch.status();
  }
  if (!status.ok()) runtime.warn(absl::StrCat("no news of memory: ", status.message()));
  return std::nullopt;
}

// Until the container ends.
absl::Status Follow(const RuntimeOptions& runtime, const ContainerRecord& record, absl::Duration interval) {
  const base::UniqueFd anchor(static_cast<int>(syscall(SYS_pidfd_open, record.anchor().pid(), 0)));
  const absl::StatusOr<base::UniqueFd> timer = StartTimer(interval);
  if (!timer.ok()) return timer.status();
  std::optional<cgroup::OomWatch> memory = WatchMemory(runtime, record);
  while (StatusOf(record) != ContainerStatus::kStopped) {
    pollfd fds[] = {{anchor.get(), POLLIN, 0}, {timer->get(), POLLIN, 0}, {memory ? memory->fd() : -1, POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) continue;
    if (fds[2].revents != 0) {
      const absl::StatusOr<cgroup::OomEvent> event = memory->Read();
      if (event.ok() && *event == cgroup::OomEvent::kOom) Print(oci::OomEvent(record.id()));
      if (!event.ok() || *event == cgroup::OomEvent::kGone) memory.reset();
    }
    if (fds[0].revents != 0) break;
    uint64_t ticks;
    if (fds[1].revents == 0 || read(timer->get(), &ticks, sizeof ticks) != sizeof ticks) continue;
    if (absl::Status s = PrintStats(runtime, record); !s.ok()) runtime.warn(std::string(s.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> Events(const RuntimeOptions& runtime, const ParsedFlags& flags) {
  const std::string text = flags.Value("interval", "5s");
  absl::Duration interval;
  if (!absl::ParseDuration(text, &interval)) {
    return absl::InvalidArgumentError(absl::StrCat("--interval: \"", text, "\" is no duration, such as 5s or 500ms"));
  }
  if (interval <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("duration interval must be greater than 0");
  }
  const std::string& id = flags.words()[0];
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(id);
  if (!record.ok()) return record.status();
  if (StatusOf(*record) == ContainerStatus::kStopped) {
    return absl::FailedPreconditionError(absl::StrCat("container with id ", id, " is not running"));
  }
  const absl::Status status = flags.Switch("stats") ? PrintStats(runtime, *record) : Follow(runtime, *record, interval);
  if (!status.ok()) return status;
  return 0;
}

}  // namespace

OciCommand EventsOciCommand() {
  return {.name = "events",
          .flags = {{"interval", "", FlagKind::kValue}, {"stats", "", FlagKind::kSwitch}},
          .least_words = 1,
          .most_words = 1,
          .usage = "[--stats] [--interval DURATION] ID",
          .run = Events};
}

}  // namespace runsc

#include "runsc-cpp/container/ending.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/container/cgroup_record.h"
#include "runsc-cpp/container/process_ref.h"

namespace runsc {
namespace {

constexpr int kKilledCode = 137;
constexpr off_t kLogTail = 1024;

int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

PostMortems FolderOf(const RuntimeOptions& runtime) {
  if (!runtime.post_mortems.empty()) return PostMortems(runtime.post_mortems);
  return PostMortems(absl::StrCat(runtime.root.path(), "/", kEndedFolder));
}

std::string LogTail(const RuntimeOptions& runtime, const ContainerRecord& record) {
  const std::string path = absl::StrCat(runtime.root.Directory(record.sandbox()), "/log");
  const base::UniqueFd log(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat st;
  if (!log.valid() || fstat(log.get(), &st) != 0) return "";
  char text[kLogTail];
  const ssize_t n = pread(log.get(), text, sizeof text, std::max<off_t>(st.st_size - kLogTail, 0));
  std::string tail(text, n > 0 ? static_cast<size_t>(n) : 0);
  if (st.st_size > kLogTail) tail.erase(0, tail.find('\n') + 1);  // the part of a line
  return tail;
}

// The anchor had no time to say.
PostMortem Guess(const ContainerRecord& record, ContainerStatus status) {
  PostMortem end;
  end.set_code(kKilledCode);
  end.set_ended_ns(NowNs());
  if (record.boot_id() != BootId()) {
    end.set_cause(PostMortem::REBOOT);
  } else if (status == ContainerStatus::kCreating || status == ContainerStatus::kCreated) {
    end.set_cause(PostMortem::NOT_STARTED);
    end.set_text("it was deleted first");
  } else {
    end.set_cause(status == ContainerStatus::kStopped ? PostMortem::ANCHOR_KILLED : PostMortem::DELETED);
  }
  return end;
}

void Keep(const RuntimeOptions& runtime, const PostMortem& end) {
  if (absl::Status s = FolderOf(runtime).Keep(end); !s.ok()) runtime.debug(std::string(s.message()));
}

}  // namespace

PostMortem EndOf(const RuntimeOptions& runtime, const ContainerRecord& record, ContainerStatus status) {
  absl::StatusOr<PostMortem> written = ReadPostMortem(absl::StrCat(runtime.root.Directory(record.id()), "/", kEndFile));
  PostMortem end = written.ok() ? *std::move(written) : Guess(record, status);
  end.set_id(record.id());
  end.set_created_ns(record.created_ns());
  if (end.cause() != PostMortem::ENDED && end.cause() != PostMortem::DELETED)
    end.set_log_tail(LogTail(runtime, record));
  const absl::StatusOr<std::optional<cgroup::Cgroup>> cgroup = CgroupOf(runtime, record);
  if (!cgroup.ok() || !cgroup->has_value()) return end;
  if (const absl::StatusOr<uint64_t> kills = (*cgroup)->OomKills(); kills.ok()) end.set_host_oom_kills(*kills);
  return end;
}

absl::StatusOr<PostMortem> FindEnd(const RuntimeOptions& runtime, const std::string& id) {
  if (absl::Status s = CheckId(id); !s.ok()) return s;
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(id);
  if (record.ok()) {
    const ContainerStatus status = StatusOf(*record);
    if (status == ContainerStatus::kStopped) return EndOf(runtime, *record, status);
    return absl::FailedPreconditionError(absl::StrCat("container has not ended: ", StatusWord(status)));
  }
  absl::StatusOr<PostMortem> kept = FolderOf(runtime).Find(id);
  return kept.ok() || !absl::IsNotFound(kept.status()) ? std::move(kept) : record.status();
}

void KeepEnd(const RuntimeOptions& runtime, const ContainerRecord& record, ContainerStatus status) {
  Keep(runtime, EndOf(runtime, record, status));
}

void KeepFailure(const RuntimeOptions& runtime, const std::string& id, const absl::Status& error) {
  // A name that is another container's, or none.
  if (!CheckId(id).ok() || absl::IsAlreadyExists(error) || access(runtime.root.path().c_str(), F_OK) != 0) return;
  PostMortem end;
  end.set_id(id);
  end.set_cause(PostMortem::NOT_STARTED);
  end.set_text(std::string(error.message()));
  end.set_ended_ns(NowNs());
  end.set_code(1);
  Keep(runtime, end);
}

absl::StatusOr<int> AwaitContainer(const RuntimeOptions& runtime, const std::string& id) {
  const absl::StatusOr<ContainerRecord> record = runtime.root.Load(id);
  if (!record.ok()) return record.status();
  const base::UniqueFd anchor(static_cast<int>(syscall(SYS_pidfd_open, record->anchor().pid(), 0)));
  // Looked at after the pidfd is there: the number is not another's.
  while (StatusOf(*record) != ContainerStatus::kStopped) {
    pollfd end{anchor.get(), POLLIN, 0};
    if (poll(&end, 1, anchor.valid() ? -1 : 100) < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
  }
  const PostMortem end = EndOf(runtime, *record, ContainerStatus::kStopped);
  // Deleted meanwhile: its end is kept elsewhere.
  if (end.cause() == PostMortem::ANCHOR_KILLED && !runtime.root.Exists(id)) {
    const absl::StatusOr<PostMortem> kept = FolderOf(runtime).Find(id);
    if (kept.ok() && kept->created_ns() == record->created_ns()) return kept->code();
  }
  return end.code();
}

}  // namespace runsc

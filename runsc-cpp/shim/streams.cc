#include "runsc-cpp/shim/streams.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runsc-cpp/shim/logger.h"

namespace runsc::shim {
namespace {

void SetNonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

absl::StatusOr<std::array<base::UniqueFd, 2>> MakePipe(const StreamOwner& owner) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  std::array<base::UniqueFd, 2> ends = {base::UniqueFd(fds[0]), base::UniqueFd(fds[1])};
  if (owner.uid != 0 || owner.gid != 0) {
    for (const base::UniqueFd& end : ends) (void)!fchown(end.get(), owner.uid, owner.gid);
  }
  return ends;
}

bool IsFifo(int fd) {
  struct stat st;
  return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

base::UniqueFd Duplicate(const base::UniqueFd& fd) { return base::UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)); }

}  // namespace

absl::Status Streams::OpenInput(const std::string& path, const StreamOwner& owner) {
  if (path.empty()) return absl::OkStatus();
  base::UniqueFd in(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!in.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open stdin ", path));
  if (!IsFifo(in.get())) {
    theirs_[0] = std::move(in);
    return absl::OkStatus();
  }
  input_keeper_.reset(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  outside_[0] = std::move(in);
  if (terminal_) return absl::OkStatus();
  absl::StatusOr<std::array<base::UniqueFd, 2>> ends = MakePipe(owner);
  if (!ends.ok()) return ends.status();
  theirs_[0] = std::move((*ends)[0]);
  ours_[0] = std::move((*ends)[1]);
  return absl::OkStatus();
}

absl::Status Streams::OpenOutput(const std::string& path, size_t number, const StreamOwner& owner) {
  if (path.empty()) return absl::OkStatus();
  const bool file = absl::StartsWith(path, "file://");
  const std::string name(absl::StripPrefix(path, "file://"));
  // A FIFO is opened for reading too: the writer needs no reader then, neither now nor while containerd restarts.
  const int flags = (file ? O_WRONLY | O_APPEND | O_CREAT : O_RDWR | O_APPEND) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  outside_[number].reset(open(name.c_str(), flags, 0644));
  if (!outside_[number].valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  if (terminal_) return absl::OkStatus();
  absl::StatusOr<std::array<base::UniqueFd, 2>> ends = MakePipe(owner);
  if (!ends.ok()) return ends.status();
  theirs_[number] = std::move((*ends)[1]);
  ours_[number] = std::move((*ends)[0]);
  return absl::OkStatus();
}

absl::Status Streams::OpenLogger(const StreamPaths& paths, const StreamOwner& owner) {
  std::array<base::UniqueFd, 2> logger;
  for (const size_t number : {1u, 2u}) {
    absl::StatusOr<std::array<base::UniqueFd, 2>> ends = MakePipe(owner);
    if (!ends.ok()) return ends.status();
    logger[number - 1] = std::move((*ends)[0]);
    // A terminal's output is copied to it, other output goes there directly.
    (terminal_ ? outside_ : theirs_)[number] = std::move((*ends)[1]);
  }
  if (terminal_) SetNonblocking(outside_[1].get());
  return StartLogger(paths.out, owner.id, owner.space, logger[0].get(), logger[1].get());
}

absl::StatusOr<std::unique_ptr<Streams>> Streams::Open(Loop& loop, const StreamPaths& paths, const StreamOwner& owner) {
  std::unique_ptr<Streams> streams(new Streams(loop));
  streams->terminal_ = paths.terminal;
  if (absl::Status s = streams->OpenInput(paths.in, owner); !s.ok()) return s;
  if (absl::StartsWith(paths.out, "binary://")) {
    if (absl::Status s = streams->OpenLogger(paths, owner); !s.ok()) return s;
    return streams;
  }
  if (absl::Status s = streams->OpenOutput(paths.out, 1, owner); !s.ok()) return s;
  if (!paths.terminal) {
    if (absl::Status s = streams->OpenOutput(paths.err, 2, owner); !s.ok()) return s;
  }
  return streams;
}

std::vector<int> Streams::ForCommand() const {
  if (terminal_) return {-1, -1, -1};
  return {theirs_[0].get(), theirs_[1].get(), theirs_[2].get()};
}

absl::Status Streams::Start(base::UniqueFd master) {
  for (base::UniqueFd& fd : theirs_) fd.reset();
  if (terminal_) {
    master_ = std::move(master);
    SetNonblocking(master_.get());
    if (outside_[0].valid()) ours_[0] = Duplicate(master_);
    ours_[1] = Duplicate(master_);
    if (!outside_[1].valid()) outside_[1].reset(open("/dev/null", O_WRONLY | O_CLOEXEC));
  }
  for (size_t i = 0; i < copiers_.size(); ++i) {
    if (!ours_[i].valid() || !outside_[i].valid()) continue;
    SetNonblocking(ours_[i].get());
    base::UniqueFd& from = i == 0 ? outside_[i] : ours_[i];
    base::UniqueFd& to = i == 0 ? ours_[i] : outside_[i];
    copiers_[i] = std::make_unique<Copier>(loop_, std::move(from), std::move(to), [this] { Copied(); });
    copiers_[i]->Start();
  }
  return absl::OkStatus();
}

void Streams::Resize(uint32_t width, uint32_t height) const {
  winsize size = {};
  size.ws_col = static_cast<uint16_t>(width);
  size.ws_row = static_cast<uint16_t>(height);
  if (master_.valid()) ioctl(master_.get(), TIOCSWINSZ, &size);
}

void Streams::Copied() {
  for (const size_t output : {1u, 2u}) {
    if (copiers_[output] != nullptr && copiers_[output]->running()) return;
  }
  const std::vector<std::function<void()>> actions = std::exchange(when_copied_, {});
  for (const std::function<void()>& action : actions) action();
}

void Streams::WhenCopied(std::function<void()> action) {
  when_copied_.push_back(std::move(action));
  Copied();
}

void Streams::Close() {
  for (std::unique_ptr<Copier>& copier : copiers_) {
    if (copier != nullptr) copier->Stop();
  }
  for (auto* fds : {&theirs_, &ours_, &outside_}) {
    for (base::UniqueFd& fd : *fds) fd.reset();
  }
  input_keeper_.reset();
  master_.reset();
}

}  // namespace runsc::shim

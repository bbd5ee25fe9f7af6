// Post-mortems as files.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"
#include "runsc-cpp/postmortem/post_mortem.h"

namespace runsc {
namespace {

constexpr size_t kMostBytes = 16 << 10;
constexpr size_t kMostText = 2 << 10;
// When there are too many, so many go at once: not each end looks at all of them.
constexpr size_t kGone = kMostPostMortems / 4;

void Cut(std::string& text) {
  if (text.size() > kMostText) text.resize(kMostText);
}

struct Dated {
  std::string name;
  timespec time;
  bool operator<(const Dated& other) const {
    return time.tv_sec != other.time.tv_sec ? time.tv_sec < other.time.tv_sec : time.tv_nsec < other.time.tv_nsec;
  }
};

std::vector<std::string> NamesIn(int folder) {
  std::vector<std::string> names;
  DIR* dir = fdopendir(fcntl(folder, F_DUPFD_CLOEXEC, 3));
  if (dir == nullptr) return names;
  rewinddir(dir);
  while (const dirent* entry = readdir(dir)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(dir);
  return names;
}

void Prune(int folder) {
  const std::vector<std::string> names = NamesIn(folder);
  if (names.size() <= kMostPostMortems) return;
  std::vector<Dated> all;
  for (const std::string& name : names) {
    struct stat st;
    if (fstatat(folder, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) all.push_back({name, st.st_mtim});
  }
  std::sort(all.begin(), all.end());
  const size_t gone = std::min(all.size(), names.size() - kMostPostMortems + kGone);
  for (size_t i = 0; i < gone; ++i) unlinkat(folder, all[i].name.c_str(), 0);
}

}  // namespace

absl::Status WritePostMortem(int directory, const std::string& name, const PostMortem& end) {
  PostMortem cut = end;
  Cut(*cut.mutable_text());
  Cut(*cut.mutable_log_tail());
  if (cut.told().size() > 2 * kMostText) cut.clear_told();
  const std::string bytes = cut.SerializeAsString();
  const std::string fresh = absl::StrCat(".", getpid(), ".new");
  const base::UniqueFd fd(
      openat(directory, fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "open a post-mortem");
  if (write(fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
      renameat(directory, fresh.c_str(), directory, name.c_str()) == 0) {
    return absl::OkStatus();
  }
  const absl::Status status = absl::ErrnoToStatus(errno, "write a post-mortem");
  unlinkat(directory, fresh.c_str(), 0);
  return status;
}

absl::StatusOr<PostMortem> ReadPostMortem(const std::string& path) {
  const base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  std::string bytes(kMostBytes + 1, '\0');
  const ssize_t n = read(fd.get(), bytes.data(), bytes.size());
  if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat("read ", path));
  bytes.resize(static_cast<size_t>(n));
  PostMortem end;
  if (bytes.size() > kMostBytes || !end.ParseFromString(bytes)) {
    return absl::DataLossError(absl::StrCat(path, " is damaged"));
  }
  return end;
}

absl::Status PostMortems::Keep(const PostMortem& end) const {
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("mkdir ", folder_));
  }
  const base::UniqueFd folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!folder.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("open ", folder_));
  if (absl::Status s = WritePostMortem(folder.get(), end.id(), end); !s.ok()) return s;
  Prune(folder.get());
  return absl::OkStatus();
}

absl::StatusOr<PostMortem> PostMortems::Find(const std::string& id) const {
  return ReadPostMortem(absl::StrCat(folder_, "/", id));
}

}  // namespace runsc

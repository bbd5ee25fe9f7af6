// Tells when the host's kernel runs out of a cgroup's memory.
#ifndef RUNSC_CPP_CGROUP_OOM_H_
#define RUNSC_CPP_CGROUP_OOM_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace runsc::cgroup {

enum class OomEvent {
  kNothing,  // woken for another reason
  kOom,
  kGone,  // the cgroup is empty (v2) or removed: nothing more will come
};

// Owned by one thread, which polls fd() and calls Read() when it is readable.
class OomWatch {
 public:
  // `dir` is that of the memory controller.
  static absl::StatusOr<OomWatch> StartV1(const std::string& dir);
  static absl::StatusOr<OomWatch> StartV2(const std::string& dir);

  int fd() const { return fd_.get(); }
  // Doesn't wait. Several kills between two calls are one event.
  absl::StatusOr<OomEvent> Read();

 private:
  OomWatch(std::string dir, base::UniqueFd fd) : dir_(std::move(dir)), fd_(std::move(fd)) {}
  absl::StatusOr<OomEvent> ReadV1();
  absl::StatusOr<OomEvent> ReadV2();

  enum class Kind { kEventfd, kInotify };
  std::string dir_;
  base::UniqueFd fd_;
  base::UniqueFd oom_control_;  // v1: the kernel's registration lasts as long as the eventfd does
  Kind kind_ = Kind::kEventfd;
  uint64_t kills_ = 0;  // v2: those told already
};

// How many processes the OOM killer has killed in the cgroup.
absl::StatusOr<uint64_t> OomKillsV1(const std::string& dir);
absl::StatusOr<uint64_t> OomKillsV2(const std::string& dir);

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_OOM_H_

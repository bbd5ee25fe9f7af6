// Reads and writes of cgroup files. An error says file, value and errno.
#ifndef RUNSC_CPP_CGROUP_FILES_H_
#define RUNSC_CPP_CGROUP_FILES_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace runsc::cgroup {

// `name` is one component: what a spec names can't leave `dir`.
absl::Status WriteFile(const std::string& dir, absl::string_view name, absl::string_view value);
absl::StatusOr<std::string> ReadFile(const std::string& dir, absl::string_view name);

// One number. "max" is UINT64_MAX; a negative one, which the kernel writes for
// a counter that ran ahead of another CPU's, is 0.
absl::StatusOr<uint64_t> ReadUint(const std::string& dir, absl::string_view name);
// The number behind `key` in a file of "key number" lines.
absl::StatusOr<uint64_t> ReadKey(const std::string& dir, absl::string_view name, absl::string_view key);
absl::StatusOr<uint64_t> ParseUint(absl::string_view text);

// Calls `each` with the two words of every "key number" line.
absl::Status ForEachKey(const std::string& dir, absl::string_view name,
                        absl::FunctionRef<void(absl::string_view key, uint64_t value)> each);

// Of an error made here: its errno; else 0.
int ErrnoOf(const absl::Status& status);
absl::Status ErrnoError(int error, absl::string_view what);
absl::Status AddContext(const absl::Status& status, absl::string_view before);
inline bool IsMissing(const absl::Status& status) { return absl::IsNotFound(status); }

bool Exists(const std::string& path);
// As mkdir -p. Appends each directory that it made to `made`, outermost first.
absl::Status MakeDirectories(const std::string& path, std::vector<std::string>& made);
// Moves process `pid`. The kernel refuses one that is just being made with EINVAL: tries again.
absl::Status JoinProcess(const std::string& dir, pid_t pid);

// The processes of one cgroup, or of it and all below.
absl::StatusOr<std::vector<pid_t>> ProcessesOf(const std::string& dir);
absl::StatusOr<std::vector<pid_t>> ProcessesBelow(const std::string& dir);
// With its children, waiting while the last processes leave. No error if there is none.
absl::Status RemoveCgroup(const std::string& dir);

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_FILES_H_

// The table of files that a control group has.
#ifndef SENTRY_FS_CGROUP_CGROUP_FILES_H_
#define SENTRY_FS_CGROUP_CGROUP_FILES_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sentry/fs/cgroup/cgroup_fs.h"

namespace sentry {

struct CgroupRequest {
  const VfsContext& ctx;  // of whoever reads or writes
  CgroupProcesses& processes;
  Cgroup& cgroup;
  const Credentials& opener;
};

struct CgroupFile {
  const char* name;
  uint32_t controller;  // there if it is available; 0: always
  enum class Where : uint8_t { kAll, kNotRoot } where;
  Result<std::string> (*read)(const CgroupRequest&);  // null: write only
  Result<void> (*write)(const CgroupRequest&, std::string_view) = nullptr;
  // Who is told of changes (POLLPRI), and what counts them.
  base::WaitQueue* (*queue)(Cgroup&) = nullptr;
  uint64_t (*changes)(Cgroup&) = nullptr;

  uint32_t mode() const { return (read != nullptr ? 0444u : 0u) | (write != nullptr ? 0200u : 0u); }
  bool IsIn(const Cgroup& cgroup, uint32_t available) const {
    if (where == Where::kNotRoot && cgroup.parent() == nullptr) return false;
    return controller == 0 || (controller & available) != 0;
  }
};

std::span<const CgroupFile> CgroupCoreFiles();
std::span<const CgroupFile> CgroupControllerFiles();

// What `file` of the group ("": the directory) belongs to; `mode`: unless it was changed.
CgroupFileOwner CgroupOwnerOf(const Cgroup& cgroup, std::string_view file, uint32_t mode);

// --- Formats ---
// "max" or a number of bytes, with a suffix K, M, G; EINVAL.
Result<uint64_t> ParseCgroupSize(std::string_view text);
// "max" or a decimal number; EINVAL.
Result<uint64_t> ParseCgroupCount(std::string_view text);
// "0-2,5" as a mask; EINVAL, also for more than 63. "": 0.
Result<uint64_t> ParseCpuList(std::string_view text);
std::string CpuListOf(uint64_t mask);
// "$MAX $PERIOD", "max", "$MAX", in microseconds.
Result<CgroupLimits> ParseCpuMax(std::string_view text, int64_t old_period_us);

}  // namespace sentry

#endif  // SENTRY_FS_CGROUP_CGROUP_FILES_H_

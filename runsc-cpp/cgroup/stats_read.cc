#include "runsc-cpp/cgroup/stats_read.h"

#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace runsc::cgroup {
namespace {

bool ParsePressure(const std::vector<absl::string_view>& words, oci::PressureLine& out) {
  for (size_t i = 1; i < words.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> item = absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    std::string* const average = item.first == "avg10"    ? &out.avg10
                                 : item.first == "avg60"  ? &out.avg60
                                 : item.first == "avg300" ? &out.avg300
                                                          : nullptr;
    if (average != nullptr) {
      // It goes into JSON as it is.
      if (item.second.empty() || item.second.find_first_not_of("0123456789.") != item.second.npos) return false;
      *average = std::string(item.second);
    }
    if (item.first == "total" && !absl::SimpleAtoi(item.second, &out.total)) return false;
  }
  return true;
}

}  // namespace

absl::Status ReadOptional(const std::string& dir, absl::string_view name, uint64_t& value) {
  const auto read = ReadUint(dir, name);
  if (!read.ok()) return IsMissing(read.status()) ? absl::OkStatus() : read.status();
  value = *read;
  return absl::OkStatus();
}

absl::Status ReadPressure(const std::string& dir, absl::string_view name, std::optional<oci::Pressure>& out) {
  const auto text = ReadFile(dir, name);
  if (!text.ok()) {
    // EOPNOTSUPP: built in, and turned off at boot.
    const bool none = IsMissing(text.status()) || ErrnoOf(text.status()) == EOPNOTSUPP;
    return none ? absl::OkStatus() : text.status();
  }
  oci::Pressure stats;
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words[0] != "some" && words[0] != "full") continue;
    if (!ParsePressure(words, words[0] == "some" ? stats.some : stats.full)) return Malformed(dir, name, line);
  }
  out = stats;
  return absl::OkStatus();
}

absl::Status ReadPids(const std::string& dir, oci::PidsStats& out) {
  if (absl::Status s = ReadOptional(dir, "pids.current", out.current); !s.ok()) return s;
  if (absl::Status s = ReadOptional(dir, "pids.max", out.limit); !s.ok()) return s;
  if (out.limit == std::numeric_limits<uint64_t>::max()) out.limit = 0;
  return absl::OkStatus();
}

std::vector<std::string> HugepageSizes(const std::string& sysfs_dir) {
  std::vector<std::string> sizes;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(sysfs_dir.c_str()), closedir);
  if (stream == nullptr) return sizes;
  while (const dirent* entry = readdir(stream.get())) {
    absl::string_view name = entry->d_name;
    uint64_t kib;
    if (!absl::ConsumePrefix(&name, "hugepages-") || !absl::ConsumeSuffix(&name, "kB") ||
        !absl::SimpleAtoi(name, &kib)) {
      continue;
    }
    sizes.push_back(kib >= 1 << 20   ? absl::StrCat(kib >> 20, "GB")
                    : kib >= 1 << 10 ? absl::StrCat(kib >> 10, "MB")
                                     : absl::StrCat(kib, "KB"));
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

}  // namespace runsc::cgroup

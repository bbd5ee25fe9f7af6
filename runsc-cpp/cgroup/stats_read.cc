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

bool ParsePressure(const std::vector<absl::string_view>& words, Pressure& out) {
  for (size_t i = 1; i < words.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> item = absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    const bool good = item.first == "avg10"    ? absl::SimpleAtod(item.second, &out.avg10)
                      : item.first == "avg60"  ? absl::SimpleAtod(item.second, &out.avg60)
                      : item.first == "avg300" ? absl::SimpleAtod(item.second, &out.avg300)
                      : item.first == "total"  ? absl::SimpleAtoi(item.second, &out.total)
                                               : true;
    if (!good) return false;
  }
  return true;
}

bool ParseRdmaCount(absl::string_view text, uint32_t& out) {
  if (text == "max") {
    out = std::numeric_limits<uint32_t>::max();
    return true;
  }
  return absl::SimpleAtoi(text, &out);
}

}  // namespace

absl::Status ReadOptional(const std::string& dir, absl::string_view name, uint64_t& value) {
  const auto read = ReadUint(dir, name);
  if (!read.ok()) return IsMissing(read.status()) ? absl::OkStatus() : read.status();
  value = *read;
  return absl::OkStatus();
}

absl::Status ReadPressure(const std::string& dir, absl::string_view name, std::optional<PressureStats>& out) {
  const auto text = ReadFile(dir, name);
  if (!text.ok()) {
    // EOPNOTSUPP: built in, and turned off at boot.
    const bool none = IsMissing(text.status()) || ErrnoOf(text.status()) == EOPNOTSUPP;
    return none ? absl::OkStatus() : text.status();
  }
  PressureStats stats;
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    if (words[0] != "some" && words[0] != "full") continue;
    if (!ParsePressure(words, words[0] == "some" ? stats.some : stats.full)) return Malformed(dir, name, line);
  }
  out = stats;
  return absl::OkStatus();
}

absl::Status ReadRdma(const std::string& dir, absl::string_view name, std::vector<RdmaEntry>& out) {
  const auto text = ReadFile(dir, name);
  if (!text.ok()) return IsMissing(text.status()) ? absl::OkStatus() : text.status();
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words.empty()) continue;
    RdmaEntry entry;
    entry.device = std::string(words[0]);
    for (size_t i = 1; i < words.size(); ++i) {
      absl::string_view word = words[i];
      const bool good = absl::ConsumePrefix(&word, "hca_handle=")   ? ParseRdmaCount(word, entry.hca_handles)
                        : absl::ConsumePrefix(&word, "hca_object=") ? ParseRdmaCount(word, entry.hca_objects)
                                                                    : true;
      if (!good) return Malformed(dir, name, line);
    }
    out.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

absl::Status ReadPids(const std::string& dir, PidsStats& out) {
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

#include "runsc-cpp/cgroup/layout.h"

#include <iterator>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/cgroup/files.h"

namespace runsc::cgroup {
namespace {

constexpr absl::string_view kControllers[] = {"cpuset",  "cpu",     "cpuacct", "blkio",      "memory",
                                              "devices", "freezer", "net_cls", "net_prio",   "hugetlb",
                                              "pids",    "rdma",    "misc",    "perf_event", "name=systemd"};

// The kernel writes blank, tab, newline and backslash as \ooo.
std::string Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Layout ParseLayout(absl::string_view mountinfo, absl::string_view root) {
  Layout layout;
  for (const absl::string_view line : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
    const auto dash = absl::c_find(words, "-");
    if (dash - words.begin() < 6 || words.end() - dash < 4) continue;
    const absl::string_view type = dash[1];
    if (type != "cgroup" && type != "cgroup2") continue;
    const Mount mount = {.point = Unescape(words[4]), .root = Unescape(words[3])};
    if (mount.point != root && !absl::StartsWith(mount.point, absl::StrCat(root, "/"))) continue;
    if (type == "cgroup2") {
      if (mount.point == root) return {.mode = Mode::kUnified, .mounts = {{"", mount}}};
      layout.mounts.try_emplace("", mount);
      continue;
    }
    for (const absl::string_view option : absl::StrSplit(dash[3], ',')) {
      if (absl::c_linear_search(kControllers, option)) layout.mounts.try_emplace(std::string(option), mount);
    }
  }
  if (layout.mounts.empty()) return layout;
  layout.mode = layout.mounts.contains("") ? Mode::kHybrid : Mode::kLegacy;
  return layout;
}

absl::StatusOr<Membership> ParseMembership(absl::string_view proc_cgroup) {
  Membership membership;
  for (const absl::string_view line : absl::StrSplit(proc_cgroup, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) return absl::InvalidArgumentError(absl::StrCat("not a line of /proc/PID/cgroup: ", line));
    for (const absl::string_view controller : absl::StrSplit(parts[1], ',')) {
      membership.insert_or_assign(std::string(controller), std::string(parts[2]));
    }
  }
  return membership;
}

absl::StatusOr<Layout> HostLayout() {
  const auto text = ReadFile("/proc/self", "mountinfo");
  if (!text.ok()) return text.status();
  return ParseLayout(*text, kCgroupRoot);
}

absl::StatusOr<Membership> OwnMembership() {
  const auto text = ReadFile("/proc/self", "cgroup");
  if (!text.ok()) return text.status();
  return ParseMembership(*text);
}

}  // namespace runsc::cgroup

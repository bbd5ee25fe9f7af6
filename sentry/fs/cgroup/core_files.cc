// The files of every control group: cgroup.*, and cpu.stat.
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "sentry/fs/cgroup/cgroup_files.h"

namespace sentry {
namespace {

using Text = Result<std::string>;

std::string Lines(const CgroupRequest& r, const std::vector<int32_t>& ids) {
  std::string out;
  for (const int32_t id : ids) absl::StrAppend(&out, r.processes.NumberOf(r.ctx, id), "\n");
  return out;
}

std::string Names(uint32_t controllers) {
  std::string out;
  for (const CgroupControllerName& row : kControllerNames) {
    if ((controllers & row.bit) != 0) absl::StrAppend(&out, out.empty() ? "" : " ", row.name);
  }
  return out.empty() ? out : out + "\n";
}

std::string MaxOr(uint64_t value) { return value == kCgroupNoLimit ? std::string("max\n") : absl::StrCat(value, "\n"); }

Result<int32_t> ParseInt(std::string_view text) {
  int32_t value;
  if (!absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &value)) return Errno::kEINVAL;
  return value;
}

// Linux's kernfs: the file's mode, and whoever may do anything.
Result<void> MayWriteProcs(const Cgroup& cgroup, const Credentials& creds) {
  if (creds.Has(Capability::kDacOverride)) return Ok();
  const CgroupFileOwner owner = CgroupOwnerOf(cgroup, "cgroup.procs", 0644);
  const bool user = owner.uid == creds.fsuid && (owner.mode & 0200) != 0;
  const bool group = owner.uid != creds.fsuid && creds.InGroup(owner.gid) && (owner.mode & 0020) != 0;
  const bool other = owner.uid != creds.fsuid && !creds.InGroup(owner.gid) && (owner.mode & 0002) != 0;
  return user || group || other ? Ok() : Errno::kEACCES;
}

// Linux's cgroup_procs_write_permission: the nearest group above both must be the writer's, too. That he may write
// here was found when he opened the file.
Result<void> MayMove(const Credentials& creds, const Cgroup& from, const Cgroup& to) {
  const Cgroup* common = &from;
  while (!to.IsBelow(*common)) common = common->parent();
  return MayWriteProcs(*common, creds);
}

Result<void> Attach(const CgroupRequest& r, std::string_view text, CgroupProcesses::Which which) {
  const int32_t pid = TRY(ParseInt(text));
  if (pid < 0) return Errno::kEINVAL;
  std::vector<RefPtr<base::RefCounted>> keep;
  // Who may is found out first: what asks of owners takes the tree's lock.
  std::vector<CgroupMember*> found = TRY(r.processes.Find(r.ctx, pid, which, keep));
  if (found.empty()) return Errno::kESRCH;
  const RefPtr<Cgroup> from = found.front()->cgroup();
  if (!from) return Errno::kESRCH;
  TRY(MayMove(r.opener, *from, r.cgroup));
  if (which == CgroupProcesses::Which::kThread) {
    // A thread leaves its process's group for none that is not "threaded", which none is.
    return from.get() == &r.cgroup ? Ok() : Errno::kEOPNOTSUPP;
  }
  return r.cgroup.tree().Move([&]() { return r.processes.Find(r.ctx, pid, which, keep); }, r.cgroup);
}

Result<void> Control(const CgroupRequest& r, std::string_view text) {
  uint32_t enable = 0, disable = 0;
  for (const absl::string_view word :
       absl::StrSplit(absl::string_view(text.data(), text.size()), ' ', absl::SkipEmpty())) {
    const auto* row = std::find_if(std::begin(kControllerNames), std::end(kControllerNames),
                                   [&](const CgroupControllerName& c) { return word.substr(1) == c.name; });
    if (row == std::end(kControllerNames) || (word[0] != '+' && word[0] != '-')) return Errno::kEINVAL;
    (word[0] == '+' ? enable : disable) |= row->bit;
    (word[0] == '+' ? disable : enable) &= ~row->bit;
  }
  return r.cgroup.ControlSubtree(enable, disable);
}

Text Events(const CgroupRequest& r) {
  return absl::StrCat("populated ", r.cgroup.Populated() ? 1 : 0, "\nfrozen ", r.cgroup.Frozen() ? 1 : 0, "\n");
}

Text Stat(const CgroupRequest& r) {
  std::string out = absl::StrCat("nr_descendants ", r.cgroup.Descendants(), "\nnr_dying_descendants 0\n");
  return out;
}

Result<void> Freeze(const CgroupRequest& r, std::string_view text) {
  const int32_t value = TRY(ParseInt(text));
  if (value != 0 && value != 1) return Errno::kERANGE;
  r.cgroup.SetFrozen(value == 1);
  return Ok();
}

Result<void> Kill(const CgroupRequest& r, std::string_view text) {
  if (TRY(ParseInt(text)) != 1) return Errno::kERANGE;
  r.cgroup.KillAll();
  return Ok();
}

Result<void> SetType(const CgroupRequest&, std::string_view text) {
  return text == "threaded" ? Errno::kEOPNOTSUPP : Errno::kEINVAL;
}

Result<void> SetDepth(const CgroupRequest& r, std::string_view text) {
  r.cgroup.SetMaxDepth(TRY(ParseCgroupCount(text)));
  return Ok();
}

Result<void> SetDescendants(const CgroupRequest& r, std::string_view text) {
  r.cgroup.SetMaxDescendants(TRY(ParseCgroupCount(text)));
  return Ok();
}

Text CpuStat(const CgroupRequest& r) {
  const CgroupStats s = r.cgroup.Stats();
  std::string out = absl::StrCat("usage_usec ", (s.user_ns + s.system_ns) / 1000, "\nuser_usec ", s.user_ns / 1000,
                                 "\nsystem_usec ", s.system_ns / 1000, "\n");
  if (r.cgroup.parent() == nullptr || (r.cgroup.available() & kCpuController) == 0) return out;
  absl::StrAppend(&out, "nr_periods ", s.bandwidth.periods, "\nnr_throttled ", s.bandwidth.throttled_periods,
                  "\nthrottled_usec ", s.bandwidth.throttled_ns / 1000, "\nnr_bursts 0\nburst_usec 0\n");
  return out;
}

base::WaitQueue* EventQueue(Cgroup& cgroup) { return &cgroup.event_queue(); }
uint64_t EventCount(Cgroup& cgroup) { return cgroup.event_count(); }

constexpr auto kAll = CgroupFile::Where::kAll;
constexpr auto kNotRoot = CgroupFile::Where::kNotRoot;

constexpr CgroupFile kCore[] = {
    {"cgroup.controllers", 0, kAll, [](const CgroupRequest& r) -> Text { return Names(r.cgroup.available()); }},
    {"cgroup.events", 0, kNotRoot, Events, nullptr, EventQueue, EventCount},
    {"cgroup.freeze", 0, kNotRoot,
     [](const CgroupRequest& r) -> Text { return std::string(r.cgroup.FreezeAsked() ? "1\n" : "0\n"); }, Freeze},
    {"cgroup.kill", 0, kNotRoot, nullptr, Kill},
    {"cgroup.max.depth", 0, kAll, [](const CgroupRequest& r) -> Text { return MaxOr(r.cgroup.max_depth()); }, SetDepth},
    {"cgroup.max.descendants", 0, kAll,
     [](const CgroupRequest& r) -> Text { return MaxOr(r.cgroup.max_descendants()); }, SetDescendants},
    {"cgroup.procs", 0, kAll, [](const CgroupRequest& r) -> Text { return Lines(r, r.cgroup.Processes()); },
     [](const CgroupRequest& r, std::string_view text) { return Attach(r, text, CgroupProcesses::Which::kProcess); }},
    {"cgroup.stat", 0, kAll, Stat},
    {"cgroup.subtree_control", 0, kAll,
     [](const CgroupRequest& r) -> Text { return Names(r.cgroup.subtree_control()); }, Control},
    {"cgroup.threads", 0, kAll, [](const CgroupRequest& r) -> Text { return Lines(r, r.cgroup.Threads()); },
     [](const CgroupRequest& r, std::string_view text) { return Attach(r, text, CgroupProcesses::Which::kThread); }},
    {"cgroup.type", 0, kNotRoot, [](const CgroupRequest&) -> Text { return std::string("domain\n"); }, SetType},
    {"cpu.stat", 0, kAll, CpuStat},
};

}  // namespace

std::span<const CgroupFile> CgroupCoreFiles() { return kCore; }

Result<void> MayEnterCgroup(const Credentials& creds, const Cgroup& from, const Cgroup& to) {
  TRY(MayWriteProcs(to, creds));
  return MayMove(creds, from, to);
}

}  // namespace sentry

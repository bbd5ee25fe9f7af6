// The files of /proc/PID but for the long ones.
#include <algorithm>
#include <charconv>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sentry/fs/proc/proc_rows.h"
#include "sentry/vfs/dentry.h"
#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

// A process can have at most a quarter of its stack limit in arguments; this
// bounds what one read can make us hold.
constexpr uint64_t kMaxStrings = 8 << 20;

// What can be read of [range): a hole ends it.
std::string ReadMemory(ProcessMemory& memory, UserRange range, uint64_t most = kMaxStrings) {
  if (range.empty()) return "";
  std::string text(std::min(range.size(), most), '\0');
  size_t done = 0;
  while (done < text.size()) {
    const Result<size_t> n = memory.Read(range.start + done, std::as_writable_bytes(std::span(text).subspan(done)));
    if (!n.ok() || *n == 0) break;
    done += *n;
  }
  text.resize(done);
  return text;
}

Result<std::string> Cmdline(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  return t.memory ? CommandLineOf(*t.memory, kMaxStrings) : std::string();
}

Result<std::string> Environ(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  if (!t.memory) return std::string();
  return ReadMemory(*t.memory, t.memory->layout().env);
}

Result<std::string> Auxv(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  if (!t.memory) return std::string();
  const MemoryManager::Layout layout = t.memory->layout();
  return std::string(reinterpret_cast<const char*>(layout.auxv.data()), layout.auxv.size());
}

Result<std::string> Comm(const ProcRequest& r) { return TRY(SnapshotOf(r)).comm + "\n"; }

Result<void> WriteComm(const ProcRequest& r, std::string_view text) {
  if (r.view.NumberOf(r.ctx.tgid) != r.task.tgid) return Errno::kEINVAL;  // only of one's own threads
  return r.view.SetComm(r.task.tgid, r.task.tid, text.substr(0, 15));
}

Result<std::string> Cgroup(const ProcRequest& r) {
  const std::string path = r.view.CgroupPath(r.ctx, r.task.tgid, r.task.tid);
  if (path.empty()) return Errno::kESRCH;
  return absl::StrCat("0::", path, "\n");
}
// Numbers without a newline, as in Linux.
Result<std::string> LoginUid(const ProcRequest&) { return std::string("4294967295"); }

Result<std::string> Wchan(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  if (t.wchan.empty() || !MayTrace(r.ctx, t)) return std::string("0");
  return t.wchan;
}

Result<std::string> Personality(const ProcRequest& r) {
  return absl::StrFormat("%08x\n", TRY(SnapshotOf(r)).personality);
}

Result<std::string> OomScore(const ProcRequest& r) {
  TRY(SnapshotOf(r));
  return absl::StrCat(r.view.OomScore(r.task.tgid), "\n");
}

Result<std::string> OomScoreAdj(const ProcRequest& r) {
  TRY(SnapshotOf(r));
  return absl::StrCat(r.view.OomScoreAdj(r.task.tgid), "\n");
}

Result<void> WriteOomScoreAdj(const ProcRequest& r, std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '+')) text.remove_prefix(1);
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return Errno::kEINVAL;
  if (value < -1000 || value > 1000) return Errno::kEINVAL;
  return r.view.SetOomScoreAdj(r.ctx, r.task.tgid, value);
}

// Linux's proc_setgroups_open.
Result<void> MaySetSetgroups(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  return r.ctx.creds->HasIn(*t.creds->user_ns, Capability::kSysAdmin) ? Ok() : Errno::kEACCES;
}

constexpr ProcFileRow kRows[] = {
    {"auxv", 0400, Auxv, nullptr, true},
    {"cgroup", 0444, Cgroup},
    {"cmdline", 0444, Cmdline},
    {"comm", 0644, Comm, WriteComm},
    {"environ", 0400, Environ, nullptr, true},
    {"gid_map", 0644, GidMapText, WriteGidMap},
    {"limits", 0444, LimitsText},
    {"loginuid", 0444, LoginUid},
    {"maps", 0444, MapsText, nullptr, true},
    {"mountinfo", 0444, MountInfoText},
    {"mounts", 0444, MountsText},
    {"oom_score", 0444, OomScore},
    {"oom_score_adj", 0644, OomScoreAdj, WriteOomScoreAdj},
    {"personality", 0400, Personality, nullptr, true},
    {"projid_map", 0644, ProjidMapText, WriteProjidMap},
    {"sessionid", 0444, LoginUid},
    {"setgroups", 0644, SetgroupsText, WriteSetgroups, false, true, MaySetSetgroups},
    {"smaps", 0444, SmapsText, nullptr, true},
    {"smaps_rollup", 0444, SmapsRollupText, nullptr, true},
    {"stat", 0444, TaskStatText},
    {"statm", 0444, StatmText},
    {"status", 0444, StatusText},
    {"uid_map", 0644, UidMapText, WriteUidMap},
    {"wchan", 0444, Wchan},
};

}  // namespace

std::span<const ProcFileRow> ProcessFileRows() { return kRows; }

Result<TaskSnapshot> SnapshotOf(const ProcRequest& r) {
  if (r.view.TaskSerial(r.task.tgid, r.task.tid) != r.task.serial) return Errno::kESRCH;
  std::optional<TaskSnapshot> t = r.view.Snapshot(r.task.tgid, r.task.tid);
  if (!t || !t->creds) return Errno::kESRCH;
  return *std::move(t);
}

bool MayTrace(const VfsContext& ctx, const TaskSnapshot& target) {
  if (ctx.tgid == target.id) return true;
  const bool dumpable = !target.memory || target.dumpable == 1;
  return MayTrace(*ctx.creds, TraceIds::kFileSystem,
                  {.creds = *target.creds, .dumpable = dumpable, .memory_ns = *target.memory_ns});
}

std::string FdInfoText(const ProcRequest& r, const OpenFd& open) {
  FileDescription& file = *open.file;
  const Result<int64_t> position = file.Seek(r.ctx, 0, abi::kSeekCur);
  uint64_t ino = 0;
  if (const RefPtr<Inode> inode = file.inode()) {
    if (const Result<Attributes> a = inode->GetAttributes(r.ctx); a.ok()) ino = a->ino;
  }
  const uint32_t flags = file.flags() | (open.close_on_exec ? abi::kOCloExec : 0);
  return absl::StrFormat("pos:\t%d\nflags:\t0%o\nmnt_id:\t%d\nino:\t%u\n", position.ok() ? *position : 0, flags,
                         file.path().mount ? file.path().mount->id() : 0, ino) +
         file.FdInfoFor(r.view.pid_ns());
}

std::string CommandLineOf(ProcessMemory& memory, uint64_t most) {
  const MemoryManager::Layout layout = memory.layout();
  std::string text = ReadMemory(memory, layout.args, most);
  // A program that wrote over its arguments (setproctitle): one string, which
  // may go on in what was the environment.
  if (text.empty() || text.back() == '\0' || text.size() < layout.args.size()) return text;
  if (const size_t nul = text.find('\0'); nul != std::string::npos) return text.substr(0, nul + 1);
  if (layout.env.start != layout.args.end) return text;
  const std::string more = ReadMemory(memory, layout.env, most - std::min<uint64_t>(most, text.size()));
  return text + more.substr(0, std::min(more.find('\0'), more.size()));
}

}  // namespace sentry

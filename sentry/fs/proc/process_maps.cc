// /proc/PID/{maps,smaps,smaps_rollup,mountinfo,mounts}.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sentry/fs/proc/proc_rows.h"
#include "sentry/vfs/mount.h"

namespace sentry {
namespace {

void AppendMapsLine(const VmaInfo& v, std::string* out) {
  std::string line =
      absl::StrFormat("%08x-%08x %c%c%c%c %08x %02x:%02x %u ", v.range.start.value, v.range.end.value,
                      v.prot.read ? 'r' : '-', v.prot.write ? 'w' : '-', v.prot.execute ? 'x' : '-',
                      v.shared ? 's' : 'p', v.offset, abi::Major(v.device), abi::Minor(v.device), v.inode);
  if (!v.name.empty()) {
    if (line.size() < 72) line.resize(72, ' ');
    absl::StrAppend(&line, " ", Escaped(v.name, "\n"));
  }
  absl::StrAppend(out, line, "\n");
}

std::string SmapsField(std::string_view name, uint64_t bytes) {
  return absl::StrFormat("%-16s%8u kB\n", std::string(name) + ":", bytes / 1024);
}

// "rw,relatime" and a file system's own options.
std::string Joined(const MountNamespace::MountInfo& m) {
  return m.super_options.empty() ? m.options : m.options + "," + m.super_options;
}

constexpr std::string_view kMangled = " \t\n\\#";

Result<std::vector<MountNamespace::MountInfo>> MountsOf(const ProcRequest& r) {
  TRY(SnapshotOf(r));
  const TaskPlaces places = r.view.Places(r.task.tgid, r.task.tid);
  if (!places.mounts || !places.root) return Errno::kEINVAL;  // a zombie, as in Linux
  return places.mounts->List(places.root);
}

}  // namespace

std::string Escaped(std::string_view text, std::string_view which) {
  std::string out;
  for (const char c : text) {
    if (which.find(c) == std::string_view::npos) {
      out += c;
    } else {
      absl::StrAppendFormat(&out, "\\%03o", static_cast<unsigned char>(c));
    }
  }
  return out;
}

Result<std::string> MapsText(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  std::string out;
  if (!t.memory) return out;
  for (const VmaInfo& v : t.memory->Vmas()) AppendMapsLine(v, &out);
  return out;
}

// Only what is known: which pages are shared with whom, or dirty, is not.
Result<std::string> SmapsText(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  std::string out;
  if (!t.memory) return out;
  for (const VmaInfo& v : t.memory->Vmas()) {
    AppendMapsLine(v, &out);
    absl::StrAppend(&out, SmapsField("Size", v.range.size()), SmapsField("KernelPageSize", kPageSize),
                    SmapsField("MMUPageSize", kPageSize), SmapsField("Rss", v.resident), SmapsField("Swap", 0),
                    SmapsField("SwapPss", 0), SmapsField("Locked", v.locked ? v.resident : 0));
    absl::StrAppend(&out, "VmFlags:", v.prot.read ? " rd" : "", v.prot.write ? " wr" : "", v.prot.execute ? " ex" : "",
                    v.shared ? " sh" : "", v.grows_down ? " gd" : "", v.locked ? " lo" : "", " \n");
  }
  return out;
}

Result<std::string> SmapsRollupText(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  if (!t.memory) return Errno::kESRCH;
  const std::vector<VmaInfo> vmas = t.memory->Vmas();
  VmaInfo all{};
  uint64_t locked = 0;
  for (const VmaInfo& v : vmas) {
    all.resident += v.resident;
    locked += v.locked ? v.resident : 0;
  }
  if (!vmas.empty()) all.range = {vmas.front().range.start, vmas.back().range.end};
  all.name = "[rollup]";
  std::string out;
  AppendMapsLine(all, &out);
  absl::StrAppend(&out, SmapsField("Rss", all.resident), SmapsField("Swap", 0), SmapsField("SwapPss", 0),
                  SmapsField("Locked", locked));
  return out;
}

Result<std::string> MountInfoText(const ProcRequest& r) {
  std::string out;
  for (const MountNamespace::MountInfo& m : TRY(MountsOf(r))) {
    absl::StrAppendFormat(&out, "%d %d %u:%u %s %s %s%s - %s %s %s\n", m.id, m.parent_id, abi::Major(m.device),
                          abi::Minor(m.device), Escaped(m.root, kMangled), Escaped(m.mountpoint, kMangled), m.options,
                          m.propagation, Escaped(m.type, kMangled),
                          m.source.empty() ? "none" : Escaped(m.source, kMangled),
                          m.super_options.empty() ? "rw" : "rw," + m.super_options);
  }
  return out;
}

Result<std::string> MountsText(const ProcRequest& r) {
  std::string out;
  for (const MountNamespace::MountInfo& m : TRY(MountsOf(r))) {
    absl::StrAppendFormat(&out, "%s %s %s %s 0 0\n", m.source.empty() ? "none" : Escaped(m.source, kMangled),
                          Escaped(m.mountpoint, kMangled), Escaped(m.type, kMangled), Joined(m));
  }
  return out;
}

}  // namespace sentry

// /proc/PID/{stat,statm,status,limits} (Linux's fs/proc/array.c, base.c).
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "sentry/fs/proc/proc_rows.h"

namespace sentry {
namespace {

uint64_t Pages(uint64_t bytes) { return bytes / kPageSize; }

const char* StateName(char state) {
  switch (state) {
    case 'R':
      return "R (running)";
    case 'D':
      return "D (disk sleep)";
    case 'T':
      return "T (stopped)";
    case 't':
      return "t (tracing stop)";
    case 'Z':
      return "Z (zombie)";
    case 'X':
      return "X (dead)";
    default:
      return "S (sleeping)";
  }
}

std::string Kilobytes(std::string_view name, uint64_t bytes) {
  return absl::StrFormat("%s:\t%8u kB\n", name, bytes / 1024);
}

void AppendMemory(const MmUsage& u, uint64_t code, std::string* out) {
  absl::StrAppend(out, Kilobytes("VmPeak", std::max(u.peak_virtual, u.virtual_bytes)),
                  Kilobytes("VmSize", u.virtual_bytes), Kilobytes("VmLck", u.locked_bytes), Kilobytes("VmPin", 0),
                  Kilobytes("VmHWM", std::max(u.peak_resident, u.resident_bytes)), Kilobytes("VmRSS", u.resident_bytes),
                  Kilobytes("RssAnon", u.resident_anon), Kilobytes("RssFile", u.resident_file),
                  Kilobytes("RssShmem", u.resident_shared), Kilobytes("VmData", u.data_bytes),
                  Kilobytes("VmStk", u.stack_bytes));
  absl::StrAppend(out, Kilobytes("VmExe", std::min(code, u.exec_bytes)),
                  Kilobytes("VmLib", u.exec_bytes - std::min(code, u.exec_bytes)), Kilobytes("VmSwap", 0));
}

std::string Numbers(const char* name, const std::vector<int32_t>& numbers) {
  return absl::StrCat(name, ":\t", absl::StrJoin(numbers, "\t"), "\n");
}

void AppendIds(const TaskSnapshot& t, const UserNamespace& viewer, std::string* out) {
  const Credentials& c = *t.creds;
  absl::StrAppendFormat(out, "Uid:\t%u\t%u\t%u\t%u\n", viewer.ShownUid(c.uid), viewer.ShownUid(c.euid),
                        viewer.ShownUid(c.suid), viewer.ShownUid(c.fsuid));
  absl::StrAppendFormat(out, "Gid:\t%u\t%u\t%u\t%u\n", viewer.ShownGid(c.gid), viewer.ShownGid(c.egid),
                        viewer.ShownGid(c.sgid), viewer.ShownGid(c.fsgid));
  absl::StrAppendFormat(out, "FDSize:\t%d\nGroups:\t", t.fd_table_size);
  for (const uint32_t group : c.groups) absl::StrAppend(out, viewer.ShownGid(group), " ");
  if (c.groups.empty()) absl::StrAppend(out, " ");
  absl::StrAppend(out, "\n", Numbers("NStgid", t.ns_tgids), Numbers("NSpid", t.ns_tids), Numbers("NSpgid", t.ns_pgids),
                  Numbers("NSsid", t.ns_sids));
}

void AppendSignals(const TaskSnapshot& t, std::string* out) {
  absl::StrAppendFormat(out, "SigQ:\t%u/%u\n", t.queued_signals, t.limits[11].current);
  const std::pair<const char*, uint64_t> masks[] = {
      {"SigPnd", t.pending},
      {"ShdPnd", t.shared_pending},
      {"SigBlk", t.blocked},
      {"SigIgn", t.ignored},
      {"SigCgt", t.caught},
      {"CapInh", t.creds->inheritable.bits},
      {"CapPrm", t.creds->permitted.bits},
      {"CapEff", t.creds->effective.bits},
      {"CapBnd", t.creds->bounding.bits},
      {"CapAmb", t.creds->ambient.bits},
  };
  for (const auto& [name, bits] : masks) absl::StrAppendFormat(out, "%s:\t%016x\n", name, bits);
}

struct LimitRow {
  const char* name;
  const char* unit;
};
constexpr LimitRow kLimits[16] = {
    {"Max cpu time", "seconds"},    {"Max file size", "bytes"},      {"Max data size", "bytes"},
    {"Max stack size", "bytes"},    {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
    {"Max processes", "processes"}, {"Max open files", "files"},     {"Max locked memory", "bytes"},
    {"Max address space", "bytes"}, {"Max file locks", "locks"},     {"Max pending signals", "signals"},
    {"Max msgqueue size", "bytes"}, {"Max nice priority", nullptr},  {"Max realtime priority", nullptr},
    {"Max realtime timeout", "us"},
};

std::string LimitText(uint64_t value) { return value == UINT64_MAX ? "unlimited" : absl::StrCat(value); }

}  // namespace

Result<std::string> TaskStatText(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  const MmUsage usage = t.memory ? t.memory->usage() : MmUsage{};
  const bool whole = !r.task.thread;
  std::string out = absl::StrFormat("%d (%s) %c %d %d %d %d %d 0", t.tid, t.comm, t.state, t.ppid, t.pgid, t.sid,
                                    static_cast<int32_t>(t.tty_nr), t.tpgid);
  absl::StrAppendFormat(&out, " %u %u %u %u", t.minor_faults, t.children_minor_faults, t.major_faults,
                        t.children_major_faults);
  absl::StrAppendFormat(&out, " %u %u %u %u", whole ? t.process_user_ticks : t.user_ticks,
                        whole ? t.process_system_ticks : t.system_ticks, t.children_user_ticks,
                        t.children_system_ticks);
  absl::StrAppendFormat(&out, " %d %d %d 0 %u %u %u %u", t.priority, t.nice, t.threads, t.start_ticks,
                        usage.virtual_bytes, Pages(usage.resident_bytes), t.limits[5].current);
  // Addresses are for those who may trace it.
  const bool permitted = MayTrace(r.ctx, t);
  const MemoryManager::Layout layout = t.memory ? t.memory->layout() : MemoryManager::Layout{};
  const auto address = [&](UserAddr a) { return permitted ? a.value : 0; };
  absl::StrAppendFormat(&out, " %u %u %u 0 0", address(layout.code.start), address(layout.code.end),
                        address(layout.stack_top));
  constexpr uint64_t kLegacy = INT32_MAX;  // the 31 signals that fit
  absl::StrAppendFormat(&out, " %u %u %u %u %d 0 0 %d %d %u %u 0 0 0", t.pending & kLegacy, t.blocked & kLegacy,
                        t.ignored & kLegacy, t.caught & kLegacy, t.wchan.empty() || t.wchan == "0" ? 0 : 1,
                        t.exit_signal, t.processor, t.rt_priority, t.policy);
  const UserAddr heap = t.memory ? t.memory->heap().start : UserAddr();
  absl::StrAppendFormat(&out, " %u %u %u %u %u %u %u %d\n", address(layout.data.start), address(layout.data.end),
                        address(heap), address(layout.args.start), address(layout.args.end), address(layout.env.start),
                        address(layout.env.end), permitted ? t.exit_code : 0);
  return out;
}

Result<std::string> StatmText(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  if (!t.memory) return std::string("0 0 0 0 0 0 0\n");
  const MmUsage u = t.memory->usage();
  return absl::StrFormat("%u %u %u %u 0 %u 0\n", Pages(u.virtual_bytes), Pages(u.resident_bytes),
                         Pages(u.resident_file + u.resident_shared), Pages(t.memory->layout().code.size()),
                         Pages(u.data_bytes + u.stack_bytes));
}

Result<std::string> StatusText(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  std::string out = absl::StrCat("Name:\t", Escaped(t.comm, "\n\\"), "\n");
  absl::StrAppendFormat(&out, "Umask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
                        t.umask, StateName(t.state), t.tgid, t.tid, t.ppid, t.tracer);
  AppendIds(t, *r.opened_by().user_ns, &out);
  if (t.memory) AppendMemory(t.memory->usage(), t.memory->layout().code.size(), &out);
  absl::StrAppendFormat(&out, "CoreDumping:\t0\nThreads:\t%d\n", t.threads);
  AppendSignals(t, &out);
  absl::StrAppendFormat(&out, "NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%d\n", t.creds->no_new_privs ? 1 : 0,
                        t.seccomp_mode, t.seccomp_filters);
  absl::StrAppend(&out, "Cpus_allowed:\t", CpuMaskText(t.cpus), "\nCpus_allowed_list:\t", CpuListText(t.cpus), "\n");
  absl::StrAppend(&out, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
  absl::StrAppendFormat(&out, "voluntary_ctxt_switches:\t%u\nnonvoluntary_ctxt_switches:\t%u\n", t.voluntary_switches,
                        t.involuntary_switches);
  return out;
}

Result<std::string> LimitsText(const ProcRequest& r) {
  const TaskSnapshot t = TRY(SnapshotOf(r));
  std::string out = absl::StrFormat("%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
  for (size_t i = 0; i < t.limits.size(); ++i) {
    absl::StrAppendFormat(&out, "%-25s %-20s %-20s ", kLimits[i].name, LimitText(t.limits[i].current),
                          LimitText(t.limits[i].maximum));
    if (kLimits[i].unit != nullptr) absl::StrAppendFormat(&out, "%-10s", kLimits[i].unit);
    out += '\n';
  }
  return out;
}

std::string CpuListText(std::span<const uint32_t> cpus) {
  std::string out;
  for (size_t i = 0; i < cpus.size();) {
    size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    absl::StrAppend(&out, out.empty() ? "" : ",", cpus[i]);
    if (last > i) absl::StrAppend(&out, "-", cpus[last]);
    i = last + 1;
  }
  return out;
}

std::string CpuMaskText(std::span<const uint32_t> cpus) {
  std::vector<uint32_t> words(1);
  for (const uint32_t cpu : cpus) {
    if (cpu >= 8192) continue;
    if (cpu / 32 >= words.size()) words.resize(cpu / 32 + 1);
    words[cpu / 32] |= 1u << (cpu % 32);
  }
  std::string out = absl::StrFormat("%x", words.back());
  for (size_t i = words.size() - 1; i-- > 0;) absl::StrAppendFormat(&out, ",%08x", words[i]);
  return out;
}

}  // namespace sentry

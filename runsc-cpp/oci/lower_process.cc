#include <algorithm>

#include "runsc-cpp/oci/lowering.h"
#include "runsc-cpp/oci/names.h"

namespace runsc::oci {
namespace {

constexpr uint32_t kMaxCpu = 8191;  // Linux's own bound, NR_CPUS

absl::Status LowerProgram(const LowerContext& context, const Process& from, const std::string& path, ProcessPlan& to) {
  if (from.args.empty()) return context.Refuse(MemberPath(path, "args"), ": must not be empty");
  if (from.args[0].empty()) return context.Refuse(MemberPath(path, "args"), "[0]: must not be empty");
  for (size_t i = 0; i < from.env.size(); ++i) {
    const size_t equals = from.env[i].find('=');
    if (equals != std::string::npos && equals != 0) continue;
    return context.Refuse(ItemPath(MemberPath(path, "env"), i), ": ", QuoteJson(from.env[i]), " is not NAME=VALUE");
  }
  if (!IsAbsolute(from.cwd)) {
    return context.Refuse(MemberPath(path, "cwd"), ": ", QuoteJson(from.cwd), " is not an absolute path");
  }
  to.argv = from.args;
  to.envp = from.env;
  to.cwd = from.cwd;
  return absl::OkStatus();
}

// Names that this kernel does not have are passed over, as by runc: an engine
// may be newer.
uint64_t Bits(const LowerContext& context, const std::vector<std::string>& names, const std::string& path) {
  uint64_t bits = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    if (const std::optional<int> number = CapabilityNumber(names[i])) {
      bits |= uint64_t{1} << *number;
    } else {
      context.Warn(ItemPath(path, i), ": ", QuoteJson(names[i]), " is not a capability here and is ignored");
    }
  }
  return bits;
}

absl::Status LowerCapabilities(const LowerContext& context, const LinuxCapabilities& from, const std::string& path,
                               CapabilityPlan& to) {
  to.bounding = Bits(context, from.bounding, path + ".bounding");
  to.effective = Bits(context, from.effective, path + ".effective");
  to.inheritable = Bits(context, from.inheritable, path + ".inheritable");
  to.permitted = Bits(context, from.permitted, path + ".permitted");
  to.ambient = Bits(context, from.ambient, path + ".ambient");
  // capset(2) would refuse this.
  if ((to.effective & ~to.permitted) != 0) return context.Refuse(path, ".effective: has more than .permitted");
  // PR_CAP_AMBIENT_RAISE would refuse these one by one; runc goes on without them.
  const uint64_t ambient = to.ambient & to.permitted & to.inheritable;
  if (ambient != to.ambient) {
    context.Warn(path, ".ambient: what is not both permitted and inheritable has no effect");
    to.ambient = ambient;
  }
  return absl::OkStatus();
}

absl::Status LowerRlimits(const LowerContext& context, const Process& from, const std::string& path, ProcessPlan& to) {
  for (size_t i = 0; i < from.rlimits.size(); ++i) {
    const PosixRlimit& limit = from.rlimits[i];
    const std::string item = ItemPath(MemberPath(path, "rlimits"), i);
    const std::optional<int> resource = RlimitNumber(limit.type);
    if (!resource.has_value()) {
      return context.Refuse(item, ".type: ", QuoteJson(limit.type), " is not a limit of getrlimit(2)");
    }
    const bool twice =
        std::any_of(to.rlimits.begin(), to.rlimits.end(), [&](const auto& r) { return r.resource == *resource; });
    if (twice) return context.Refuse(item, ".type: ", QuoteJson(limit.type), " is there twice");
    if (limit.soft > limit.hard) {
      return context.Refuse(item, ".soft: ", limit.soft, " is above the hard limit, ", limit.hard);
    }
    to.rlimits.push_back({*resource, limit.soft, limit.hard});
  }
  return absl::OkStatus();
}

absl::Status LowerScheduler(const LowerContext& context, const Scheduler& from, const std::string& path,
                            SchedulerPlan& to) {
  const std::optional<uint32_t> policy = SchedulerPolicy(from.policy);
  if (!policy.has_value()) return context.Refuse(path, ".policy: Linux does not implement ", from.policy);
  const bool real_time = from.policy == "SCHED_FIFO" || from.policy == "SCHED_RR";
  if (real_time != (from.priority != 0)) {
    return context.Refuse(path, ".priority: must be ", real_time ? "1 to 99" : "0", " with ", from.policy);
  }
  if (from.policy != "SCHED_DEADLINE" && (from.runtime | from.deadline | from.period) != 0) {
    return context.Refuse(path, ": runtime, deadline and period go with SCHED_DEADLINE only");
  }
  to.policy = *policy;
  for (const std::string& flag : from.flags) to.flags |= SchedulerFlag(flag).value_or(0);
  to.nice = from.nice;
  to.priority = static_cast<uint32_t>(from.priority);
  to.runtime = from.runtime;
  to.deadline = from.deadline;
  to.period = from.period;
  return absl::OkStatus();
}

// "0-2,4"
absl::Status LowerCpus(const LowerContext& context, std::string_view list, const std::string& path,
                       std::vector<uint32_t>& to) {
  absl::Status refusal = context.Refuse(path, ": ", QuoteJson(list), " is not a list of CPUs such as 0-2,4");
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view range = list.substr(0, comma);
    const size_t dash = range.find('-');
    uint32_t first = 0, last = 0;
    if (!ParseDecimal(range.substr(0, dash), first)) return refusal;
    last = first;
    if (dash != std::string_view::npos && !ParseDecimal(range.substr(dash + 1), last)) return refusal;
    if (first > last || last > kMaxCpu || to.size() > kMaxCpu) return refusal;
    for (uint32_t cpu = first; cpu <= last; ++cpu) to.push_back(cpu);
    if (comma + 1 == list.size()) return refusal;  // a comma at the end
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  std::sort(to.begin(), to.end());
  to.erase(std::unique(to.begin(), to.end()), to.end());
  return absl::OkStatus();
}

absl::Status LowerScheduling(const LowerContext& context, const Process& from, const std::string& path,
                             ProcessPlan& to) {
  absl::Status status;
  if (from.scheduler.has_value()) {
    status.Update(LowerScheduler(context, *from.scheduler, MemberPath(path, "scheduler"), to.scheduler.emplace()));
  }
  if (from.io_priority.has_value()) {
    constexpr int kClassShift = 13;  // IOPRIO_CLASS_SHIFT
    const int io_class = IoPriorityClass(from.io_priority->io_class).value_or(0);
    to.io_priority = static_cast<uint16_t>(io_class << kClassShift | from.io_priority->priority);
  }
  if (from.exec_cpu_affinity.has_value()) {
    const std::string affinity = MemberPath(path, "execCPUAffinity");
    status.Update(LowerCpus(context, from.exec_cpu_affinity->initial, affinity + ".initial", to.initial_cpus));
    status.Update(LowerCpus(context, from.exec_cpu_affinity->final, affinity + ".final", to.final_cpus));
  }
  return status;
}

}  // namespace

absl::Status LowerProcess(const LowerContext& context, const Process& from, const std::string& path, ProcessPlan& to) {
  absl::Status status = LowerProgram(context, from, path, to);
  to.uid = from.user.uid;
  to.gid = from.user.gid;
  to.umask = from.user.umask.value_or(to.umask);
  to.groups = from.user.additional_gids;
  constexpr size_t kMaxGroups = 65536;  // NGROUPS_MAX
  if (to.groups.size() > kMaxGroups) {
    status.Update(context.Refuse(MemberPath(path, "user"), ".additionalGids: more than ", kMaxGroups));
  }
  to.terminal = from.terminal;
  if (from.terminal && from.console_size.has_value()) {
    to.rows = static_cast<uint16_t>(from.console_size->height);
    to.columns = static_cast<uint16_t>(from.console_size->width);
  }
  if (from.capabilities.has_value()) {
    status.Update(
        LowerCapabilities(context, *from.capabilities, MemberPath(path, "capabilities"), to.capabilities.emplace()));
  }
  status.Update(LowerRlimits(context, from, path, to));
  to.no_new_privileges = from.no_new_privileges;
  to.oom_score_adj = from.oom_score_adj;
  status.Update(LowerScheduling(context, from, path, to));
  return status;
}

}  // namespace runsc::oci

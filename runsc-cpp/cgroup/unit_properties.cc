#include "runsc-cpp/cgroup/unit_properties.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runsc-cpp/cgroup/convert.h"

namespace runsc::cgroup {
namespace {

constexpr uint64_t kInfinity = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kDefaultPeriod = 100'000;
constexpr uint64_t kUsPerSecond = 1'000'000;
// The first versions that know these.
constexpr int kHasQuotaPeriod = 242, kHasAllowedCpus = 244, kHasCpuIdle = 252;

void Add(Properties& to, std::string name, dbus::Value value) { to.emplace_back(std::move(name), std::move(value)); }

// -1 becomes systemd's infinity.
uint64_t Limit(int64_t value) { return static_cast<uint64_t>(value); }

void AddQuota(Properties& to, int64_t quota, uint64_t period, int version) {
  if (period != 0 && version >= kHasQuotaPeriod) Add(to, "CPUQuotaPeriodUSec", period);
  if (quota == 0 && period == 0) return;
  uint64_t per_second = kInfinity;
  if (quota > 0) {
    if (period == 0) period = kDefaultPeriod;
    const auto exact = static_cast<unsigned __int128>(quota) * kUsPerSecond / period;
    // systemd keeps whole per cents of a CPU; rounded down, children could not have what they were promised.
    constexpr uint64_t kPercent = 10'000;
    per_second = exact >= kInfinity - kPercent ? kInfinity - 1
                                               : (static_cast<uint64_t>(exact) + kPercent - 1) / kPercent * kPercent;
  }
  Add(to, "CPUQuotaPerSecUSec", per_second);
}

absl::Status AddMask(Properties& to, const char* property, absl::string_view member, absl::string_view list,
                     int version) {
  if (list.empty() || version < kHasAllowedCpus) return absl::OkStatus();
  auto mask = CpuListToMask(list);
  if (!mask.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(member, "=\"", list, "\" conversion error: ", mask.status().message()));
  }
  Add(to, property, dbus::Bytes{*std::move(mask)});
  return absl::OkStatus();
}

absl::Status AddCpusets(Properties& to, const oci::LinuxCPU& cpu, int version) {
  if (absl::Status s = AddMask(to, "AllowedCPUs", "resources.CPU.Cpus", cpu.cpus, version); !s.ok()) return s;
  return AddMask(to, "AllowedMemoryNodes", "resources.CPU.Mems", cpu.mems, version);
}

void AddPids(Properties& to, const oci::LinuxResources& r) {
  const int64_t limit = r.pids ? r.pids->limit.value_or(0) : 0;
  if (limit > 0 || limit == -1) Add(to, "TasksMax", Limit(limit));
}

absl::StatusOr<uint64_t> UnifiedNumber(absl::string_view name, absl::string_view value) {
  uint64_t number = kInfinity;
  if (value != "max" && !absl::SimpleAtoi(value, &number)) {
    return absl::InvalidArgumentError(
        absl::StrCat("unified resource \"", name, "\" value conversion error: \"", value, "\" is not a number"));
  }
  return number;
}

absl::Status AddUnifiedCpuMax(Properties& to, absl::string_view value, int version) {
  const std::vector<absl::string_view> words = absl::StrSplit(value, ' ', absl::SkipEmpty());
  const auto invalid = [&] {
    return absl::InvalidArgumentError(absl::StrCat("unified resource \"cpu.max\" value invalid: \"", value, "\""));
  };
  if (words.empty() || words.size() > 2) return invalid();
  int64_t quota = 0;
  uint64_t period = kDefaultPeriod;
  if (words[0] != "max" && !absl::SimpleAtoi(words[0], &quota)) return invalid();
  if (words.size() == 2 && (!absl::SimpleAtoi(words[1], &period) || period == 0)) return invalid();
  AddQuota(to, quota, period, version);
  return absl::OkStatus();
}

absl::Status AddUnified(Properties& to, const std::map<std::string, std::string>& unified, int version) {
  static constexpr std::pair<absl::string_view, const char*> kNumbers[] = {
      {"memory.high", "MemoryHigh"},       {"memory.low", "MemoryLow"}, {"memory.min", "MemoryMin"},
      {"memory.max", "MemoryMax"},         {"pids.max", "TasksMax"},    {"cpu.weight", "CPUWeight"},
      {"memory.swap.max", "MemorySwapMax"}};
  const auto idle = unified.find("cpu.idle");
  const bool set_idle =
      idle != unified.end() && absl::StripAsciiWhitespace(idle->second) == "1" && version >= kHasCpuIdle;
  if (set_idle) Add(to, "CPUWeight", uint64_t{0});
  for (const auto& [name, raw] : unified) {
    const absl::string_view value = absl::StripAsciiWhitespace(raw);
    absl::Status s;
    if (name == "cpu.max") s = AddUnifiedCpuMax(to, value, version);
    if (name == "cpuset.cpus") s = AddMask(to, "AllowedCPUs", "unified resource cpuset.cpus", value, version);
    if (name == "cpuset.mems") s = AddMask(to, "AllowedMemoryNodes", "unified resource cpuset.mems", value, version);
    if (!s.ok()) return s;
    for (const auto& [key, property] : kNumbers) {
      // The weight of an idle unit is 0, which is set above.
      if (name != key || (set_idle && name == "cpu.weight")) continue;
      const auto number = UnifiedNumber(name, value);
      if (!number.ok()) return number.status();
      Add(to, property, *number);
    }
  }
  return absl::OkStatus();
}

}  // namespace

Properties NewUnitProperties(const Location& location, Mode mode, bool rootless, pid_t pid) {
  Properties p;
  const std::string slice = ParentSlice(location, rootless);
  Add(p, "Description", absl::StrCat("runsc-cpp container ", location.name));
  if (absl::EndsWith(UnitName(location), ".slice")) {
    Add(p, "Wants", std::vector<std::string>{slice});
  } else {
    Add(p, "Slice", slice);
    Add(p, "Delegate", true);
  }
  if (pid > 0) Add(p, "PIDs", std::vector<uint32_t>{static_cast<uint32_t>(pid)});
  // As the cgroupfs driver: the kernel dislikes controllers that are joined later.
  Add(p, "MemoryAccounting", true);
  Add(p, "CPUAccounting", true);
  Add(p, mode == Mode::kUnified ? "IOAccounting" : "BlockIOAccounting", true);
  Add(p, "TasksAccounting", true);
  Add(p, "DefaultDependencies", false);
  return p;
}

absl::StatusOr<Properties> ResourcePropertiesV1(const oci::LinuxResources& r, int version) {
  Properties p;
  if (r.memory && r.memory->limit.value_or(0) != 0) Add(p, "MemoryLimit", Limit(*r.memory->limit));
  if (r.cpu) {
    if (r.cpu->shares.value_or(0) != 0) Add(p, "CPUShares", *r.cpu->shares);
    AddQuota(p, r.cpu->quota.value_or(0), r.cpu->period.value_or(0), version);
  }
  if (r.block_io && r.block_io->weight.value_or(0) != 0) Add(p, "BlockIOWeight", uint64_t{*r.block_io->weight});
  AddPids(p, r);
  if (r.cpu) {
    if (absl::Status s = AddCpusets(p, *r.cpu, version); !s.ok()) return s;
  }
  return p;
}

absl::StatusOr<Properties> ResourcePropertiesV2(const oci::LinuxResources& r, int version) {
  Properties p;
  if (r.memory) {
    const int64_t limit = r.memory->limit.value_or(0);
    if (limit != 0) Add(p, "MemoryMax", Limit(limit));
    if (r.memory->reservation.value_or(0) != 0) Add(p, "MemoryLow", Limit(*r.memory->reservation));
    const auto swap = SwapOfBoth(r.memory->swap.value_or(0), limit);
    if (!swap.ok()) return swap.status();
    if (swap->set) Add(p, "MemorySwapMax", Limit(swap->bytes));
  }
  if (r.cpu) {
    const uint64_t weight = SharesToWeight(r.cpu->shares.value_or(0));
    if (r.cpu->idle.value_or(0) == 1 && version >= kHasCpuIdle) {
      Add(p, "CPUWeight", uint64_t{0});
    } else if (weight != 0) {
      Add(p, "CPUWeight", weight);
    }
    AddQuota(p, r.cpu->quota.value_or(0), r.cpu->period.value_or(0), version);
  }
  AddPids(p, r);
  if (r.cpu) {
    if (absl::Status s = AddCpusets(p, *r.cpu, version); !s.ok()) return s;
  }
  if (absl::Status s = AddUnified(p, r.unified, version); !s.ok()) return s;
  return p;
}

}  // namespace runsc::cgroup

// /sys/devices/system/{cpu,node}. The CPUs are whole cores of one package and of one node: how they share the host's is
// not told, as in /proc/cpuinfo.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "sentry/fs/sys/sys_node.h"

namespace sentry {

std::string CpuRangeText(uint32_t first, uint32_t count) {
  if (count == 0) return "";
  return count == 1 ? absl::StrCat(first) : absl::StrCat(first, "-", first + count - 1);
}

std::string CpuBitsText(uint32_t first, uint32_t count, uint32_t width) {
  std::string out;
  for (uint32_t word = (width + 31) / 32; word-- > 0;) {
    uint32_t bits = 0;
    for (uint32_t bit = 0; bit < 32; ++bit) {
      const uint32_t cpu = word * 32 + bit;
      if (cpu >= first && cpu - first < count) bits |= 1u << bit;
    }
    const uint32_t in_word = std::min(width - word * 32, 32u);
    absl::StrAppendFormat(&out, "%s%0*x", out.empty() ? "" : ",", static_cast<int>((in_word + 3) / 4), bits);
  }
  return out;
}

namespace {

using base::Result;

// What cpumasks have room for here (sched_setaffinity), less one.
constexpr char kKernelMax[] = "63";

// NAME (or NAME_map), and NAME_list.
void AddMask(SysNodes& nodes, const std::string& map, const std::string& list, uint32_t first, uint32_t count,
             uint32_t width) {
  nodes.push_back(Constant(map, CpuBitsText(first, count, width)));
  nodes.push_back(Constant(list, CpuRangeText(first, count)));
}

SysNodes Topology(uint32_t cpu, uint32_t cpu_count) {
  SysNodes nodes = {Constant("core_id", absl::StrCat(cpu)), Constant("die_id", "0"),
                    Constant("physical_package_id", "0")};
  AddMask(nodes, "core_cpus", "core_cpus_list", cpu, 1, cpu_count);
  AddMask(nodes, "thread_siblings", "thread_siblings_list", cpu, 1, cpu_count);
  AddMask(nodes, "die_cpus", "die_cpus_list", 0, cpu_count, cpu_count);
  AddMask(nodes, "core_siblings", "core_siblings_list", 0, cpu_count, cpu_count);
  AddMask(nodes, "package_cpus", "package_cpus_list", 0, cpu_count, cpu_count);
  return nodes;
}

SysNode Cpu(uint32_t cpu) {
  return Directory(absl::StrCat("cpu", cpu), [cpu](const SysSource&) -> SysNodes {
    return {
        Directory("cache", [cpu](const SysSource& source) { return SysCpuCaches(cpu, source.view->CpuCount()); }),
        Directory("topology", [cpu](const SysSource& source) { return Topology(cpu, source.view->CpuCount()); }),
        Link("node0", "../../node/node0"),
        Link("subsystem", "../../../../bus/cpu"),
    };
  });
}

Result<std::string> AllCpus(const SysSource& source) { return CpuRangeText(0, source.view->CpuCount()) + "\n"; }

SysNodes Cpus(const SysSource& source) {
  SysNodes nodes;
  for (uint32_t cpu = 0; cpu < source.view->CpuCount(); ++cpu) nodes.push_back(Cpu(cpu));
  nodes.push_back(Constant("isolated", ""));
  nodes.push_back(Constant("kernel_max", kKernelMax));
  nodes.push_back(Constant("offline", ""));
  for (const char* name : {"online", "possible", "present"}) nodes.push_back(Attribute(name, AllCpus));
  return nodes;
}

Result<std::string> NodeMemory(const SysSource& source) {
  const SysView::Memory memory = source.view->GetMemory();
  const uint64_t used = memory.total - std::min(memory.free, memory.total);
  std::string out;
  const std::pair<const char*, uint64_t> rows[] = {
      {"MemTotal:", memory.total}, {"MemFree:", memory.free}, {"MemUsed:", used}};
  for (const auto& [name, bytes] : rows) absl::StrAppendFormat(&out, "Node 0 %-15s %8u kB\n", name, bytes / 1024);
  return out;
}

SysNodes Node0(const SysSource& source) {
  const uint32_t count = source.view->CpuCount();
  SysNodes nodes;
  for (uint32_t cpu = 0; cpu < count; ++cpu) {
    nodes.push_back(Link(absl::StrCat("cpu", cpu), absl::StrCat("../../cpu/cpu", cpu)));
  }
  AddMask(nodes, "cpumap", "cpulist", 0, count, count);
  nodes.push_back(Constant("distance", "10"));
  nodes.push_back(Attribute("meminfo", NodeMemory));
  nodes.push_back(Link("subsystem", "../../../../bus/node"));
  return nodes;
}

SysNodes Nodes(const SysSource&) {
  SysNodes nodes = {Directory("node0", Node0)};
  for (const char* name : {"has_cpu", "has_memory", "has_normal_memory", "online", "possible"}) {
    nodes.push_back(Constant(name, "0"));
  }
  return nodes;
}

}  // namespace

SysNode SysCpuDirectory() { return {"cpu", SysDirectory{.list = Cpus, .changes = true}}; }
SysNode SysNodeDirectory() { return Directory("node", Nodes); }

}  // namespace sentry

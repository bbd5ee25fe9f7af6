#include "runsc-cpp/shim/measures.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runsc-cpp/shim/command.h"
#include "runsc-cpp/shim/metrics_v1.pb.h"
#include "runsc-cpp/shim/metrics_v2.pb.h"

namespace runsc::shim {
namespace {

namespace v1 = ::io::containerd::cgroups::v1;
namespace v2 = ::io::containerd::cgroups::v2;

Any Pack(const google::protobuf::MessageLite& message) {
  Any any;
  any.set_type_url(message.GetTypeName());
  any.set_value(message.SerializeAsString());
  return any;
}

class Raw {
 public:
  explicit Raw(const std::map<std::string, uint64_t>& values) : values_(values) {}
  uint64_t operator()(const char* key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? 0 : found->second;
  }

 private:
  const std::map<std::string, uint64_t>& values_;
};

void Fill(v1::MemoryEntry& out, const oci::MemoryUse& entry) {
  out.set_limit(entry.limit);
  out.set_usage(entry.usage);
  out.set_max(entry.max);
  out.set_failcnt(entry.failcnt);
}

void FillTotals(v1::MemoryStat& out, const Raw& raw) {
  out.set_hierarchical_memory_limit(raw("hierarchical_memory_limit"));
  out.set_hierarchical_swap_limit(raw("hierarchical_memsw_limit"));
  out.set_total_cache(raw("total_cache"));
  out.set_total_rss(raw("total_rss"));
  out.set_total_rss_huge(raw("total_rss_huge"));
  out.set_total_mapped_file(raw("total_mapped_file"));
  out.set_total_dirty(raw("total_dirty"));
  out.set_total_writeback(raw("total_writeback"));
  out.set_total_pg_pg_in(raw("total_pgpgin"));
  out.set_total_pg_pg_out(raw("total_pgpgout"));
  out.set_total_pg_fault(raw("total_pgfault"));
  out.set_total_pg_maj_fault(raw("total_pgmajfault"));
  out.set_total_inactive_anon(raw("total_inactive_anon"));
  out.set_total_active_anon(raw("total_active_anon"));
  out.set_total_inactive_file(raw("total_inactive_file"));
  out.set_total_active_file(raw("total_active_file"));
  out.set_total_unevictable(raw("total_unevictable"));
}

void Fill(v1::MemoryStat& out, const oci::MemoryStats& memory) {
  const Raw raw(memory.raw);
  out.set_cache(raw("cache"));
  out.set_rss(raw("rss"));
  out.set_rss_huge(raw("rss_huge"));
  out.set_mapped_file(raw("mapped_file"));
  out.set_dirty(raw("dirty"));
  out.set_writeback(raw("writeback"));
  out.set_pg_pg_in(raw("pgpgin"));
  out.set_pg_pg_out(raw("pgpgout"));
  out.set_pg_fault(raw("pgfault"));
  out.set_pg_maj_fault(raw("pgmajfault"));
  out.set_inactive_anon(raw("inactive_anon"));
  out.set_active_anon(raw("active_anon"));
  out.set_inactive_file(raw("inactive_file"));
  out.set_active_file(raw("active_file"));
  out.set_unevictable(raw("unevictable"));
  FillTotals(out, raw);
  Fill(*out.mutable_usage(), memory.usage);
  Fill(*out.mutable_swap(), memory.swap);
  Fill(*out.mutable_kernel(), memory.kernel);
  Fill(*out.mutable_kernel_tcp(), memory.kernel_tcp);
}

void Fill(google::protobuf::RepeatedPtrField<v1::BlkIOEntry>* out, const std::vector<oci::BlkioEntry>& entries) {
  for (const oci::BlkioEntry& entry : entries) {
    v1::BlkIOEntry& made = *out->Add();
    made.set_op(entry.op);
    made.set_major(entry.major);
    made.set_minor(entry.minor);
    made.set_value(entry.value);
  }
}

void Fill(v2::MemoryStat& out, const oci::MemoryStats& memory) {
  const Raw raw(memory.raw);
  out.set_anon(raw("anon"));
  out.set_file(raw("file"));
  out.set_kernel_stack(raw("kernel_stack"));
  out.set_slab(raw("slab"));
  out.set_sock(raw("sock"));
  out.set_shmem(raw("shmem"));
  out.set_file_mapped(raw("file_mapped"));
  out.set_file_dirty(raw("file_dirty"));
  out.set_file_writeback(raw("file_writeback"));
  out.set_anon_thp(raw("anon_thp"));
  out.set_inactive_anon(raw("inactive_anon"));
  out.set_active_anon(raw("active_anon"));
  out.set_inactive_file(raw("inactive_file"));
  out.set_active_file(raw("active_file"));
  out.set_unevictable(raw("unevictable"));
  out.set_slab_reclaimable(raw("slab_reclaimable"));
  out.set_slab_unreclaimable(raw("slab_unreclaimable"));
  out.set_pgfault(raw("pgfault"));
  out.set_pgmajfault(raw("pgmajfault"));
  out.set_usage(memory.usage.usage);
  out.set_usage_limit(memory.usage.limit);
  out.set_max_usage(memory.usage.max);
  // cgroup/ counts memory and swap together, as v1 does.
  out.set_swap_usage(memory.swap.usage - std::min(memory.swap.usage, memory.usage.usage));
  out.set_swap_limit(memory.swap.limit == UINT64_MAX
                         ? UINT64_MAX
                         : memory.swap.limit - std::min(memory.swap.limit, memory.usage.limit));
}

void Fill(v2::IOStat& out, const oci::BlkioStats& blkio) {
  std::map<std::pair<uint64_t, uint64_t>, v2::IOEntry> devices;
  for (const auto* list : {&blkio.service_bytes, &blkio.serviced}) {
    for (const oci::BlkioEntry& entry : *list) {
      v2::IOEntry& device = devices[{entry.major, entry.minor}];
      const bool read = entry.op == "Read";
      if (list == &blkio.service_bytes)
        read ? device.set_rbytes(entry.value) : device.set_wbytes(entry.value);
      else
        read ? device.set_rios(entry.value) : device.set_wios(entry.value);
    }
  }
  for (auto& [number, device] : devices) {
    device.set_major(number.first);
    device.set_minor(number.second);
    *out.add_usage() = device;
  }
}

// /proc/PID/cgroup says where it is below the hierarchy's root, of which the mount may show a part.
std::string Directory(const cgroup::Mount& mount, absl::string_view member) {
  if (mount.root != "/" && !absl::ConsumePrefix(&member, mount.root)) return "";
  return absl::StrCat(mount.point, member == "/" ? "" : member);
}

}  // namespace

absl::StatusOr<cgroup::Cgroup> CgroupOf(pid_t pid) {
  absl::StatusOr<cgroup::Host> host = cgroup::Host::Detect(cgroup::Rootless::kNo);
  if (!host.ok()) return host.status();
  const absl::StatusOr<std::string> text = ReadFile(absl::StrCat("/proc/", pid, "/cgroup"));
  if (!text.ok()) return text.status();
  const absl::StatusOr<cgroup::Membership> member = cgroup::ParseMembership(*text);
  if (!member.ok()) return member.status();
  cgroup::CgroupState state;
  state.mode = host->layout.mode;
  for (const auto& [controller, mount] : host->layout.mounts) {
    const auto found = member->find(controller);
    const std::string directory = found == member->end() ? "" : Directory(mount, found->second);
    if (!directory.empty()) state.paths[controller] = directory;
  }
  return cgroup::Cgroup::Of(*host, std::move(state));
}

Any MetricsV1(const oci::Stats& stats) {
  v1::Metrics metrics;
  for (const auto& [size, entry] : stats.hugetlb) {
    v1::HugetlbStat& made = *metrics.add_hugetlb();
    made.set_pagesize(size);
    made.set_usage(entry.usage);
    made.set_max(entry.max);
    made.set_failcnt(entry.failcnt);
  }
  metrics.mutable_pids()->set_current(stats.pids.current);
  metrics.mutable_pids()->set_limit(stats.pids.limit);
  v1::CPUUsage& usage = *metrics.mutable_cpu()->mutable_usage();
  usage.set_total(stats.cpu.total);
  usage.set_kernel(stats.cpu.kernel);
  usage.set_user(stats.cpu.user);
  for (const uint64_t one : stats.cpu.per_cpu) usage.add_per_cpu(one);
  v1::Throttle& throttling = *metrics.mutable_cpu()->mutable_throttling();
  throttling.set_periods(stats.cpu.periods);
  throttling.set_throttled_periods(stats.cpu.throttled_periods);
  throttling.set_throttled_time(stats.cpu.throttled_time);
  Fill(*metrics.mutable_memory(), stats.memory);
  v1::BlkIOStat& io = *metrics.mutable_blkio();
  Fill(io.mutable_io_service_bytes_recursive(), stats.blkio.service_bytes);
  Fill(io.mutable_io_serviced_recursive(), stats.blkio.serviced);
  Fill(io.mutable_io_queued_recursive(), stats.blkio.queued);
  Fill(io.mutable_io_service_time_recursive(), stats.blkio.service_time);
  Fill(io.mutable_io_wait_time_recursive(), stats.blkio.wait_time);
  Fill(io.mutable_io_merged_recursive(), stats.blkio.merged);
  Fill(io.mutable_io_time_recursive(), stats.blkio.time);
  Fill(io.mutable_sectors_recursive(), stats.blkio.sectors);
  return Pack(metrics);
}

Any MetricsV2(const oci::Stats& stats) {
  v2::Metrics metrics;
  metrics.mutable_pids()->set_current(stats.pids.current);
  metrics.mutable_pids()->set_limit(stats.pids.limit);
  v2::CPUStat& cpu = *metrics.mutable_cpu();
  cpu.set_usage_usec(stats.cpu.total / 1000);
  cpu.set_user_usec(stats.cpu.user / 1000);
  cpu.set_system_usec(stats.cpu.kernel / 1000);
  cpu.set_nr_periods(stats.cpu.periods);
  cpu.set_nr_throttled(stats.cpu.throttled_periods);
  cpu.set_throttled_usec(stats.cpu.throttled_time / 1000);
  Fill(*metrics.mutable_memory(), stats.memory);
  Fill(*metrics.mutable_io(), stats.blkio);
  return Pack(metrics);
}

absl::StatusOr<Any> Measure(const cgroup::Cgroup& cgroup) {
  const absl::StatusOr<oci::Stats> stats = cgroup.ReadStats();
  if (!stats.ok()) return stats.status();
  return cgroup.state().mode == cgroup::Mode::kUnified ? MetricsV2(*stats) : MetricsV1(*stats);
}

}  // namespace runsc::shim

#include "runsc-cpp/container/measure.h"

#include <optional>

#include "runsc-cpp/container/ask.h"
#include "runsc-cpp/container/cgroup_record.h"
#include "runsc-cpp/container/sandbox_of.h"

namespace runsc {
namespace {

void AddGuests(const sentry::control::Stats& guest, bool shared, oci::Stats& out) {
  out.pids.current = guest.processes();
  if (!shared) return;
  out.cpu.user = guest.cpu_user_ns();
  out.cpu.kernel = guest.cpu_system_ns();
  out.cpu.total = guest.cpu_user_ns() + guest.cpu_system_ns();
  out.cpu.per_cpu.clear();
  out.cpu.per_cpu_user.clear();
  out.cpu.per_cpu_kernel.clear();
  out.memory.usage.usage = guest.memory_bytes();
}

}  // namespace

absl::StatusOr<oci::Stats> MeasureContainer(const RuntimeOptions& runtime, const ContainerRecord& record) {
  absl::StatusOr<std::optional<cgroup::Cgroup>> cgroup = CgroupOf(runtime, record);
  if (!cgroup.ok()) return cgroup.status();
  oci::Stats stats;
  if (cgroup->has_value()) {
    absl::StatusOr<oci::Stats> read = (*cgroup)->ReadStats();
    if (!read.ok()) return read.status();
    stats = *std::move(read);
  }
  sentry::control::Request request;
  request.mutable_stats()->set_id(record.id());
  const absl::StatusOr<sentry::control::Response> response = AskSandbox(runtime, record, request);
  if (!response.ok() || response->error() != 0) return stats;  // it ends just now
  AddGuests(response->stats(), MembersOf(runtime.root, record.sandbox()).size() > 1, stats);
  return stats;
}

}  // namespace runsc

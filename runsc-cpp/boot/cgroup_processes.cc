#include "runsc-cpp/boot/cgroup_processes.h"

#include "sentry/kernel/acting_namespaces.h"
#include "sentry/kernel/pid_table.h"
#include "sentry/kernel/task.h"

namespace runsc {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

Result<std::vector<CgroupMember*>> KernelCgroupProcesses::Find(const VfsContext& ctx, int32_t pid, Which which,
                                                               std::vector<RefPtr<base::RefCounted>>& keep) {
  const int32_t own = which == Which::kProcess ? ctx.tgid : ctx.tid;
  const PidNamespace& callers = ctx.process ? ctx.process->ns() : kernel_.root_pid_ns();
  RefPtr<Task> task = pid == 0 ? kernel_.FindTask(own, kernel_.root_pid_ns()) : kernel_.FindTask(pid, callers);
  if (!task) return Errno::kESRCH;
  std::vector<CgroupMember*> members;
  const auto add = [&](RefPtr<Task> found) {
    members.push_back(&found->cgroup_member());
    keep.push_back(std::move(found));
  };
  if (which == Which::kThread) {
    add(std::move(task));
    return members;
  }
  // A number of any thread stands for its process.
  for (RefPtr<Task>& thread : task->group().tasks()) add(std::move(thread));
  keep.push_back(std::move(task));
  return members;
}

int32_t KernelCgroupProcesses::NumberOf(const VfsContext& ctx, int32_t id) {
  return kernel_.pids().NumberOf(id, ctx.process ? ctx.process->ns() : kernel_.root_pid_ns());
}

RefPtr<Cgroup> KernelCgroupProcesses::NamespaceRoot(const VfsContext& ctx) {
  return NamespacesOf(kernel_, ctx)->cgroup->root();
}

void RemoveCgroup(Cgroup& cgroup) {
  for (const RefPtr<Cgroup>& child : cgroup.Children()) RemoveCgroup(*child);
  (void)cgroup.Remove();
}

}  // namespace runsc

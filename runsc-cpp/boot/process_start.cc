#include "runsc-cpp/boot/process_start.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/boot/home.h"
#include "runsc-cpp/boot/mount_points.h"
#include "runsc-cpp/boot/program.h"
#include "sentry/kernel/cgroup/cgroup.h"
#include "sentry/kernel/sched/task_sched.h"
#include "sentry/kernel/seccomp/bpf.h"
#include "sentry/kernel/seccomp/task_seccomp.h"
#include "sentry/vfs/operations.h"

namespace runsc {
namespace {

using namespace sentry;  // NOLINT: all names of this file are the kernel's

std::vector<std::string> Strings(const google::protobuf::RepeatedPtrField<std::string>& field) {
  return {field.begin(), field.end()};
}

// EINVAL: an id that the user namespace does not know.
Result<RefPtr<Credentials>> MakeCredentials(const control::Process& process, const RefPtr<UserNamespace>& user_ns) {
  RefPtr<Credentials> creds = MakeRef<Credentials>();
  creds->user_ns = user_ns;
  creds->uid = creds->euid = creds->suid = creds->fsuid = user_ns->ToKernelUid(process.uid());
  creds->gid = creds->egid = creds->sgid = creds->fsgid = user_ns->ToKernelGid(process.gid());
  for (const uint32_t gid : process.additional_gids()) creds->groups.push_back(user_ns->ToKernelGid(gid));
  const bool mapped = std::find(creds->groups.begin(), creds->groups.end(), kInvalidId) == creds->groups.end();
  if (!mapped || creds->uid == kInvalidId || creds->gid == kInvalidId) return Errno::kEINVAL;
  std::sort(creds->groups.begin(), creds->groups.end());
  creds->groups.erase(std::unique(creds->groups.begin(), creds->groups.end()), creds->groups.end());
  const uint64_t known = CapabilitySet::All().bits;
  creds->bounding.bits = process.capabilities().bounding() & known;
  creds->effective.bits = process.capabilities().effective() & known;
  creds->permitted.bits = process.capabilities().permitted() & known;
  creds->inheritable.bits = process.capabilities().inheritable() & known;
  creds->ambient.bits = process.capabilities().ambient() & known;
  creds->no_new_privs = process.no_new_privileges();
  return creds;
}

// struct sock_filter after struct sock_filter, as the request has them. EINVAL.
Result<std::vector<abi::SockFilter>> ReadSeccomp(const std::string& bytes) {
  std::vector<abi::SockFilter> program(bytes.size() / sizeof(abi::SockFilter));
  if (bytes.size() % sizeof(abi::SockFilter) != 0) return Errno::kEINVAL;
  std::memcpy(program.data(), bytes.data(), bytes.size());
  if (!program.empty()) TRY(BpfProgram::Create(program));
  return program;
}

abi::SchedAttr ToSchedAttr(const control::Scheduler& s) {
  return {.policy = s.policy(),
          .flags = s.flags(),
          .nice = s.nice(),
          .priority = s.priority(),
          .runtime = s.runtime(),
          .deadline = s.deadline(),
          .period = s.period()};
}

uint64_t CpuMask(const control::Process& process) {
  uint64_t mask = 0;
  for (const uint32_t cpu : process.cpus()) mask |= cpu < 64 ? uint64_t{1} << cpu : 0;
  return mask;
}

absl::Status CheckScheduling(const control::Process& process) {
  if (process.has_scheduler() && !ChangeSched({}, ToSchedAttr(process.scheduler()), nullptr).ok()) {
    return absl::InvalidArgumentError("process.scheduler: not what sched_setattr(2) takes here");
  }
  if (!CheckIoPriority(static_cast<int32_t>(process.io_priority()), true).ok()) {
    return absl::InvalidArgumentError("process.ioPriority: not what ioprio_set(2) takes");
  }
  return absl::OkStatus();
}

// All of it was checked before.
void SetScheduling(const control::Process& process, Task& task) {
  if (process.has_scheduler()) (void)task.sched().Change(ToSchedAttr(process.scheduler()), nullptr);
  if (process.io_priority() != 0) task.sched().SetIoPriority(static_cast<int32_t>(process.io_priority()));
  if (process.cpus_size() != 0) (void)task.sched().SetCpus(CpuMask(process), task.allowed_cpus());
}

void PrepareTask(const control::Process& process, const RefPtr<FileDescription>& terminal, Task& task) {
  SetScheduling(process, task);
  task.group().oom_score_adj = std::clamp(process.oom_score_adj(), -1000, 1000);
  abi::SigAction ignore;
  ignore.handler = abi::kSigIgn;
  for (int signo = 1; signo <= abi::kSigMax; ++signo) {
    if ((process.ignored_signals() >> (signo - 1) & 1) != 0) task.group().ExchangeAction(signo, ignore);
  }
  if (terminal) (void)MakeControlling(task.vfs_context(), terminal);
  const Result<std::vector<abi::SockFilter>> filter = ReadSeccomp(process.seccomp());
  if (!filter.ok() || filter->empty()) return;  // it was checked before
  const uint64_t flags = process.seccomp_log() ? abi::kSeccompFilterLog : 0;
  // Never without it: a process that can't be filtered does not run.
  if (!InstallSeccompProgram(task, *filter, flags).ok()) task.group().Exit({.signo = abi::kSigSys});
}

}  // namespace

void Refuse(control::Response& response, const absl::Status& status) {
  response.set_error(static_cast<int>(Errno::kEIO));
  response.set_message(std::string(status.message()));
}

absl::Status CheckCpus(const control::Process& process, const Cgroup& cgroup) {
  if (process.cpus_size() == 0 || (CpuMask(process) & cgroup.effective_cpus()) != 0) return absl::OkStatus();
  return absl::InvalidArgumentError("process.execCPUAffinity: none of these CPUs is the container's");
}

void RefuseProgram(control::Response& response, Errno error) {
  response.set_error(static_cast<int>(error));
  response.set_stage(control::Response::PROGRAM);
}

bool DescribeProcess(const control::Process& process, const ContainerMounts& mounts, const StandardStreams& streams,
                     Kernel::InitProcess& init, control::Response& response) {
  init.mounts = mounts.mounts;
  init.root = mounts.mounts->root();
  const Result<RefPtr<Credentials>> creds = MakeCredentials(process, mounts.mounts->owner());
  if (!creds.ok()) {
    Refuse(response, absl::InvalidArgumentError("process.user: has an id without a mapping in the user namespace"));
    return false;
  }
  init.creds = *creds;
  init.fds = streams.fds;
  init.argv = Strings(process.args());
  init.envp = Strings(process.env());
  init.umask = process.umask() & 0777;
  init.personality = process.personality();
  for (const control::Rlimit& limit : process.rlimits()) {
    if (limit.resource() >= static_cast<uint32_t>(RlimitKind::kCount)) continue;
    init.limits.push_back({static_cast<RlimitKind>(limit.resource()), {limit.soft(), limit.hard()}});
  }
  if (!ReadSeccomp(process.seccomp()).ok()) {
    Refuse(response, absl::InvalidArgumentError("the seccomp program is not one that a kernel takes"));
    return false;
  }
  if (absl::Status s = CheckScheduling(process); !s.ok()) {
    Refuse(response, s);
    return false;
  }
  VfsContext ctx = KernelContext(mounts.mounts);
  ctx.creds = init.creds;
  Result<Path> cwd = ResolvePath(ctx, ctx.root, process.cwd(), {.directory = true});
  if (cwd.Is(Errno::kENOENT) && process.make_cwd()) {
    const VfsContext kernel = KernelContext(mounts.mounts);
    (void)MakeDirectories(kernel, process.cwd());
    cwd = ResolvePath(ctx, ctx.root, process.cwd(), {.directory = true});
  }
  if (!cwd.ok()) {
    response.set_error(static_cast<int>(cwd.error()));
    response.set_stage(control::Response::CWD);
    return false;
  }
  init.cwd = ctx.cwd = *cwd;
  const bool homeless = std::none_of(init.envp.begin(), init.envp.end(), [](const std::string& entry) {
    return entry.size() > 5 && entry.compare(0, 5, "HOME=") == 0;
  });
  if (process.set_home() && homeless) {
    std::erase(init.envp, "HOME=");
    init.envp.push_back("HOME=" + HomeOf(KernelContext(mounts.mounts), process.uid()));
  }
  const std::string first = init.argv.empty() ? "" : init.argv[0];
  const Result<std::string> program =
      FindProgram(ctx, process.program().empty() ? first : process.program(), init.envp);
  if (!program.ok()) {
    RefuseProgram(response, program.error());
    return false;
  }
  init.path = *program;
  init.before_start = [process, terminal = streams.pty.slave](Task& task) { PrepareTask(process, terminal, task); };
  return true;
}

}  // namespace runsc

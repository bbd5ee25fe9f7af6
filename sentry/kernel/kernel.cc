#include "sentry/kernel/kernel.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "sentry/kernel/task_impl.h"
#include "sentry/loader/loader.h"
#include "sentry/loader/vdso.h"

namespace sentry {

using base::MutexLock;

Kernel::Kernel(Options options)
    : options_(std::move(options)),
      code_cache_(*options_.memory_file),
      boot_time_ns_(RealtimeNowNs()),
      cgroups_(std::make_unique<CgroupTree>(
          CgroupTree::Options{.memory = options_.memory_file,
                              .cpus = all_cpus(),
                              .wake_at = [this](int64_t deadline_ns) { WakeCgroupsAt(deadline_ns); }})),
      deadlines_(std::make_unique<DeadlineBandwidth>(options_.cpu_count)),
      pids_(std::make_unique<PidTable>(options_.max_tasks)),
      futexes_(std::make_unique<FutexTable>()),
      timers_(std::make_unique<TimerQueue>()),
      first_namespaces_(base::MakeRef<Nsproxy>()) {
  first_namespaces_->uts = base::MakeRef<UtsNamespace>(options_.uts);
  first_namespaces_->ipc = base::MakeRef<IpcNamespace>();
  first_namespaces_->pid_for_children = RefPtr<PidNamespace>(&pids_->root());
  first_namespaces_->net = base::MakeRef<NetNamespace>();
  first_namespaces_->cgroup = base::MakeRef<CgroupNamespace>(cgroups_->root());
  platform::LearnHostNice();
  PrepareVdso();
}

// Programs run without one, only slower; so a failure is no end.
void Kernel::PrepareVdso() {
  if (!options_.memory_file) return;
  Result<Vdso> vdso = MakeVdso(*options_.memory_file, options_.platform != nullptr ? platform().info().host_vdso : 0);
  if (!vdso.ok()) {
    LOG(kWarning, "no vDSO: errno %d", static_cast<int>(vdso.error()));
    return;
  }
  vdso_ = vdso->image;
  vdso_size_ = vdso->size;
}

Kernel::~Kernel() = default;

// Under the groups' lock, so one at a time. A later look that was asked for before does no harm.
void Kernel::WakeCgroupsAt(int64_t deadline_ns) {
  if (deadline_ns >= cgroups_wake_.load(std::memory_order_relaxed)) return;
  cgroups_wake_.store(deadline_ns, std::memory_order_relaxed);
  timers_->Arm(deadline_ns, [this] {
    cgroups_wake_.store(INT64_MAX, std::memory_order_relaxed);
    cgroups_->Tick();
  });
}

RefPtr<Nsproxy> Kernel::NamespacesFor(const InitProcess& init) const {
  RefPtr<Nsproxy> namespaces = first_namespaces_->Copy();
  if (init.uts) namespaces->uts = init.uts;
  if (init.ipc) namespaces->ipc = init.ipc;
  if (init.net) namespaces->net = init.net;
  if (init.pid_ns) namespaces->pid_for_children = init.pid_ns;
  if (init.cgroup_namespace) namespaces->cgroup = init.cgroup_namespace;
  return namespaces;
}

Result<RefPtr<Task>> Kernel::MakeInitTask(const InitProcess& init) {
  RefPtr<ThreadGroup> group = base::MakeRef<ThreadGroup>(*this, base::MakeRef<SignalActions>());
  for (const auto& [kind, limit] : init.limits) group->SetLimit(kind, limit);
  std::shared_ptr<platform::AddressSpaces> spaces = init.spaces;
  if (!spaces) spaces = {std::shared_ptr<void>(), &platform()};
  RefPtr<MemoryManager> mm = TRY(MemoryManager::Create(std::move(spaces), memory_file(), &code_cache_));
  mm->SetLimits(group->mm_limits(*init.creds));
  const VfsContext ctx = {.creds = init.creds,
                          .root = init.root,
                          .cwd = init.cwd,
                          .mounts = init.mounts.get(),
                          .umask = init.umask,
                          .memory = mm.get()};
  LoadRequest request = {.start = init.cwd,
                         .path = init.path,
                         .flags = {},
                         .argv = init.argv,
                         .envp = init.envp,
                         .stack_limit = group->soft_limit(RlimitKind::kStack),
                         .personality = init.personality,
                         .vdso = vdso_,
                         .vdso_size = vdso_size_};
  LoadedProgram program = TRY(LoadProgram(ctx, *mm, request));
  std::unique_ptr<platform::Context> context = TRY(platform().NewContext());

  RefPtr<Task> task = RefPtr<Task>::Adopt(new Task(std::move(group), std::move(context)));
  task->mm_ = std::move(mm);
  task->SetFs(base::MakeRef<FsContext>(init.root, init.cwd, init.umask));
  task->creds_ = program.credentials;
  task->mm_->SetLimits(task->group_->mm_limits(*program.credentials));
  task->group_->SetMemoryNs(program.credentials->user_ns);
  task->mounts_ = init.mounts;
  task->nsproxy_ = NamespacesFor(init);
  task->regs_ = program.registers;
  task->regs_.orig_rax = UINT64_MAX;
  task->context_->SetFpState(arch::FpState());
  task->SetName(program.name);
  task->personality = program.personality;
  return task;
}

Result<RefPtr<ThreadGroup>> Kernel::StartProcess(InitProcess init) {
  FixedCharger charger(init.cgroup ? init.cgroup->memory() : cgroups_->root()->memory());
  const MemChargerScope scope(&charger);
  const RefPtr<Task> task = TRY(MakeInitTask(init));
  TRY(cgroups_->Join(task->cgroup_member(), nullptr, init.cgroup.get()));
  RefPtr<ThreadGroup> group(&task->group());
  PidTable::NewProcess process;
  process.leader = task;
  process.ns = task->nsproxy_->pid_for_children;
  process.unkillable_as_init = init.pid_ns || options_.init_ignores_signals;
  process.new_session = true;
  process.terminal = init.controlling_terminal;
  process.exit_signal = abi::kSigChld;
  group->on_end_ = std::move(init.on_end);
  if (const Result<void> added = pids_->AddProcess(std::move(process), nullptr); !added.ok()) {
    group->on_end_ = nullptr;
    task->ReleaseUnstarted();
    return added.error();
  }
  // Closing is the task's business from here on.
  task->SetFds(std::move(init.fds));
  if (init.before_start) init.before_start(*task);
  if (Result<void> started = task->Start(); !started.ok()) {
    group->on_end_ = nullptr;
    task->RunAbandoned();
    return started.error();
  }
  return group;
}

ExitStatus Kernel::WaitForExit(ThreadGroup& group) {
  pids_->WaitForEnd(group);
  return group.exit_status();
}

void Kernel::ThreadStarted() {
  MutexLock lock(threads_mu_);
  ++threads_;
}

// Nothing of the kernel is touched after the lock: Shutdown's caller may be
// about to destroy it.
void Kernel::ThreadEnded() {
  MutexLock lock(threads_mu_);
  --threads_;
  threads_changed_.SignalAll();
}

void Kernel::Shutdown() {
  while (true) {
    KillNamespace(root_pid_ns());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    MutexLock lock(threads_mu_);
    // A clone that was under way may have added a process since: look again.
    while (threads_ > 0 && threads_changed_.WaitUntil(threads_mu_, deadline)) {
    }
    if (threads_ == 0) return;
  }
}

PidNamespace& Kernel::root_pid_ns() const { return pids_->root(); }
RefPtr<PidNamespace> Kernel::NewPidNamespace(size_t max_tasks) {
  return base::MakeRef<PidNamespace>(RefPtr<PidNamespace>(&root_pid_ns()), max_tasks);
}
void Kernel::KillNamespace(const PidNamespace& ns) {
  for (const RefPtr<ThreadGroup>& group : pids_->Groups(ns)) group->Exit({.signo = abi::kSigKill});
}

RefPtr<Task> Kernel::FindTask(int32_t number, const PidNamespace& ns) const { return pids_->FindTask(number, ns); }
RefPtr<ThreadGroup> Kernel::FindGroup(int32_t number, const PidNamespace& ns) const {
  return pids_->FindGroup(number, ns);
}
std::vector<RefPtr<ThreadGroup>> Kernel::Groups(const PidNamespace& ns) const { return pids_->Groups(ns); }
size_t Kernel::task_count() const { return pids_->task_count(); }

Result<void> Kernel::SetProcessGroup(Task& caller, int32_t pid, int32_t pgid) {
  return pids_->SetProcessGroup(caller, pid, pgid);
}
Result<int32_t> Kernel::CreateSession(Task& caller) { return pids_->CreateSession(caller); }

Result<void> Kernel::SignalFromRuntime(ThreadGroup& group, int signo) {
  return group.SendSignalFrom({.signo = signo, .code = abi::kSiKernel}, ThreadGroup::Origin::kRuntime);
}

void Kernel::KillLostProcesses() {
  for (const RefPtr<ThreadGroup>& group : Groups(root_pid_ns())) {
    // Any task of it will do: they share one address space.
    const std::vector<RefPtr<Task>> tasks = group->tasks();
    const RefPtr<MemoryManager> mm = tasks.empty() ? nullptr : tasks.front()->SharedMm();
    const std::optional<std::string> cause = mm ? mm->address_space().Lost() : std::nullopt;
    if (!cause || group->exiting()) continue;
    LOG(kWarning, "process %d (%s) is lost with its stub: %s", group->tgid(), tasks.front()->name(), *cause);
    group->Exit({.signo = abi::kSigKill});
  }
}

Result<void> Kernel::SignalProcessGroup(int32_t pgid, const SigInfo& info) {
  const std::vector<RefPtr<ThreadGroup>> members = pids_->GroupMembers(pgid);
  if (members.empty()) return Errno::kESRCH;
  // A terminal's signals (Ctrl-C) come from the person outside, so they reach
  // even an init that has no handler.
  const auto origin = info.code == abi::kSiKernel ? ThreadGroup::Origin::kRuntime : ThreadGroup::Origin::kGuest;
  Result<void> result = Errno::kESRCH;
  bool any = false;
  for (const RefPtr<ThreadGroup>& group : members) {
    result = group->SendSignalFrom(info, origin);
    any = any || result.ok();
  }
  if (any) return Ok();
  return result;
}

}  // namespace sentry

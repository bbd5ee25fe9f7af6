// Task: what it holds and shares, and the start of its host thread.
#include "sentry/kernel/task.h"

#include <pthread.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/signal_block.h"
#include "sentry/abi/sched.h"
#include "sentry/kernel/block.h"
#include "sentry/kernel/ipc/acting_process.h"
#include "sentry/kernel/task_impl.h"

namespace sentry {

using base::MutexLock;

namespace {

// A task's C++ stack: no recursion, no large buffers (a path or two at most).
constexpr size_t kStackSize = 256 << 10;
constexpr size_t kNameMaxBytes = 15;

uint64_t NextSerial() {
  static std::atomic<uint64_t> next{1};  // only ever counted up
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

Task::Task(RefPtr<ThreadGroup> group, std::unique_ptr<platform::Context> context)
    : group_(std::move(group)),
      start_time_ns_(BoottimeNow()),
      serial_(NextSerial()),
      context_(std::move(context)),
      impl_(std::make_unique<Impl>(*this)) {}

Task::~Task() = default;

std::string Task::name() const {
  MutexLock lock(resources_mu_);
  return name_;
}

void Task::SetName(std::string_view name) {
  std::string copy(name.substr(0, std::min(name.size(), kNameMaxBytes)));
  MutexLock lock(resources_mu_);
  name_.swap(copy);
}

VfsContext Task::vfs_context() {
  return {.creds = creds_,
          .root = fs_->root(),
          .cwd = fs_->cwd(),
          .mounts = mounts_.get(),
          .umask = fs_->umask(),
          .file_size_limit = group_->soft_limit(RlimitKind::kFsize),
          .job = this,
          .memory = mm_.get(),
          .tid = tid(),
          .tgid = group_->tgid(),
          .process = &group_->pid()};
}

int32_t Task::IdOf(int32_t number) const { return kernel().pids().IdOf(number, pid_ns()); }
int32_t Task::NumberOf(int32_t id) const { return kernel().pids().NumberOf(id, pid_ns()); }
RefPtr<Task> Task::FindTask(int32_t number) const { return kernel().pids().FindTask(number, pid_ns()); }
RefPtr<ThreadGroup> Task::FindGroup(int32_t number) const { return kernel().pids().FindGroup(number, pid_ns()); }
std::vector<RefPtr<ThreadGroup>> Task::VisibleGroups() const { return kernel().pids().Groups(pid_ns()); }

RefPtr<MemoryManager> Task::SharedMm() const {
  MutexLock lock(resources_mu_);
  return mm_;
}
RefPtr<FdTable> Task::SharedFds() const {
  MutexLock lock(resources_mu_);
  return fds_;
}
RefPtr<FsContext> Task::SharedFs() const {
  MutexLock lock(resources_mu_);
  return fs_;
}
RefPtr<Credentials> Task::SharedCreds() const {
  MutexLock lock(resources_mu_);
  return creds_;
}
RefPtr<MountNamespace> Task::mounts() const {
  MutexLock lock(resources_mu_);
  return mounts_;
}

RefPtr<Nsproxy> Task::SharedNsproxy() const {
  MutexLock lock(resources_mu_);
  return nsproxy_;
}

// The old object is let go after the lock: its end can run a file system's or
// the platform's code.
void Task::SetMm(RefPtr<MemoryManager> mm) {
  MutexLock lock(resources_mu_);
  std::swap(mm_, mm);
}
void Task::SetFs(RefPtr<FsContext> fs) {
  if (fs) fs->AddUser();
  {
    MutexLock lock(resources_mu_);
    std::swap(fs_, fs);
  }
  if (fs) fs->DropUser();
}
void Task::SetCreds(RefPtr<Credentials> creds) {
  if (creds->Has(Capability::kIpcLock) != creds_->Has(Capability::kIpcLock)) {
    mm_->SetLimits(group_->mm_limits(*creds));
  }
  {
    MutexLock lock(resources_mu_);
    std::swap(creds_, creds);
  }
  context_->ForgetAnswers();
}
void Task::SetMounts(RefPtr<MountNamespace> mounts) {
  MutexLock lock(resources_mu_);
  std::swap(mounts_, mounts);
}

void Task::SetNsproxy(RefPtr<Nsproxy> nsproxy) {
  MutexLock lock(resources_mu_);
  std::swap(nsproxy_, nsproxy);
}

void Task::SetFds(RefPtr<FdTable> fds) {
  if (fds) fds->AddUser();
  {
    MutexLock lock(resources_mu_);
    std::swap(fds_, fds);
  }
  if (fds && fds->DropUser()) CloseTable(std::move(fds));
}

// --- The host thread -------------------------------------------------------

Result<void> Task::Start() {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, kStackSize);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  IncRef();  // the thread's own
  kernel().ThreadStarted();
  pthread_t thread;
  int rc;
  {
    const base::SignalBlock block;
    rc = pthread_create(&thread, &attr, &Task::ThreadMain, this);
  }
  pthread_attr_destroy(&attr);
  if (rc == 0) return Ok();
  kernel().ThreadEnded();
  DecRef();
  return Errno::kEAGAIN;
}

void* Task::ThreadMain(void* arg) {
  Task* task = static_cast<Task*>(arg);
  Kernel& kernel = task->kernel();
  char name[16];
  snprintf(name, sizeof(name), "task-%d", task->tid());
  pthread_setname_np(pthread_self(), name);
  {
    const ActingProcess acting(task->group().pid());
    task->Run();
  }
  task->DecRef();
  kernel.ThreadEnded();
  return nullptr;
}

// --- JobControl --------------------------------------------------------------

int32_t Task::process_group() const { return group_->process_group_id(); }
int32_t Task::session() const { return group_->session_id(); }
bool Task::process_group_orphaned() const { return kernel().pids().Orphaned(*group_); }
bool Task::signal_ignored(int signo) const { return blocked().Has(signo) || group_->actions()->IsIgnored(signo); }
Result<int32_t> Task::FindProcessGroup(int32_t number, int32_t session) const {
  return kernel().pids().FindProcessGroup(number, pid_ns(), session);
}
const void* Task::controlling_terminal() const { return kernel().pids().terminal(*group_); }
void Task::SetControllingTerminal(RefPtr<base::RefCounted> terminal) {
  kernel().pids().SetTerminal(*group_, std::move(terminal));
}
void Task::ClearControllingTerminal() { kernel().pids().SetTerminal(*group_, nullptr); }

Interruptible<Task::WaitOutcome> Task::Wait(const WaitArgs& args) {
  const bool wait = (args.options & abi::kWNoHang) == 0;
  Interruptible<WaitOutcome> outcome =
      BlockUntil(*this, wait ? &group_->child_events() : nullptr, ThreadGroup::kChildEvent, std::nullopt,
                 [&] { return kernel().pids().TryWait(*this, args); });
  const Errno* error = outcome.ok() ? nullptr : outcome.error().errno_if();
  if (!wait && error && *error == Errno::kEAGAIN) return WaitOutcome{};
  return outcome;
}

}  // namespace sentry

#include "sentry/kernel/seccomp/notifier.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "sentry/kernel/task.h"
#include "sentry/vfs/simple_inode.h"

namespace sentry {

using base::MutexLock;

namespace {

constexpr base::EventMask kIn = base::kEventIn | base::kEventRdNorm;
constexpr base::EventMask kOut = base::kEventOut | base::kEventWrNorm;

// Numbers of one listener should not be taken for those of another.
uint64_t FirstId() {
  uint64_t id = 0;
  (void)!getrandom(&id, sizeof id, 0);
  return id;
}

}  // namespace

SeccompNotifier::SeccompNotifier(TakenWait taken_wait) : taken_wait_(taken_wait), next_id_(FirstId()) {}

// --- The filtered task ---

bool SeccompNotifier::Add(SeccompCall& call) {
  {
    MutexLock lock(mu_);
    if (closed_) return false;
    call.id = next_id_++;
    calls_.push_back(&call);
  }
  wait_queue_.Notify(kIn);
  return true;
}

SeccompNotifier::Progress SeccompNotifier::Look(const SeccompCall& call) {
  MutexLock lock(mu_);
  if (call.state == SeccompCall::State::kAnswered) return Progress::kAnswered;
  const bool taken = call.state == SeccompCall::State::kTaken;
  return taken && taken_wait_ == TakenWait::kKillable ? Progress::kWaitsKillable : Progress::kWaits;
}

bool SeccompNotifier::Withdraw(SeccompCall& call, Cause cause) {
  MutexLock lock(mu_);
  if (cause == Cause::kSignal) {
    if (call.state == SeccompCall::State::kAnswered) return false;
    if (call.state == SeccompCall::State::kTaken && taken_wait_ == TakenWait::kKillable) return false;
  }
  calls_.remove(&call);
  return true;
}

abi::SeccompNotifResp SeccompNotifier::TakeAnswer(SeccompCall& call) {
  MutexLock lock(mu_);
  calls_.remove(&call);
  return call.answer;
}

// --- The listener ---

SeccompCall* SeccompNotifier::FindLocked(uint64_t id) {
  const auto it = std::find_if(calls_.begin(), calls_.end(), [id](const SeccompCall* c) { return c->id == id; });
  return it == calls_.end() ? nullptr : *it;
}

void SeccompNotifier::AnswerLocked(SeccompCall& call, const abi::SeccompNotifResp& answer) {
  call.state = SeccompCall::State::kAnswered;
  call.answer = answer;
  call.task.Wake();
}

Result<abi::SeccompNotif> SeccompNotifier::Receive() {
  abi::SeccompNotif out = {};
  {
    MutexLock lock(mu_);
    const auto it = std::find_if(calls_.begin(), calls_.end(),
                                 [](const SeccompCall* c) { return c->state == SeccompCall::State::kNew; });
    if (it == calls_.end()) return no_tasks_ ? Errno::kENOENT : Errno::kEAGAIN;
    SeccompCall& call = **it;
    call.state = SeccompCall::State::kTaken;
    out.id = call.id;
    out.pid = static_cast<uint32_t>(call.task.tid());
    out.data = call.data;
    // It sleeps another sleep from now on.
    if (taken_wait_ == TakenWait::kKillable) call.task.Wake();
  }
  wait_queue_.Notify(kOut);
  return out;
}

void SeccompNotifier::PutBack(uint64_t id) {
  {
    MutexLock lock(mu_);
    SeccompCall* const call = FindLocked(id);
    if (call == nullptr || call->state != SeccompCall::State::kTaken) return;
    call->state = SeccompCall::State::kNew;
    call->task.Wake();
  }
  wait_queue_.Notify(kIn);
}

Result<void> SeccompNotifier::Send(const abi::SeccompNotifResp& answer) {
  MutexLock lock(mu_);
  SeccompCall* const call = FindLocked(answer.id);
  if (call == nullptr) return Errno::kENOENT;
  if (call->state != SeccompCall::State::kTaken) return Errno::kEINPROGRESS;
  AnswerLocked(*call, answer);
  return Ok();
}

Result<void> SeccompNotifier::CheckId(uint64_t id) {
  MutexLock lock(mu_);
  const SeccompCall* const call = FindLocked(id);
  if (call == nullptr || call->state != SeccompCall::State::kTaken) return Errno::kENOENT;
  return Ok();
}

// Linux has the filtered task do it itself. It sleeps, so nobody can tell.
Result<SeccompNotifier::AddedFd> SeccompNotifier::AddFd(const abi::SeccompNotifAddfd& request,
                                                        RefPtr<FileDescription> file) {
  AddedFd added = {.fd = static_cast<int32_t>(request.newfd), .replaced = nullptr, .table = nullptr};
  MutexLock lock(mu_);
  SeccompCall* const call = FindLocked(request.id);
  if (call == nullptr) return Errno::kENOENT;
  if (call->state != SeccompCall::State::kTaken) return Errno::kEINPROGRESS;
  added.table = call->task.SharedFds();
  const uint64_t limit = call->task.group().soft_limit(RlimitKind::kNofile);
  const CloseOnExec cloexec = (request.newfd_flags & abi::kOCloExec) != 0 ? CloseOnExec::kYes : CloseOnExec::kNo;
  if ((request.flags & abi::kSeccompAddfdSetfd) != 0) {
    added.replaced = TRY(added.table->InstallAt(added.fd, std::move(file), cloexec, limit));
  } else {
    added.fd = TRY(added.table->Install(std::move(file), cloexec, limit));
  }
  if ((request.flags & abi::kSeccompAddfdSend) != 0) AnswerLocked(*call, {call->id, added.fd, 0, 0});
  return added;
}

void SeccompNotifier::Close() {
  MutexLock lock(mu_);
  closed_ = true;
  for (SeccompCall* call : calls_) {
    if (call->state == SeccompCall::State::kAnswered) continue;
    AnswerLocked(*call, {call->id, 0, -static_cast<int32_t>(Errno::kENOSYS), 0});
  }
}

base::EventMask SeccompNotifier::Readiness() {
  base::EventMask ready = 0;
  MutexLock lock(mu_);
  for (const SeccompCall* call : calls_) {
    if (call->state == SeccompCall::State::kNew) ready |= kIn;
    if (call->state == SeccompCall::State::kTaken) ready |= kOut;
  }
  return no_tasks_ ? ready | base::kEventHup : ready;
}

void SeccompNotifier::NoTasksLeft() {
  {
    MutexLock lock(mu_);
    no_tasks_ = true;
  }
  wait_queue_.Notify(base::kEventHup);
}

bool SeccompNotifier::closed() const {
  MutexLock lock(mu_);
  return closed_;
}

// --- SeccompListener ---

SeccompListener::SeccompListener(Path path, RefPtr<SeccompNotifier> notifier)
    : FileDescription(std::move(path), abi::kORdWr), notifier_(std::move(notifier)) {}

SeccompListener::~SeccompListener() { notifier_->Close(); }

RefPtr<SeccompListener> SeccompListener::Create(RefPtr<SeccompNotifier> notifier) {
  Path path = InternalPath(InternalFs::kAnonInode, AnonInode(), "anon_inode:seccomp notify");
  return base::MakeRef<SeccompListener>(std::move(path), std::move(notifier));
}

const void* SeccompListener::Kind() {
  static const char kKind = 0;
  return &kKind;
}

}  // namespace sentry

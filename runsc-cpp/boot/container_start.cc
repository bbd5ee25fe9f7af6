// From a container that was created to its first process: at once, or with a halt before its first instruction.
#include "base/thread.h"
#include "runsc-cpp/boot/container.h"
#include "runsc-cpp/boot/process_start.h"

namespace runsc {

using namespace sentry;  // NOLINT: all names of this file are the kernel's
using base::MutexLock;

bool Container::CheckMayStart(control::Response& response) const {
  if (state_ == State::kCreated || state_ == State::kPrepared) return true;
  response.set_error(static_cast<int>(Errno::kEBUSY));
  response.set_message(state_ == State::kRunning ? "container is already running"
                       : state_ == State::kEnded ? "container not running"
                                                 : "container is not ready");
  return false;
}

// init_ belongs to whoever set kUnderWay.
void Container::Launch() { LaunchEnded(parts_.kernel->StartProcess(std::move(init_))); }

void Container::LaunchEnded(const Result<RefPtr<ThreadGroup>>& group) {
  if (group.ok()) {
    first_->Started(*group);
  } else {
    first_->Discard();
  }
  MutexLock lock(mu_);
  launching_ = Launching::kDone;
  if (group.ok()) {
    launched_ = *group;
  } else {
    launch_error_ = group.error();
  }
  changed_.SignalAll();
}

// On the launching thread: the process has its numbers, and its host thread comes next.
void Container::HoldUntilStart(Task& first) {
  bool ended;
  {
    MutexLock lock(mu_);
    first_number_ = first.group().pid().NumberIn(numbers());
    changed_.SignalAll();
    while (state_ == State::kPrepared) changed_.Wait(mu_);
    ended = state_ == State::kEnded;
  }
  if (ended) first.group().Exit({.signo = abi::kSigKill});
}

void Container::Prepare(control::Response& response) {
  bool launch;
  {
    MutexLock lock(mu_);
    if (!CheckMayStart(response)) return;
    launch = state_ == State::kCreated;
    state_ = State::kPrepared;
    if (launch) launching_ = Launching::kUnderWay;
  }
  if (launch) {
    init_.before_start = [this, prepare = std::move(init_.before_start)](Task& first) {
      prepare(first);
      HoldUntilStart(first);
    };
    const Result<void> started = base::Thread::StartDetached([self = shared_from_this()] { self->Launch(); });
    if (!started.ok()) LaunchEnded(started.error());
  }
  MutexLock lock(mu_);
  while (first_number_ == 0 && launching_ == Launching::kUnderWay) changed_.Wait(mu_);
  if (first_number_ == 0) return RefuseProgram(response, launch_error_);
  response.set_pid(first_number_);
}

void Container::Start(control::Response& response) {
  bool launch;
  {
    MutexLock lock(mu_);
    if (!CheckMayStart(response)) return;
    launch = state_ == State::kCreated;
    state_ = State::kRunning;
    if (launch) launching_ = Launching::kUnderWay;
    changed_.SignalAll();
  }
  if (launch) Launch();
  MutexLock lock(mu_);
  while (launching_ == Launching::kUnderWay) changed_.Wait(mu_);
  if (launch_error_ != Errno{}) RefuseProgram(response, launch_error_);
}

// Whoever was killed before its start may be on its way all the same.
void Container::AwaitLaunch() {
  RefPtr<ThreadGroup> group;
  {
    MutexLock lock(mu_);
    while (launching_ == Launching::kUnderWay) changed_.Wait(mu_);
    group = std::move(launched_);
  }
  if (group) parts_.kernel->WaitForExit(*group);
}

}  // namespace runsc

#include "platform/stub/stub_pool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iterator>
#include <utility>

#include "base/log.h"

namespace platform::stub {

using base::Errno;
using base::HostErrno;
using base::MutexLock;
using base::Result;
using base::UniqueFd;

Result<std::unique_ptr<StubPool>> StubPool::Create(TemplateHandle handle, MemoryFds fds, StubMode mode) {
  std::shared_ptr<RequestPages> pages = TRY(RequestPages::Create(handle.requests.get()));
  std::shared_ptr<ThreadRegions> regions;
  if (mode == StubMode::kTrapped) regions = TRY(ThreadRegions::Create(handle.regions.get()));
  auto deaths = std::make_shared<const UniqueFd>(epoll_create1(EPOLL_CLOEXEC));
  if (!deaths->valid()) return HostErrno();
  std::unique_ptr<StubPool> pool(
      new StubPool(std::move(handle), fds, mode, std::move(pages), std::move(regions), std::move(deaths)));
  MutexLock lock(pool->mu_);
  pool->Refill();
  return pool;
}

StubPool::StubPool(TemplateHandle handle, MemoryFds fds, StubMode mode, std::shared_ptr<RequestPages> pages,
                   std::shared_ptr<ThreadRegions> regions, std::shared_ptr<const UniqueFd> deaths)
    : template_(std::move(handle)),
      fds_(fds),
      mode_(mode),
      pages_(std::move(pages)),
      regions_(std::move(regions)),
      deaths_(std::move(deaths)) {}

StubPool::~StubPool() {
  MutexLock lock(mu_);
  // An answer left unread would leave a stub that nobody waits for.
  while (outstanding_ > 0 && !ReadReply(0).Is(Errno::kESRCH)) {
  }
  ready_.clear();
  dying_.clear();
  kill(template_.pid, SIGKILL);
  while (waitpid(template_.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void StubPool::TakeDeaths() {
  // Each is told once: the sockets are watched with EPOLLONESHOT.
  epoll_event events[16];
  while (epoll_wait(deaths_->get(), events, std::size(events), 0) == std::size(events)) {
  }
}

void StubPool::Bury(std::shared_ptr<StubProcess> stub) {
  stub->UnwatchDeath(deaths_->get());
  stub->Kill();
  if (stub->TryReap() || stub->has_threads()) return;
  MutexLock lock(mu_);
  dying_.push_back(std::move(stub));
}

bool StubPool::Reap() {
  MutexLock lock(mu_);
  std::erase_if(dying_, [](const std::shared_ptr<StubProcess>& stub) { return stub->TryReap(); });
  return !dying_.empty();
}

std::string StubPool::TemplateDeathCause() const {
  return absl::StrFormat("the stub template (pid %d) %s", template_.pid,
                         ChildDeath(template_.pid).value_or("closed its socket"));
}

Result<void> StubPool::SendRequest() {
  NewStubRequest request = {TRY(pages_->TakeSlot()), mode_, 0};
  if (regions_ != nullptr) {
    const Result<uint32_t> region = regions_->TakeSlot();
    if (!region.ok()) {
      pages_->GiveSlot(request.slot);
      return region.error();
    }
    request.region = *region;
  }
  ssize_t n;
  do {
    n = send(template_.control.get(), &request, sizeof(request), MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n == sizeof(request)) {
    outstanding_++;
    return base::Ok();
  }
  pages_->GiveSlot(request.slot);
  if (regions_ != nullptr) regions_->GiveSlot(request.region);
  return Errno::kESRCH;
}

Result<NewStubReply> StubPool::Receive(UniqueFd& socket, int flags) {
  NewStubReply reply = {};
  iovec iov = {&reply, sizeof(reply)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr msg = {};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  ssize_t n;
  do {
    n = recvmsg(template_.control.get(), &msg, flags | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return Errno::kEAGAIN;
  if (n != sizeof(reply)) return Errno::kESRCH;
  if (const cmsghdr* cmsg = CMSG_FIRSTHDR(&msg);
      cmsg != nullptr && cmsg->cmsg_type == SCM_RIGHTS && cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
    int fd;
    memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
    socket.reset(fd);
  }
  return reply;
}

Result<void> StubPool::ReadReply(int flags) {
  UniqueFd socket;
  const NewStubReply reply = TRY(Receive(socket, flags));
  outstanding_--;
  if (reply.pid <= 0) {
    pages_->GiveSlot(reply.slot);
    if (regions_ != nullptr) regions_->GiveSlot(reply.region);
    return static_cast<Errno>(-reply.pid);
  }
  // Without the socket (our descriptor limit) the stub sees an end of file and
  // goes; the object reaps it.
  const bool usable = socket.valid();
  auto stub =
      std::make_shared<StubProcess>(reply.pid, std::move(socket), reply.slot, pages_, fds_, regions_, reply.region);
  if (!usable) return Errno::kEMFILE;
  ready_.push_back(std::move(stub));
  return base::Ok();
}

Result<std::unique_ptr<StubPool>> StubPool::Branch(int place) {
  MutexLock lock(mu_);
  // Answers come in the order of requests.
  while (outstanding_ > 0) {
    if (ReadReply(0).Is(Errno::kESRCH)) return Errno::kESRCH;
  }
  NewStubRequest request = {kNewTemplate, mode_, 0};
  iovec iov = {&request, sizeof(request)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr msg = {};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  cmsghdr* const cmsg = CMSG_FIRSTHDR(&msg);
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(cmsg), &place, sizeof(place));
  if (TEMP_FAILURE_RETRY(sendmsg(template_.control.get(), &msg, MSG_NOSIGNAL)) != sizeof(request)) {
    return errno == EPIPE || errno == ECONNRESET ? Errno::kESRCH : HostErrno();
  }
  TemplateHandle handle;
  const NewStubReply reply = TRY(Receive(handle.control, 0));
  if (reply.pid <= 0) return static_cast<Errno>(-reply.pid);
  handle.pid = reply.pid;
  const bool usable = handle.control.valid();
  std::unique_ptr<StubPool> branch(new StubPool(std::move(handle), fds_, mode_, pages_, regions_, deaths_));
  if (!usable) return Errno::kEMFILE;
  return branch;
}

void StubPool::Refill() {
  while (ready_.size() + outstanding_ < kReady && SendRequest().ok()) {
  }
}

Result<std::shared_ptr<StubProcess>> StubPool::Take() {
  Reap();
  MutexLock lock(mu_);
  while (outstanding_ > 0 && ReadReply(MSG_DONTWAIT).ok()) {
  }
  std::shared_ptr<StubProcess> stub;
  while (true) {
    if (ready_.empty()) {
      if (outstanding_ == 0) TRY(SendRequest());
      TRY(ReadReply(0));
    }
    stub = std::move(ready_.back());
    ready_.pop_back();
    if (stub->WatchDeath(deaths_->get())) break;
    dying_.push_back(std::move(stub));
  }
  Refill();
  return stub;
}

}  // namespace platform::stub

#include "platform/stub/stub_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "platform/stub/stub_pool.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace platform::stub {
namespace {

using base::Errno;
using base::HostErrno;
using base::MutexLock;
using base::Result;

// A request's ops besides the mappings: the receipt of descriptors and their end.
constexpr size_t kMaxMapOps = kMaxKeeperOps - 2;

KeeperOp CloseDonated() { return {SYS_close_range, {STUB_FD_DONATED, ~0u, 0}, 0}; }

}  // namespace

// --- RequestPages ----------------------------------------------------------------

Result<std::shared_ptr<RequestPages>> RequestPages::Create(int requests_fd) {
  void* base = mmap(nullptr, kMaxStubs * sizeof(KeeperRequest), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                    requests_fd, 0);
  if (base == MAP_FAILED) return HostErrno();
  // From here on nobody can map them writable, whatever descriptor he has.
  if (fcntl(requests_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    const Errno error = HostErrno();
    munmap(base, kMaxStubs * sizeof(KeeperRequest));
    return error;
  }
  return std::shared_ptr<RequestPages>(new RequestPages(static_cast<KeeperRequest*>(base)));
}

RequestPages::RequestPages(KeeperRequest* base) : base_(base), slots_(kMaxStubs) {}

RequestPages::~RequestPages() { munmap(base_, kMaxStubs * sizeof(KeeperRequest)); }

// --- StubProcess -------------------------------------------------------------------

StubProcess::StubProcess(pid_t pid, base::UniqueFd socket, uint32_t slot, std::shared_ptr<RequestPages> pages,
                         MemoryFds fds, std::shared_ptr<ThreadRegions> regions, uint32_t first_region)
    : pid_(pid),
      socket_(std::move(socket)),
      slot_(slot),
      pages_(std::move(pages)),
      fds_(fds),
      regions_(std::move(regions)),
      request_(pages_->page(slot)) {
  if (regions_ != nullptr) region_slots_ = {first_region};
}

StubProcess::~StubProcess() {
  Kill();
  // A thread that is traced still holds the wait up; contexts reap theirs before
  // they drop their reference.
  if (!reaped_) {
    while (waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }
  pages_->GiveSlot(slot_);
  // Nobody else is left: no lock, since the pool may hold its own, which comes later.
  for (const uint32_t slot : region_slots_) regions_->GiveSlot(slot);
  for (const uint32_t slot : code_slots_) regions_->GiveSlot(slot);
}

bool StubProcess::TryReap() {
  if (reaped_ || has_threads()) return reaped_;
  const pid_t got = waitpid(pid_, nullptr, __WALL | WNOHANG);
  if (got == pid_) reaped_ = true;
  return reaped_;
}

void StubProcess::Kill() {
  if (!killed_.exchange(true)) kill(pid_, SIGKILL);
}

std::optional<std::string> ChildDeath(pid_t pid) {
  // Its descriptors close some time before it can be waited for.
  constexpr int kTries = 50;
  for (int i = 0; i < kTries; i++) {
    siginfo_t info = {};
    // WNOWAIT: the number must stay ours.
    if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) != 0) return std::nullopt;
    if (info.si_pid == 0) {
      const timespec pause = {0, 1'000'000};
      nanosleep(&pause, nullptr);
      continue;
    }
    if (info.si_code == CLD_EXITED && info.si_status == STUB_STATUS_NO_SECCOMP) return "could not get a seccomp filter";
    const char* const how = info.si_code == CLD_EXITED ? "exited with" : "was killed by signal";
    return absl::StrFormat("%s %d", how, info.si_status);
  }
  return std::nullopt;
}

// The keeper alone holds the other end of the socket.
bool StubProcess::HasHungUp() const {
  pollfd fd = {socket_.get(), 0, 0};
  return poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR)) != 0;
}

bool StubProcess::WatchDeath(int epoll_fd) {
  epoll_event event = {};
  event.events = EPOLLONESHOT;  // a hang-up is told unasked
  // Unwatched (no memory) its death shows at its next use.
  (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, socket_.get(), &event);
  return !HasHungUp();
}

void StubProcess::UnwatchDeath(int epoll_fd) { (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, socket_.get(), nullptr); }

std::optional<std::string> StubProcess::Lost() const {
  if (!HasHungUp()) return std::nullopt;
  return DeathCause();
}

std::string StubProcess::DeathCause() const {
  if (killed()) return absl::StrFormat("stub process %d was ended by the sentry", pid_);
  return absl::StrFormat("stub process %d %s", pid_, ChildDeath(pid_).value_or("does not answer any more"));
}

bool StubProcess::ReadExactly(void* out, size_t size) {
  char* p = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t n = read(socket_.get(), p, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    p += n;
    size -= n;
  }
  return true;
}

// A wake across CPUs costs several times one on the same CPU (stub/README.md).
void StubProcess::MoveKeeperHere() {
  const int cpu = sched_getcpu();
  if (cpu < 0 || cpu == keeper_cpu_ || cpu >= CPU_SETSIZE) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(pid_, sizeof(set), &set);  // a failure costs only time
  keeper_cpu_ = cpu;
}

Result<uint32_t> StubProcess::Call(size_t count, Answer answer, std::span<const int> donated) {
  if (broken_) return Errno::kESRCH;
  TRY(ReadHello());
  request_->count = count;
  MoveKeeperHere();
  ssize_t n;
  do {
    n = send(socket_.get(), "r", 1, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  uint8_t status = 0, index = 0;
  uint32_t value = 0;
  // Behind the wake byte: that one is taken by read(), which drops descriptors.
  Result<void> sent = base::Ok();
  if (n == 1 && !donated.empty()) sent = SendDonated(donated);
  bool ok = n == 1 && ReadExactly(&status, 1);
  if (ok && status != 0) ok = ReadExactly(&index, 1);
  if (ok && status == 0 && answer == Answer::kValue) ok = ReadExactly(&value, sizeof(value));
  if (!ok) {
    broken_ = true;
    return Errno::kESRCH;
  }
  TRY(sent);
  if (status != 0) return static_cast<Errno>(status);
  return value;
}

Result<void> StubProcess::ReadHello() {
  if (greeted_) return base::Ok();
  KeeperHello hello;
  if (!ReadExactly(&hello, sizeof(hello))) {
    broken_ = true;
    return Errno::kESRCH;
  }
  greeted_ = true;
  first_thread_ = hello;
  return base::Ok();
}

Result<GuestThread> StubProcess::NewThread() {
  MutexLock lock(mu_);
  if (broken_) return Errno::kESRCH;
  TRY(ReadHello());
  if (first_thread_ > 0) {
    threads_.fetch_add(1, std::memory_order_relaxed);
    return ThreadAt(std::exchange(first_thread_, 0), 0);
  }
  const size_t region = TRY(TakeRegion());
  const uint64_t address = ThreadAt(0, region).region_address;
  // No stack: the thread makes no use of one until it has the guest's. 0 keeps the
  // keeper's rsp, which is none either.
  request_->ops[0] = {SYS_clone, {kThreadFlags}, KEEPER_OP_CLONE | KEEPER_OP_VALUE};
  request_->ops[0].args[5] = address;
  const Result<uint32_t> tid = Call(1, Answer::kValue, {});
  if (!tid.ok()) {
    if (regions_ != nullptr) free_regions_.push_back({region, 0});
    return tid.error();
  }
  threads_.fetch_add(1, std::memory_order_relaxed);
  return ThreadAt(static_cast<pid_t>(*tid), region);
}

void StubProcess::ThreadGone(const GuestThread& thread) {
  if (regions_ != nullptr) {
    MutexLock lock(mu_);
    free_regions_.push_back({(thread.region_address - STUB_REGIONS) / STUB_REGION_SIZE, thread.tid});
  }
  threads_.fetch_sub(1, std::memory_order_release);
}

GuestThread StubProcess::ThreadAt(pid_t tid, size_t region) const {
  if (regions_ == nullptr) return {tid};
  return {tid, STUB_REGIONS + region * STUB_REGION_SIZE, regions_->region(region_slots_[region])};
}

std::optional<size_t> StubProcess::TakeFreeRegion() {
  for (size_t i = free_regions_.size(); i-- > 0;) {
    const FreeRegion free = free_regions_[i];
    // It may not have come to its end yet. The host is asked: what stands in the region
    // is the guest's.
    if (free.last != 0 && syscall(SYS_tgkill, pid_, free.last, 0) == 0) continue;
    free_regions_.erase(free_regions_.begin() + static_cast<ptrdiff_t>(i));
    memset(regions_->region(region_slots_[free.region]), 0, STUB_REGION_SIZE);
    return free.region;
  }
  return std::nullopt;
}

Result<size_t> StubProcess::TakeRegion() {
  if (regions_ == nullptr) return 0;
  // Threads that were told to end and don't are of a guest that runs them behind the
  // kernel's back, in any number.
  constexpr size_t kMaxEnding = 64;
  constexpr int kTries = 2000;
  for (int i = 0;; i++) {
    if (const std::optional<size_t> region = TakeFreeRegion()) return *region;
    if (free_regions_.size() < kMaxEnding) break;
    if (i == kTries || killed()) {
      Kill();
      return Errno::kESRCH;
    }
    const timespec pause = {0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
  const size_t region = region_slots_.size();
  const uint64_t address = STUB_REGIONS + region * STUB_REGION_SIZE;
  if (address >= STUB_REGIONS_END) return Errno::kEAGAIN;
  region_slots_.push_back(TRY(MapSlot(address, PROT_READ | PROT_WRITE)));
  return region;
}

Result<uint32_t> StubProcess::MapSlot(uint64_t address, int prot) {
  const uint32_t slot = TRY(regions_->TakeSlot());
  request_->ops[0] = {SYS_mmap,
                      {address, STUB_REGION_SIZE, static_cast<uint64_t>(prot), MAP_SHARED | MAP_FIXED, STUB_FD_REGIONS,
                       uint64_t{slot} * STUB_REGION_SIZE},
                      0};
  size_t count = 1;
  if ((prot & PROT_WRITE) != 0) {
    request_->ops[count++] = {SYS_mprotect, {address, STUB_REGION_READ_ONLY, PROT_READ}, 0};
  }
  const Result<uint32_t> mapped = Call(count, Answer::kStatus, {});
  if (mapped.ok()) return slot;
  regions_->GiveSlot(slot);
  return mapped.error();
}

Result<std::byte*> StubProcess::MapCode(uint64_t address) {
  MutexLock lock(mu_);
  const uint32_t slot = TRY(MapSlot(address, PROT_READ | PROT_EXEC));
  code_slots_.push_back(slot);
  return regions_->region(slot);
}

Result<void> StubProcess::SendDonated(std::span<const int> fds) {
  char byte = 'f';
  iovec iov = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * STUB_MAX_DONATED)] = {};
  msghdr msg = {};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control;
  msg.msg_controllen = CMSG_SPACE(fds.size_bytes());
  cmsghdr* cmsg = CMSG_FIRSTHDR(&msg);
  cmsg->cmsg_level = SOL_SOCKET;
  cmsg->cmsg_type = SCM_RIGHTS;
  cmsg->cmsg_len = CMSG_LEN(fds.size_bytes());
  memcpy(CMSG_DATA(cmsg), fds.data(), fds.size_bytes());
  ssize_t n;
  do {
    n = sendmsg(socket_.get(), &msg, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n == 1) return base::Ok();
  const Errno error = HostErrno();
  // The keeper waits for it. Without descriptors its mmap fails.
  while (send(socket_.get(), &byte, 1, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
  return error;
}

Result<void> StubProcess::ApplySome(std::span<const MapOp>& ops) {
  int donated[STUB_MAX_DONATED];
  size_t donated_count = 0, taken = 0;
  // The stub's number of a descriptor; -1: no room, it waits for the next request.
  const auto stub_fd = [&](int fd) -> int {
    if (fd == fds_.small_fd) return STUB_FD_SMALL;
    if (fd == fds_.large_fd) return STUB_FD_LARGE;
    const size_t i = std::find(donated, donated + donated_count, fd) - donated;
    if (i == STUB_MAX_DONATED) return -1;
    if (i == donated_count) donated[donated_count++] = fd;
    return STUB_FD_DONATED + static_cast<int>(i);
  };
  const bool donates = std::any_of(ops.begin(), ops.begin() + std::min(ops.size(), kMaxMapOps), [&](const MapOp& op) {
    return op.kind == MapOp::Kind::kMap && op.host_fd != fds_.small_fd && op.host_fd != fds_.large_fd;
  });
  size_t count = 0;
  if (donates) request_->ops[count++] = {SYS_recvmsg, {}, KEEPER_OP_RECEIVE};
  for (; taken < ops.size() && taken < kMaxMapOps; taken++) {
    const MapOp& op = ops[taken];
    const uint64_t addr = op.range.start.value, len = op.range.size();
    const uint64_t prot = static_cast<uint64_t>(op.prot.ToHost());
    KeeperOp& out = request_->ops[count];
    if (op.kind == MapOp::Kind::kMap) {
      const int fd = stub_fd(op.host_fd);
      if (fd < 0) break;
      const uint64_t flags = MAP_SHARED | MAP_FIXED | (op.populate ? MAP_POPULATE : 0);
      out = {SYS_mmap, {addr, len, prot, flags, static_cast<uint64_t>(fd), op.offset}, 0};
    } else if (op.kind == MapOp::Kind::kUnmap) {
      out = {SYS_munmap, {addr, len}, 0};
    } else {
      out = {SYS_mprotect, {addr, len, prot}, 0};
    }
    count++;
  }
  ops = ops.subspan(taken);
  if (!donates) {
    TRY(Call(count, Answer::kStatus, {}));
    return base::Ok();
  }
  request_->ops[count++] = CloseDonated();
  const Result<uint32_t> result = Call(count, Answer::kStatus, {donated, donated_count});
  if (result.ok()) return base::Ok();
  // The ops behind the failed one, the close among them, were not run.
  request_->ops[0] = CloseDonated();
  TRY(Call(1, Answer::kStatus, {}));
  return result.error();
}

Result<void> StubProcess::Apply(std::span<const MapOp> ops) {
  if (!std::all_of(ops.begin(), ops.end(), IsValid)) return Errno::kEINVAL;
  MutexLock lock(mu_);
  while (!ops.empty()) TRY(ApplySome(ops));
  return base::Ok();
}

}  // namespace platform::stub

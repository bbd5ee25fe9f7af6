// The fixture of the conformance tests: what each platform must do, in code.
// Guest programs are small blobs of assembler in the memory file.
#ifndef PLATFORM_CONFORMANCE_H_
#define PLATFORM_CONFORMANCE_H_

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "platform/conformance_factories.h"
#include "platform/platform.h"

// name: code up to the next one. The registers are the arguments.
#define BLOB(name, code)                                                                      \
  asm(".pushsection .rodata\nblob_" #name ":\n" code "\nblob_" #name "_end:\n.popsection\n"); \
  extern "C" const char blob_##name[], blob_##name##_end[];

#define CODE(name) std::string_view(blob_##name, blob_##name##_end - blob_##name)

namespace platform {
using sentry::kPageSize;
using sentry::kProtNone;
using sentry::kProtRead;
using sentry::kProtReadWrite;
using sentry::arch::FpState;
using sentry::arch::Registers;
using std::chrono::milliseconds;

constexpr MemoryProtection kProtReadExec{.read = true, .execute = true};
constexpr uint64_t kCode = 0x400000, kData = 0x600000, kFileSize = 64 << 20;

inline double Now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

class PlatformTest : public testing::TestWithParam<Factory> {
 protected:
  void SetUp() override {
    fd_ = memfd_create("memory", MFD_CLOEXEC);
    ASSERT_EQ(ftruncate(fd_, kFileSize), 0);
    memory_ = static_cast<char*>(mmap(nullptr, kFileSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    platform_ = GetParam().create(
        fd_, std::as_writable_bytes(std::span(memory_, kFileSize)),
        [this](std::string cause) { template_death_ = cause, template_died_ = true; }, &template_pid_);
    ASSERT_NE(platform_, nullptr);
    as_ = NewSpace();
    context_ = NewContext();
    regs_.rip = kCode;
    regs_.eflags = 0x202;
  }
  void TearDown() override {
    context_.reset();
    as_.reset();
    platform_.reset();
    munmap(memory_, kFileSize);
    close(fd_);
    // Nothing may be left: no child of any kind.
    EXPECT_EQ(waitpid(-1, nullptr, __WALL | WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }

  std::unique_ptr<AddressSpace> NewSpace() { return std::move(platform_->NewAddressSpace().value()); }
  std::unique_ptr<Context> NewContext() { return std::move(platform_->NewContext().value()); }

  uint64_t Allocate(size_t pages) {
    const uint64_t offset = next_offset_;
    next_offset_ += pages * kPageSize;
    return offset;
  }
  MapOp MapOf(uint64_t addr, uint64_t offset, MemoryProtection prot, size_t pages = 1) {
    return {MapOp::Kind::kMap, {UserAddr(addr), UserAddr(addr + pages * kPageSize)}, prot, fd_, offset, false};
  }
  static MapOp ProtectOf(uint64_t addr, MemoryProtection prot) {
    return {MapOp::Kind::kProtect, {UserAddr(addr), UserAddr(addr + kPageSize)}, prot};
  }
  static MapOp UnmapOf(uint64_t addr) {
    return {MapOp::Kind::kUnmap, {UserAddr(addr), UserAddr(addr + kPageSize)}, kProtNone};
  }
  static void Apply(AddressSpace& as, MapOp op) { ASSERT_TRUE(as.Apply({&op, 1}).ok()); }

  // Puts code at `addr`; returns the registers to run it with.
  void Load(AddressSpace& as, std::string_view code, uint64_t addr = kCode) {
    const uint64_t offset = Allocate(1);
    memcpy(memory_ + offset, code.data(), code.size());
    Apply(as, MapOf(addr, offset, kProtReadExec));
  }
  void Load(std::string_view code) { Load(*as_, code); }
  uint64_t* MapData(MemoryProtection prot = kProtReadWrite, uint64_t addr = kData) {
    const uint64_t offset = Allocate(1);
    Apply(*as_, MapOf(addr, offset, prot));
    return reinterpret_cast<uint64_t*>(memory_ + offset);
  }

  Event Run() { return context_->Switch(*as_, regs_); }
  void ExpectSyscall(const Event& event) { EXPECT_TRUE(std::holds_alternative<SyscallEvent>(event)) << Name(event); }
  void ExpectFault(const Event& event, uint64_t addr, MemoryProtection access) {
    const FaultEvent* fault = std::get_if<FaultEvent>(&event);
    ASSERT_NE(fault, nullptr) << Name(event);
    EXPECT_EQ(fault->addr.value, addr);
    EXPECT_EQ(fault->access.ToHost(), access.ToHost());
  }
  void ExpectException(const Event& event, int signo, int code, uint64_t addr) {
    const ExceptionEvent* e = std::get_if<ExceptionEvent>(&event);
    ASSERT_NE(e, nullptr) << Name(event);
    EXPECT_EQ(e->signo, signo);
    EXPECT_EQ(e->code, code);
    EXPECT_EQ(e->addr.value, addr);
  }
  static std::string Name(const Event& event) {
    constexpr const char* kNames[] = {"syscall", "fault", "exception", "preempted", "dead"};
    std::string name = kNames[event.index()];
    if (const auto* dead = std::get_if<DeadEvent>(&event)) name += ": " + dead->cause;
    return name;
  }
  // A stub of this process by its name; 0: none.
  static std::vector<pid_t> Children() {
    std::vector<pid_t> pids;
    FILE* f = fopen(("/proc/self/task/" + std::to_string(getpid()) + "/children").c_str(), "r");
    if (f == nullptr) return pids;
    for (pid_t pid; fscanf(f, "%d", &pid) == 1;) pids.push_back(pid);
    fclose(f);
    return pids;
  }

  void ExpectTwoCpus(uint64_t pause);

  int fd_ = -1;
  char* memory_ = nullptr;
  uint64_t next_offset_ = 0;
  std::atomic<bool> template_died_ = false;
  std::string template_death_;
  pid_t template_pid_ = -1;
  std::unique_ptr<Platform> platform_;
  std::unique_ptr<AddressSpace> as_;
  std::unique_ptr<Context> context_;
  Registers regs_ = {};
};

// Of platforms that rewrite call sites.
class CallSitesTest : public PlatformTest {
 protected:
  void SetUp() override {
    PlatformTest::SetUp();
    sites_ = as_->call_sites();
    ASSERT_NE(sites_, nullptr);
  }
  // Loads the code with its first call's site rewritten.
  CallSite LoadRewritten(std::string_view code) {
    const uint64_t offset = Allocate(1);
    const std::span<std::byte> page(reinterpret_cast<std::byte*>(memory_ + offset), kPageSize);
    memcpy(page.data(), code.data(), code.size());
    const std::optional<CallSite> site = sites_->Find(page, code.find("\x0f\x05") + 2);
    EXPECT_TRUE(site);
    sites_->Rewrite(page, *site);
    EXPECT_TRUE(sites_->Install(UserAddr(kCode), std::span(&*site, 1)).ok());
    Apply(*as_, MapOf(kCode, offset, kProtReadExec));
    return *site;
  }
  CallSites* sites_ = nullptr;
};

}  // namespace platform

#endif  // PLATFORM_CONFORMANCE_H_

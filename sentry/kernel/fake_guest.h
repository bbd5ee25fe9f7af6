// Guests for tests, without guest code: a program is a list of steps. Each is
// two bytes of "code"; running into one is a system call whose handler is the
// step's function, so that forks, restarts and signal handlers act on plain
// registers as they do on a processor.
#ifndef SENTRY_KERNEL_FAKE_GUEST_H_
#define SENTRY_KERNEL_FAKE_GUEST_H_

#include <elf.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "sentry/fs/tmpfs/tmpfs.h"
#include "sentry/kernel/block.h"
#include "sentry/kernel/kernel.h"
#include "sentry/mm/fake_platform.h"
#include "sentry/vfs/test_tree.h"

namespace sentry {

inline constexpr uint64_t kFakeEntry = 0x401000;

struct FakeStep {
  std::function<SyscallResult(Task&)> call;  // null: `event` happens instead
  platform::Event event = platform::PreemptedEvent{};
  bool spin = false;  // runs until it is kicked
};

class FakeContext final : public platform::Context {
 public:
  explicit FakeContext(const std::vector<FakeStep>& steps) : steps_(steps) {}

  platform::Event Switch(platform::AddressSpace&, arch::Registers& regs) override {
    if (kicked_.exchange(false)) return platform::PreemptedEvent{};
    const uint64_t index = (regs.rip - kFakeEntry) / 2;
    if (regs.rip < kFakeEntry || index >= steps_.size()) {
      return platform::FaultEvent{.addr = UserAddr(regs.rip), .access = {.execute = true}};
    }
    const FakeStep& step = steps_[index];
    while (step.spin && !kicked_.load()) usleep(1000);
    if (!step.call) return step.event;
    regs.rip += 2;
    regs.orig_rax = index;
    regs.rax = static_cast<uint64_t>(-38);
    return platform::SyscallEvent{};
  }
  void Kick() override { kicked_.store(true); }
  platform::Result<void> GetFpState(arch::FpState& out) override {
    out = fp_;
    return base::Ok();
  }
  void SetFpState(const arch::FpState& state) override { fp_ = state; }
  void Release() override {}

 private:
  const std::vector<FakeStep>& steps_;
  std::atomic<bool> kicked_{false};
  arch::FpState fp_;
};

class FakeGuest final : public platform::Platform, public SyscallDispatcher {
 public:
  FakeGuest() : memory_(NewTestMemory()), fs_(TmpfsFileSystem::Create(*memory_)), tree_(fs_, fs_->NewRoot()) {
    Kernel::Options options;
    options.platform = this;
    options.dispatcher = this;
    options.memory_file = memory_.get();
    kernel = std::make_unique<Kernel>(std::move(options));
    WriteProgram();
  }
  ~FakeGuest() override {
    kernel->Shutdown();
    kernel.reset();  // before the memory it maps
  }

  const platform::PlatformInfo& info() const override { return info_; }
  platform::Result<std::unique_ptr<platform::AddressSpace>> NewAddressSpace() override {
    return std::unique_ptr<platform::AddressSpace>(std::make_unique<FakeAddressSpace>());
  }
  platform::Result<std::unique_ptr<platform::Context>> NewContext() override {
    return std::unique_ptr<platform::Context>(std::make_unique<FakeContext>(steps));
  }
  SyscallResult Dispatch(Task& task) override { return steps[task.regs().orig_rax].call(task); }

  // The address of a step, for jumps and handlers.
  static uint64_t Address(size_t step) { return kFakeEntry + 2 * step; }
  void Add(std::function<SyscallResult(Task&)> call) { steps.push_back({.call = std::move(call)}); }
  RefPtr<ThreadGroup> Start() { return *Start(Kernel::InitProcess()); }
  // The rest of `init` is filled in.
  Result<RefPtr<ThreadGroup>> Start(Kernel::InitProcess init) {
    init.mounts = tree_.mounts;
    init.root = init.cwd = tree_.ctx.root;
    init.creds = tree_.ctx.creds;
    init.fds = MakeRef<FdTable>();
    init.path = "/program";
    init.argv = {"program"};
    if (before_start) init.before_start = before_start;
    return kernel->StartProcess(std::move(init));
  }
  // Runs the steps to the end.
  ExitStatus Run() { return kernel->WaitForExit(*Start()); }
  const Path& root() const { return tree_.ctx.root; }

  std::unique_ptr<Kernel> kernel;
  std::vector<FakeStep> steps;
  std::function<void(Task&)> before_start;  // as InitProcess's; may be empty

 private:
  // An ELF file that loads, though nothing of it is ever run.
  void WriteProgram() {
    std::string file(0x1200, '\0');
    Elf64_Ehdr header = {};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_version = EV_CURRENT;
    header.e_entry = kFakeEntry;
    header.e_phoff = sizeof(header);
    header.e_ehsize = sizeof(header);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    memcpy(file.data(), &header, sizeof(header));
    Elf64_Phdr segment = {};
    segment.p_type = PT_LOAD;
    segment.p_flags = PF_R | PF_W | PF_X;
    segment.p_vaddr = segment.p_paddr = 0x400000;
    segment.p_filesz = segment.p_memsz = file.size();
    segment.p_align = kPageSize;
    memcpy(file.data() + sizeof(header), &segment, sizeof(segment));
    tree_.Write("/program", file);
    const Path path = ResolvePath(tree_.ctx, tree_.ctx.cwd, "/program").value();
    CHECK(ChangeMode(tree_.ctx, path, 0755).ok());
  }

  std::unique_ptr<MemoryFile> memory_;
  RefPtr<TmpfsFileSystem> fs_;
  TestTree tree_;
  platform::PlatformInfo info_;
};

// --- Steps -------------------------------------------------------------------

inline SyscallResult ExitGroup(Task& task, int code) {
  task.group().Exit({.code = code});
  return NoReturn{};
}
// Sleeps until a signal comes.
inline SyscallResult Pause(Task& task, Restart how) {
  auto slept = SleepUntil(task, std::nullopt);
  if (slept.ok()) return 0;
  return how;
}

}  // namespace sentry

#endif  // SENTRY_KERNEL_FAKE_GUEST_H_

// One virtual CPU, run by hand.
#include "platform/kvm/vcpu.h"

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "platform/kvm/address_space.h"
#include "platform/kvm/kvm.h"
#include "platform/kvm/probe.h"
#include "platform/kvm/segments.h"
#include "platform/kvm/test_machine.h"
#include "platform/kvm/vcpu_pool.h"
#include "sentry/usermem/safe_copy.h"

asm(R"(
  .pushsection .rodata
vcpu_test_bases:
  mov %fs:0, %rsi
  mov %gs:0, %rdx
  syscall
vcpu_test_spin:
  pause
  jmp vcpu_test_spin
vcpu_test_end:
  .popsection
)");
extern "C" const char vcpu_test_bases[], vcpu_test_spin[], vcpu_test_end[];

namespace platform::kvm {
namespace {

using sentry::kPageSize;
using sentry::arch::Registers;

constexpr uint64_t kCode = 0x400000, kFirst = 0x600000, kSecond = kFirst + kPageSize;
constexpr size_t kFileSize = 1 << 20;
const auto kCancelled = [] { return true; };
const auto kNotCancelled = [] { return false; };

// As KvmPlatform puts them together.
class VcpuTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sentry::InstallSafeCopyHandler();
    InstallKickHandler();
    file_.Put(0, vcpu_test_bases, vcpu_test_end);
    Word(1) = 5, Word(2) = 7;

    tables_ = std::move(Tables::Create(*machine_, 1 << 24).value());
    memory_ = std::make_unique<GuestMemory>(*machine_, std::vector<MemoryView>{{file_.fd(), file_.view()}},
                                            uint64_t{4} << 30);
    shared_.text = tables_->Allocate().value();
    shared_.idt = tables_->Allocate().value();
    FillSharedPages(tables_->Host(shared_.text), tables_->Host(shared_.idt));
    pool_ = std::make_unique<VcpuPool>(
        1, [this](uint32_t index) { return Vcpu::Create(*machine_, *tables_, shared_, index, traits_); });
    parts_ = std::make_unique<SpaceParts>(SpaceParts{*tables_, *memory_, *pool_, {}, {}});
    vcpu_ = pool_->First().value();
    std::string why;
    ASSERT_TRUE(Probe(*vcpu_, *parts_, traits_, why).ok()) << why;
    space_ = std::move(KvmAddressSpace::Create(*parts_).value());
    Map(kCode, 0, {.read = true, .execute = true});
    Map(kFirst, 1, sentry::kProtReadWrite);
    Map(kSecond, 2, sentry::kProtReadWrite);
  }
  void TearDown() override {
    space_.reset();
    parts_.reset();
    pool_.reset();
    memory_.reset();
    tables_.reset();
  }

  uint64_t& Word(size_t page) { return *reinterpret_cast<uint64_t*>(file_.view().data() + page * kPageSize); }
  void Map(uint64_t addr, uint64_t page, MemoryProtection prot) {
    const MapOp op{.kind = MapOp::Kind::kMap,
                   .range = {UserAddr(addr), UserAddr(addr + kPageSize)},
                   .prot = prot,
                   .host_fd = file_.fd(),
                   .offset = page * kPageSize};
    ASSERT_TRUE(space_->Apply({&op, 1}).ok());
  }
  void Unmap(uint64_t addr) {
    const MapOp op{.kind = MapOp::Kind::kUnmap, .range = {UserAddr(addr), UserAddr(addr + kPageSize)}, .prot = {}};
    ASSERT_TRUE(space_->Apply({&op, 1}).ok());
  }
  static Registers RegsAt(const char* code, uint64_t fs_base, uint64_t gs_base) {
    Registers regs = {};
    regs.rip = kCode + static_cast<uint64_t>(code - vcpu_test_bases);
    regs.eflags = 0x202;
    regs.fs_base = fs_base;
    regs.gs_base = gs_base;
    return regs;
  }
  void ExpectBases(uint64_t fs_base, uint64_t gs_base, uint64_t rsi, uint64_t rdx) {
    Registers regs = RegsAt(vcpu_test_bases, fs_base, gs_base);
    const Exit exit = vcpu_->Run(*space_, regs, kNotCancelled);
    EXPECT_EQ(exit.kind, Exit::Kind::kSyscall) << exit.cause;
    EXPECT_EQ(regs.rsi, rsi);
    EXPECT_EQ(regs.rdx, rdx);
  }
  void Cancel(Registers regs) {
    const uint64_t rip = regs.rip;
    EXPECT_EQ(vcpu_->Run(*space_, regs, kCancelled).kind, Exit::Kind::kNothing);
    EXPECT_EQ(regs.rip, rip);
  }

  MappedFile file_{kFileSize};
  Traits traits_;
  SharedPages shared_;
  std::unique_ptr<Tables> tables_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<VcpuPool> pool_;
  std::unique_ptr<SpaceParts> parts_;
  std::unique_ptr<KvmAddressSpace> space_;
  Vcpu* vcpu_ = nullptr;
};

TEST_F(VcpuTest, CancelledRunLeavesNoBases) {
  ExpectBases(kFirst, kSecond, 5, 7);
  Cancel(RegsAt(vcpu_test_bases, kSecond, kFirst));
  ExpectBases(kSecond, kFirst, 7, 5);
}

TEST_F(VcpuTest, CancelledRunLeavesNoTranslations) {
  ExpectBases(kFirst, kSecond, 5, 7);
  Unmap(kFirst);
  Registers regs = RegsAt(vcpu_test_bases, kFirst, kSecond);
  Cancel(regs);
  const Exit exit = vcpu_->Run(*space_, regs, kNotCancelled);
  EXPECT_EQ(exit.kind, Exit::Kind::kException) << exit.cause;
  EXPECT_EQ(exit.addr, kFirst);
}

// Ring 3 was left by a kick, ring 0 prepared, and not entered.
TEST_F(VcpuTest, CancelledRunLeavesNoPrivilege) {
  for (int i = 0; i < 5; i++) {
    Registers regs = RegsAt(vcpu_test_spin, kFirst, kSecond);
    std::thread kicker([this] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      vcpu_->Interrupt();
    });
    const Exit exit = vcpu_->Run(*space_, regs, kNotCancelled);
    kicker.join();
    EXPECT_EQ(exit.kind, Exit::Kind::kNothing) << exit.cause;
    Cancel(regs);
    ExpectBases(kFirst, kSecond, 5, 7);
  }
}

// Another thread takes it over in between: what was cancelled stays so.
TEST_F(VcpuTest, TakenOverAfterACancelledRun) {
  ExpectBases(kFirst, kSecond, 5, 7);
  Cancel(RegsAt(vcpu_test_bases, kSecond, kFirst));
  std::thread([this] {
    vcpu_->TakeOver();
    ExpectBases(kSecond, kFirst, 7, 5);
  }).join();
  Cancel(RegsAt(vcpu_test_bases, kFirst, kSecond));
  vcpu_->TakeOver();
  ExpectBases(kSecond, kFirst, 7, 5);
}

}  // namespace
}  // namespace platform::kvm

#include "platform/kvm/kvm.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "platform/kvm/context.h"
#include "platform/kvm/host_vdso.h"
#include "platform/kvm/layout.h"
#include "platform/kvm/probe.h"
#include "platform/kvm/segments.h"

namespace platform::kvm {
namespace {

// Page tables of a gigabyte are enough for 512 GiB of dense mappings.
constexpr uint64_t kMaxTables = uint64_t{1} << 30;
constexpr size_t kMinVcpus = 8;

uint64_t TablesLimit() {
  struct sysinfo info;
  if (sysinfo(&info) != 0) return kMaxTables;
  return std::min(kMaxTables, uint64_t{info.totalram} * info.mem_unit / 8);
}

size_t VcpuLimit() {
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  return std::clamp<size_t>(2 * static_cast<size_t>(std::max(cpus, 1L)), kMinVcpus, kFdCount - 1);
}

class KvmPlatform : public Platform {
 public:
  static Result<std::unique_ptr<Platform>> Create(Options options, std::string& why) {
    Result<std::unique_ptr<Machine>> machine = Machine::Create(options.device, why);
    if (!machine.ok()) return machine.error();
    std::unique_ptr<KvmPlatform> p(new KvmPlatform(*std::move(machine)));
    TRY(p->SetUp(std::move(options), why));
    return std::unique_ptr<Platform>(std::move(p));
  }

  const PlatformInfo& info() const override { return info_; }
  Result<std::unique_ptr<AddressSpace>> NewAddressSpace() override {
    return std::unique_ptr<AddressSpace>(TRY(KvmAddressSpace::Create(*parts_)));
  }
  Result<std::unique_ptr<Context>> NewContext() override { return std::unique_ptr<Context>(new KvmContext(*vcpus_)); }

 private:
  explicit KvmPlatform(std::unique_ptr<Machine> machine) : machine_(std::move(machine)) {}

  Result<void> SetUp(Options options, std::string& why) {
    InstallKickHandler();
    const uint64_t limit = TablesLimit();
    tables_ = TRY(Tables::Create(*machine_, limit));
    memory_ = std::make_unique<GuestMemory>(*machine_, std::move(options.memory), uint64_t{4} << 30);
    shared_.text = TRY(tables_->Allocate());
    shared_.idt = TRY(tables_->Allocate());
    FillSharedPages(tables_->Host(shared_.text), tables_->Host(shared_.idt));
    vcpus_ = std::make_unique<VcpuPool>(options.vcpus != 0 ? options.vcpus : VcpuLimit(), [this](uint32_t index) {
      return Vcpu::Create(*machine_, *tables_, shared_, index, traits_);
    });
    parts_ = std::make_unique<SpaceParts>(SpaceParts{*tables_, *memory_, *vcpus_, {}, {}});
    Vcpu& first = *TRY(vcpus_->First());
    TRY(Probe(first, *parts_, traits_, why));
    if (!traits_.ring0) info_.remark = "this host's KVM plays ring 0 in software";
    if (traits_.ring0 && !traits_.nested_paging) info_.remark = "this host's KVM has no nested paging";
    return MapVdso(first);
  }

  // Only where guests read the same time stamps as the host: then they may use its clocks.
  Result<void> MapVdso(const Vcpu& vcpu) {
    const HostVdso vdso = FindHostVdso();
    if (vdso.text.empty() || (traits_.ring0 && !vcpu.host_tsc())) return base::Ok();
    const Result<uint64_t> gpa = memory_->AddReadOnly(vdso.data.data(), vdso.data.size() + vdso.text.size());
    if (!gpa.ok()) return base::Ok();
    parts_->vdso_data = {*gpa, vdso.data.size()};
    parts_->vdso_text = {*gpa + vdso.data.size(), vdso.text.size()};
    info_.host_vdso = HOST_VDSO;
    return base::Ok();
  }

  PlatformInfo info_{"kvm", {UserAddr(RESERVED_BASE), UserAddr(RESERVED_END)}, 0};
  Traits traits_;
  SharedPages shared_;
  // In the order of their making; the VM goes last.
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Tables> tables_;
  std::unique_ptr<GuestMemory> memory_;
  std::unique_ptr<VcpuPool> vcpus_;
  std::unique_ptr<SpaceParts> parts_;
};

}  // namespace

Result<std::unique_ptr<Platform>> Create(Options options, std::string& why) {
  return KvmPlatform::Create(std::move(options), why);
}

}  // namespace platform::kvm

#include "platform/systrap/systrap.h"

#include <sys/auxv.h>

#include <utility>

#include "platform/systrap/call_sites.h"
#include "platform/systrap/context.h"

namespace platform::systrap {
namespace {

constexpr unsigned long kHwcap2FsGsBase = 2;

class SystrapPlatform : public stub::StubPlatform {
 public:
  static Result<std::unique_ptr<Platform>> Create(Options options) {
    Parts parts = TRY(MakeParts(std::move(options), stub::StubMode::kTrapped));
    return std::unique_ptr<Platform>(new SystrapPlatform(std::move(parts)));
  }

  Result<std::unique_ptr<Context>> NewContext() override {
    return std::unique_ptr<Context>(new SystrapContext(placement(), clock_));
  }

 private:
  explicit SystrapPlatform(Parts parts) : StubPlatform("systrap", std::move(parts)) {}

  std::unique_ptr<AddressSpace> MakeSpace(std::shared_ptr<stub::StubProcess> stub) override {
    return std::make_unique<SystrapAddressSpace>(pool(), std::move(stub), vma_budget(), slots_);
  }

  TscClock clock_;
  CallSlots slots_;
};

}  // namespace

Result<std::unique_ptr<Platform>> Create(Options options) {
  if ((getauxval(AT_HWCAP2) & kHwcap2FsGsBase) == 0) return Errno::kENOSYS;
  return SystrapPlatform::Create(std::move(options));
}

}  // namespace platform::systrap

#include "platform/ptrace/ptrace.h"

#include <signal.h>

#include <utility>

#include "platform/ptrace/context.h"

namespace platform::ptrace {
namespace {

// A stop is otherwise also announced by SIGCHLD to the process, and wakes some
// thread that has no use for it: a third of the cost of a guest's system call.
void SilenceStops() {
  struct sigaction action = {};
  action.sa_handler = SIG_DFL;
  action.sa_flags = SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, nullptr);
}

class PtracePlatform : public stub::StubPlatform {
 public:
  static Result<std::unique_ptr<Platform>> Create(Options options) {
    Parts parts = TRY(MakeParts(std::move(options), stub::StubMode::kTraced));
    return std::unique_ptr<Platform>(new PtracePlatform(std::move(parts)));
  }

  Result<std::unique_ptr<Context>> NewContext() override {
    return std::unique_ptr<Context>(new PtraceContext(placement()));
  }

 private:
  explicit PtracePlatform(Parts parts) : StubPlatform("ptrace", std::move(parts)) {}

  std::unique_ptr<AddressSpace> MakeSpace(std::shared_ptr<stub::StubProcess> stub) override {
    return std::make_unique<stub::StubAddressSpace>(pool(), std::move(stub), vma_budget());
  }
};

}  // namespace

Result<std::unique_ptr<Platform>> Create(Options options) {
  SilenceStops();
  return PtracePlatform::Create(std::move(options));
}

}  // namespace platform::ptrace

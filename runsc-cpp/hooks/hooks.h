// Runs OCI hooks.
#ifndef RUNSC_CPP_HOOKS_HOOKS_H_
#define RUNSC_CPP_HOOKS_HOOKS_H_

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runsc-cpp/oci/spec.h"

namespace runsc {

// A hook that was started, wherever it runs.
class HookProcess {
 public:
  virtual ~HookProcess() = default;
  virtual int end_fd() const = 0;  // readable once it has ended
  virtual void Kill() = 0;         // and nothing is left of it
  // After its end: empty if all went well, else "exit status 1".
  virtual std::string HowItEnded() = 0;
};

// Its descriptors 0 to 2. Borrowed.
using HookStreams = std::array<int, 3>;
using HookStarter = std::function<absl::StatusOr<std::unique_ptr<HookProcess>>(const oci::Hook&, HookStreams)>;

// Where a hook runs on the host. Without anything: in the caller's namespaces and working directory.
struct HookPlace {
  // Entered in this order; a pid namespace can't be. A mount namespace that has no root of the host should have what
  // the hook's program needs.
  std::vector<int> namespaces;
  // The working directory, looked up after they were entered. Empty: the caller's, or the root of a mount namespace
  // that was entered.
  std::string directory;
};
HookStarter OnHost(HookPlace place = {});

// Runs one hook and waits for it. `state` is the container's state as JSON,
// which the hook finds on its standard input. Its environment is the hook's
// and nothing else. It gets no descriptor but 0 to 2.
//
// The error has runc's words: what could not be done, or the exit status with
// what it wrote (the first 16 KiB of each stream), or the timeout, at which it
// is killed. The caller must not ignore SIGCHLD.
absl::Status RunHook(const oci::Hook& hook, const std::string& state, const HookStarter& start = OnHost());

// Runs `hooks` of a stage ("createRuntime") in order, until the first error,
// which then names stage and number.
absl::Status RunHooks(absl::string_view stage, const std::vector<oci::Hook>& hooks, const std::string& state,
                      const HookStarter& start = OnHost());

// Runs all of them whatever happens, as the specification wants it of
// poststop. Returns the errors.
std::vector<absl::Status> RunEveryHook(absl::string_view stage, const std::vector<oci::Hook>& hooks,
                                       const std::string& state);

}  // namespace runsc

#endif  // RUNSC_CPP_HOOKS_HOOKS_H_

// The OCI runtime, a command for each thing to be done.
//
// A child and not the library: `create` wants a process with one thread that becomes the parent of the anchor and dies
// with the call, and the same shim serves any runtime with runc's command line.
#ifndef RUNSC_CPP_SHIM_RUNTIME_H_
#define RUNSC_CPP_SHIM_RUNTIME_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runsc-cpp/shim/command.h"
#include "runsc-cpp/shim/reaper.h"
#include "runsc-cpp/shim/wire.pb.h"

namespace runsc::shim {

// What the runtime is called with; from options.
struct RuntimeConfig {
  std::string binary;  // empty: ourselves
  std::string root;    // empty: by the runtime's name
  bool systemd_cgroup = false;
  bool no_pivot_root = false;
  bool no_new_keyring = false;
  uint32_t io_uid = 0, io_gid = 0;
  std::string shim_cgroup;
};

struct RuntimeCall {
  std::vector<std::string> words;  // behind the global flags
  std::string bundle;              // the directory it runs in
  std::string log = "log.json";    // in the bundle
  std::vector<int> streams = {};   // empty: stdout and stderr are collected
  std::optional<std::string> input = std::nullopt;
  bool starts_process = false;  // which may have ended before the command
};

struct RuntimeResult {
  bool ok = false;
  std::string output;  // stdout
  std::string error;   // what the log, or else stderr, says
};

class Runtime {
 public:
  using Done = std::function<void(const RuntimeResult&)>;

  Runtime(Reaper& reaper, RuntimeConfig config, const std::string& space);
  static Runtime FromRecord(Reaper& reaper, const RuntimeRecord& record);
  RuntimeRecord ToRecord() const;

  const RuntimeConfig& config() const { return config_; }
  // `done` never runs before it returns.
  void Call(RuntimeCall call, Done done) const;
  // The same for a process without a loop.
  RuntimeResult CallAndWait(RuntimeCall call) const;

 private:
  struct Started;
  absl::StatusOr<std::shared_ptr<Started>> Start(const RuntimeCall& call) const;
  static RuntimeResult Collect(const Started& started, int wait_status);

  Reaper* reaper_;
  RuntimeConfig config_;
  std::string root_;  // with the namespace
};

// The message of the last line of level error in runc's JSON log.
std::string LastError(absl::string_view log);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_RUNTIME_H_

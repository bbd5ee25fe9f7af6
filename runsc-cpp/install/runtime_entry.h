// What an engine is told of a runtime.
#ifndef RUNSC_CPP_INSTALL_RUNTIME_ENTRY_H_
#define RUNSC_CPP_INSTALL_RUNTIME_ENTRY_H_

#include <string>
#include <vector>

namespace runsc {

struct RuntimeEntry {
  std::string name;    // docker run --runtime=NAME, RuntimeClass handler
  std::string binary;  // absolute
  // Docker only: containerd's runc shim passes no arguments.
  std::vector<std::string> args;
  bool systemd_cgroup = false;  // containerd: SystemdCgroup = true
  bool own_shim = false;        // containerd: our shim (shim_link.h), not runc's
  // The file of our shim's options: the CRI plugin passes it nothing else. Empty: none.
  std::string shim_options = "";
};

}  // namespace runsc

#endif  // RUNSC_CPP_INSTALL_RUNTIME_ENTRY_H_

// What the shim knows of a container and of each process that containerd started in it.
#ifndef RUNSC_CPP_SHIM_CONTAINER_H_
#define RUNSC_CPP_SHIM_CONTAINER_H_

#include <sys/types.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runsc-cpp/cgroup/cgroup.h"
#include "runsc-cpp/shim/runtime.h"
#include "runsc-cpp/shim/server.h"
#include "runsc-cpp/shim/streams.h"
#include "runsc-cpp/shim/task.pb.h"

namespace runsc::shim {

enum class Phase { kCreated, kRunning, kPaused, kStopped };

// Things that must happen one after the other, each of which ends later by calling what it was given.
class Queue {
 public:
  using Step = std::function<void(std::function<void()> done)>;
  void Add(Step step);

 private:
  void Next();
  std::deque<Step> steps_;
  bool busy_ = false;
};

struct Process {
  std::string exec_id;  // empty: the container's first process
  std::string spec;     // of an exec: its OCI process
  StreamPaths paths;
  std::unique_ptr<Streams> streams;
  Phase phase = Phase::kCreated;
  pid_t pid = 0;
  uint32_t exit_status = 0;
  Timestamp exited_at;
  std::vector<Reply> waiters;
  // Commands that must be answered before its end is told: start, and kills, behind whose answer containerd would
  // close the connection.
  int commands = 0;
  std::optional<int> ended_meanwhile;
  Queue queue;
};

struct Container {
  Container(std::string name, std::string directory, Runtime how)
      : id(std::move(name)), bundle(std::move(directory)), runtime(std::move(how)) {}

  const std::string id, bundle;
  const Runtime runtime;
  const std::shared_ptr<Process> init = std::make_shared<Process>();
  std::map<std::string, std::shared_ptr<Process>> execs;
  std::optional<cgroup::Cgroup> cgroup;
  std::optional<cgroup::OomWatch> oom;
  bool shares_pids = false;  // its other processes don't end with the first

  std::string rootfs() const { return bundle + "/rootfs"; }
};

// What containerd allows: no name leaves its folder.
bool IsValidId(const std::string& id);
// Whether the container has no pid namespace of its own, by its config.json.
bool SharesPids(const std::string& bundle);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_CONTAINER_H_

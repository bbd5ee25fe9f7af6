// The state directory (--root): a directory for each container, with its record, its configuration and its sandbox's
// log; beside them the control sockets of the sandboxes.
//
//   ROOT/ID/record       protobuf with a checksum; replaced as a whole
//   ROOT/ID/config.json  as it was at create
//   ROOT/ID/log          what sentry and gofer had to say
//   ROOT/ID/lock         who changes the container holds it
//   ROOT/ID/end          how it ended (postmortem/)
//   ROOT/.sandboxes/ID   a sandbox's listening socket
//   ROOT/.ended/ID       the end of one that was deleted
//
// Any process may be killed between any two steps: whatever is found then can be listed and deleted.
#ifndef RUNSC_CPP_CONTAINER_STATE_ROOT_H_
#define RUNSC_CPP_CONTAINER_STATE_ROOT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "runsc-cpp/container/record.pb.h"

namespace runsc {

// 1 to 1024 of a-z A-Z 0-9 _ + - . and not "." or ".."; runc's rule. Names of our own in the directory are none.
absl::Status CheckId(const std::string& id);

class StateRoot {
 public:
  explicit StateRoot(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string Directory(const std::string& id) const;

  // Makes the container's directory (and the root). AlreadyExists.
  absl::Status Add(const std::string& id) const;
  // NotFound: "container does not exist". DataLoss: it is there, its record can't be read.
  absl::StatusOr<ContainerRecord> Load(const std::string& id) const;
  absl::Status Save(const ContainerRecord& record) const;
  void Remove(const std::string& id) const;
  bool Exists(const std::string& id) const;
  std::vector<std::string> List() const;  // sorted

  // Waits for whoever changes the container now. Released with the descriptor.
  absl::StatusOr<base::UniqueFd> Lock(const std::string& id) const;

  absl::Status WriteFile(const std::string& id, const char* name, const std::string& text) const;
  absl::StatusOr<std::string> ReadFile(const std::string& id, const char* name) const;
  absl::StatusOr<base::UniqueFd> OpenLog(const std::string& id) const;

  // --- Sandboxes ---
  absl::StatusOr<base::UniqueFd> ListenAs(const std::string& sandbox) const;
  // Unavailable: nobody is there.
  absl::StatusOr<base::UniqueFd> ConnectTo(const std::string& sandbox) const;
  void RemoveSocket(const std::string& sandbox) const;

 private:
  std::string path_;
};

inline constexpr char kDefaultRoot[] = "/run/runsc-cpp";
inline constexpr size_t kMaxStateFile = 16 << 20;

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_STATE_ROOT_H_

// The socket over which the runtime hands a terminal to the shim.
#ifndef RUNSC_CPP_SHIM_CONSOLE_H_
#define RUNSC_CPP_SHIM_CONSOLE_H_

#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace runsc::shim {

class ConsoleSocket {
 public:
  // Listens at `name` in the directory, whose own path may be longer than a socket's address can be. The runtime runs
  // there, so that `name` alone is the path that it is given.
  static absl::StatusOr<ConsoleSocket> Listen(const std::string& directory, const std::string& name);
  ConsoleSocket(ConsoleSocket&&) = default;
  ConsoleSocket& operator=(ConsoleSocket&&) = default;
  ~ConsoleSocket();

  // Once the runtime has ended; doesn't wait.
  absl::StatusOr<base::UniqueFd> ReceiveMaster() const;

 private:
  ConsoleSocket(base::UniqueFd directory, std::string name, base::UniqueFd listener)
      : directory_(std::move(directory)), name_(std::move(name)), listener_(std::move(listener)) {}

  base::UniqueFd directory_;
  std::string name_;
  base::UniqueFd listener_;
};

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_CONSOLE_H_

// A host pseudo terminal for a container: its master goes to the engine, its slave is what the guest's own is bridged
// to.
#ifndef RUNSC_CPP_CONTAINER_CONSOLE_H_
#define RUNSC_CPP_CONTAINER_CONSOLE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"

namespace runsc {

// The slave, raw: the guest's line discipline decides. Its master was sent over `console_socket` (--console-socket), an
// AF_UNIX path, as runc sends it.
absl::StatusOr<base::UniqueFd> SendConsole(const std::string& console_socket, uint32_t rows, uint32_t columns);

}  // namespace runsc

#endif  // RUNSC_CPP_CONTAINER_CONSOLE_H_

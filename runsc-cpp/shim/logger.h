// A program that takes a container's output: binary:///PATH?FLAG=VALUE.
#ifndef RUNSC_CPP_SHIM_LOGGER_H_
#define RUNSC_CPP_SHIM_LOGGER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace runsc::shim {

struct LoggerUri {
  std::string path;
  std::vector<std::string> args;  // names and values of the query, in order
};
absl::StatusOr<LoggerUri> ParseLoggerUri(const std::string& uri);

// Its descriptors 3 and 4 are the container's stdout and stderr; it closes 5 when it is ready, for which this waits
// 10 seconds at most.
absl::Status StartLogger(const std::string& uri, const std::string& id, const std::string& space, int out, int err);

}  // namespace runsc::shim

#endif  // RUNSC_CPP_SHIM_LOGGER_H_

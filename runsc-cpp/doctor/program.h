// A program that is run and listened to.
#ifndef RUNSC_CPP_DOCTOR_PROGRAM_H_
#define RUNSC_CPP_DOCTOR_PROGRAM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace runsc {

// Where `name` is, by PATH and in the usual folders; empty: nowhere.
std::string FindProgram(const std::string& name);

struct Said {
  int code = 0;      // 128 + N by signal N
  std::string text;  // of both streams, at most 64 KiB
};
// DeadlineExceeded: it was killed, with its process group.
absl::StatusOr<Said> RunProgram(const std::vector<std::string>& argv, int timeout_ms);

// The last line that is not empty: what programs say of their failure.
std::string LastLine(const std::string& text);

}  // namespace runsc

#endif  // RUNSC_CPP_DOCTOR_PROGRAM_H_

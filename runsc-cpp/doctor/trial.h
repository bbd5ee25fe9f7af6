// A container that does nothing but say this program's version: a folder that goes with it.
#ifndef RUNSC_CPP_DOCTOR_TRIAL_H_
#define RUNSC_CPP_DOCTOR_TRIAL_H_

#include <string>

#include "absl/status/status.h"
#include "runsc-cpp/doctor/engines.h"

namespace runsc {

inline constexpr char kGuestBinary[] = "/runsc-cpp";
inline constexpr char kExpected[] = "runsc-cpp version ";
inline constexpr int kTrialMs = 60'000;

// An empty root file system, a bundle and a state directory.
class TrialFolder {
 public:
  explicit TrialFolder(const std::string& parent);
  ~TrialFolder();

  const absl::Status& status() const { return status_; }
  std::string rootfs() const { return path_ + "/rootfs"; }
  std::string bundle() const { return path_; }
  std::string state() const { return path_ + "/state"; }
  // config.json, in which the program is a bind mount of `binary`.
  absl::Status WriteConfig(const std::string& binary) const;

 private:
  std::string path_;
  absl::Status status_;
};

// A name that nobody else has.
std::string TrialName();

// Runs `argv`, whose container is to say the version.
Finding Try(const std::string& what, const std::vector<std::string>& argv, const std::string& fix);

}  // namespace runsc

#endif  // RUNSC_CPP_DOCTOR_TRIAL_H_

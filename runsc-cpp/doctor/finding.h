// What `runsc-cpp doctor` finds, a line each.
#ifndef RUNSC_CPP_DOCTOR_FINDING_H_
#define RUNSC_CPP_DOCTOR_FINDING_H_

#include <string>
#include <vector>

namespace runsc {

enum class Health : uint8_t {
  kGood,
  kNote,  // works, but worth knowing
  kBad,   // must be fixed
};

struct Finding {
  Health health = Health::kGood;
  std::string what;
  std::string fix = {};  // a command, or what to do; empty for what is good
};
using Findings = std::vector<Finding>;

}  // namespace runsc

#endif  // RUNSC_CPP_DOCTOR_FINDING_H_

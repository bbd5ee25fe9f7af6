// The cases, by name; main.cc runs one.
#ifndef TEST_HOSTILE_CASES_H_
#define TEST_HOSTILE_CASES_H_

#include <cstdint>
#include <span>

namespace hostile {

struct Options {
  bool full = false;     // the long way
  bool vmcalls = false;  // vmcall and vmmcall too: never where a machine beneath would take them
  uint64_t first = 0;    // entry_states: seeds
  uint64_t count = 0;
};

struct Case {
  const char* name;
  void (*run)(const Options& options);
};

std::span<const Case> PrivilegedCases();
std::span<const Case> OpcodeCases();
std::span<const Case> FarCases();
std::span<const Case> CompatCases();
std::span<const Case> SelectorCases();
std::span<const Case> FaultCases();
std::span<const Case> HighHalfCases();
std::span<const Case> SyscallCases();
std::span<const Case> StepCases();
std::span<const Case> SigreturnCases();
std::span<const Case> EntryStateCases();
std::span<const Case> BirthCases();
std::span<const Case> RaceCases();
std::span<const Case> StormCases();
std::span<const Case> KickCases();
std::span<const Case> VectorCases();

}  // namespace hostile

#endif  // TEST_HOSTILE_CASES_H_

// What the sentry, the gofer and the netgofer may ask of the host kernel: an allow list as
// data. A call passes if one of its rules matches; any other kills the process.
//
// generate.cc turns a policy into BPF when the project is built (libseccomp);
// filter_test.cc evaluates that BPF over every call number and argument rule.
#ifndef RUNSC_CPP_FILTER_POLICY_H_
#define RUNSC_CPP_FILTER_POLICY_H_

#include <cstdint>
#include <span>

namespace runsc {

// (argument & mask) == value; arguments are 64 bits wide.
struct ArgRule {
  uint8_t index;
  uint64_t mask;
  uint64_t value;
};

constexpr ArgRule Equals(uint8_t index, uint64_t value) { return {index, UINT64_MAX, value}; }
// For int arguments, whose upper half is anything.
constexpr ArgRule EqualsInt(uint8_t index, uint32_t value) { return {index, UINT32_MAX, value}; }
constexpr ArgRule Masked(uint8_t index, uint64_t mask, uint64_t value) { return {index, mask, value}; }

enum class FilterAction : uint8_t { kAllow, kNotImplemented /* ENOSYS: the caller has another way */ };

struct FilterRule {
  int number;          // __NR_*
  const char* reason;  // who needs it and what for
  uint8_t arg_count = 0;
  ArgRule args[3] = {};
  FilterAction action = FilterAction::kAllow;
};

constexpr FilterRule Allow(int number, const char* reason) { return {number, reason}; }
constexpr FilterRule Allow(int number, const char* reason, ArgRule a) { return {number, reason, 1, {a}}; }
constexpr FilterRule Allow(int number, const char* reason, ArgRule a, ArgRule b) { return {number, reason, 2, {a, b}}; }
constexpr FilterRule Allow(int number, const char* reason, ArgRule a, ArgRule b, ArgRule c) {
  return {number, reason, 3, {a, b, c}};
}
constexpr FilterRule Refuse(int number, const char* reason) {
  return {number, reason, 0, {}, FilterAction::kNotImplemented};
}

std::span<const FilterRule> SentryPolicy();
// Those of SentryPolicy, and ptrace.
std::span<const FilterRule> TracingSentryPolicy();
// Those of SentryPolicy, and the ioctls of KVM.
std::span<const FilterRule> KvmSentryPolicy();
std::span<const FilterRule> GoferPolicy();
std::span<const FilterRule> NetgoferPolicy();
// Those of NetgoferPolicy, and raw sockets.
std::span<const FilterRule> RawNetgoferPolicy();

}  // namespace runsc

#endif  // RUNSC_CPP_FILTER_POLICY_H_

// Build-time tool: prints a policy as a C++ array of BPF instructions.
//   generate sentry|tracing_sentry|kvm_sentry|gofer
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "runsc-cpp/filter/policy.h"

namespace runsc {
namespace {

bool AddRule(scmp_filter_ctx context, const FilterRule& rule) {
  std::vector<scmp_arg_cmp> comparisons;
  for (uint8_t i = 0; i < rule.arg_count; ++i) {
    const ArgRule& a = rule.args[i];
    comparisons.push_back({a.index, SCMP_CMP_MASKED_EQ, a.mask, a.value});
  }
  const uint32_t action = rule.action == FilterAction::kAllow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS);
  return seccomp_rule_add_exact_array(context, action, rule.number, comparisons.size(), comparisons.data()) == 0;
}

int Generate(const char* name, std::span<const FilterRule> policy) {
  scmp_filter_ctx context = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (context == nullptr) return 1;
  if (seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0) return 1;
  // A tree instead of a list: the cost of a call does not grow with the policy.
  if (seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0) return 1;
  for (const FilterRule& rule : policy) {
    if (!AddRule(context, rule)) {
      fprintf(stderr, "%s: can't add the rule for call %d (%s)\n", name, rule.number, rule.reason);
      return 1;
    }
  }
  FILE* file = tmpfile();
  if (file == nullptr || seccomp_export_bpf(context, fileno(file)) != 0) return 1;
  rewind(file);
  sock_filter instruction;
  printf("// Generated from policy.h by generate.cc.\n");
  while (fread(&instruction, sizeof instruction, 1, file) == 1) {
    printf("{%#x, %u, %u, %#x},\n", instruction.code, instruction.jt, instruction.jf, instruction.k);
  }
  return 0;
}

}  // namespace
}  // namespace runsc

int main(int argc, char** argv) {
  const std::string which = argc == 2 ? argv[1] : "";
  if (which == "sentry") return runsc::Generate("sentry", runsc::SentryPolicy());
  if (which == "tracing_sentry") return runsc::Generate("tracing_sentry", runsc::TracingSentryPolicy());
  if (which == "kvm_sentry") return runsc::Generate("kvm_sentry", runsc::KvmSentryPolicy());
  if (which == "gofer") return runsc::Generate("gofer", runsc::GoferPolicy());
  if (which == "netgofer") return runsc::Generate("netgofer", runsc::NetgoferPolicy());
  if (which == "raw_netgofer") return runsc::Generate("raw_netgofer", runsc::RawNetgoferPolicy());
  fprintf(stderr, "usage: generate sentry|tracing_sentry|kvm_sentry|gofer|netgofer|raw_netgofer\n");
  return 2;
}

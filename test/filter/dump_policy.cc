// Prints the policies for policy.py, a rule a line:
//   sentry|gofer|netgofer NUMBER [INDEX MASK VALUE]...
#include <cinttypes>
#include <cstdio>

#include "runsc-cpp/filter/policy.h"

namespace {

void Dump(const char* name, std::span<const runsc::FilterRule> policy) {
  for (const runsc::FilterRule& rule : policy) {
    printf("%s %d", name, rule.number);
    for (uint8_t i = 0; i < rule.arg_count; ++i) {
      printf(" %u %" PRIu64 " %" PRIu64, unsigned{rule.args[i].index}, rule.args[i].mask, rule.args[i].value);
    }
    printf("\n");
  }
}

}  // namespace

int main() {
  // The longer one; the host itself kills for ptrace under the other.
  Dump("sentry", runsc::TracingSentryPolicy());
  Dump("gofer", runsc::GoferPolicy());
  Dump("netgofer", runsc::NetgoferPolicy());
}

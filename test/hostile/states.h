// Random states of the machine (entry_states.cc), for other cases too.
#ifndef TEST_HOSTILE_STATES_H_
#define TEST_HOSTILE_STATES_H_

#include "test/hostile/machine.h"
#include "test/hostile/random.h"

namespace hostile {

enum Features : unsigned {
  kPlain = 0,
  kWithSelectors = 1,  // ds, es, cs, ss
  kWithBases = 2,
  kWithDirect = 4,  // loads, popf and a jump instead of rt_sigreturn
};

// The code that they begin in, and what it works on.
void WriteSnippets();
void FillPages(Random& random);
// `noise`: the code writes what differs from time to time.
State RandomState(Random& random, unsigned features, bool& noise);

}  // namespace hostile

#endif  // TEST_HOSTILE_STATES_H_

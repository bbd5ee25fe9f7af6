// Bodies that may die run in children.
#ifndef TEST_HOSTILE_CHILD_H_
#define TEST_HOSTILE_CHILD_H_

#include <sys/types.h>

#include <functional>
#include <string>

namespace hostile {

// Forks, runs the body there and waits: "exit N" or "signal N"; "hang" after some seconds.
std::string InChild(const std::function<void()>& body);
std::string Await(pid_t pid);

}  // namespace hostile

#endif  // TEST_HOSTILE_CHILD_H_

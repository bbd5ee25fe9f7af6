// CHECK(cond): our own broken invariant aborts. Never for what a guest, gofer,
// configuration or peer can cause: that is an error with a test.
#ifndef BASE_CHECK_H_
#define BASE_CHECK_H_

namespace base {
[[noreturn]] void CheckFailed(const char* file, int line, const char* what);
}  // namespace base

#define CHECK(cond) (__builtin_expect(!!(cond), 1) ? (void)0 : ::base::CheckFailed(__FILE__, __LINE__, #cond))

#ifdef NDEBUG
#define DCHECK(cond) ((void)sizeof(!!(cond)))
#else
#define DCHECK(cond) CHECK(cond)
#endif

#endif  // BASE_CHECK_H_

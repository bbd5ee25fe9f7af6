#include "base/ref_ptr.h"

#include "gtest/gtest.h"

namespace base {
namespace {

class Counted : public RefCounted {
 public:
  explicit Counted(int* alive) : alive_(alive) { ++*alive_; }

 private:
  ~Counted() override { --*alive_; }
  int* alive_;
};

TEST(RefPtr, LastOneDeletes) {
  int alive = 0;
  RefPtr<Counted> a = MakeRef<Counted>(&alive);
  EXPECT_EQ(alive, 1);
  RefPtr<Counted> b = a;
  EXPECT_EQ(a->ref_count(), 2u);
  a.reset();
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(a, nullptr);
  b = nullptr;
  EXPECT_EQ(alive, 0);
}

TEST(RefPtr, ConvertsToABase) {
  int alive = 0;
  RefPtr<Counted> a = MakeRef<Counted>(&alive);
  RefPtr<RefCounted> base = a;
  RefPtr<RefCounted> moved = std::move(a);
  EXPECT_EQ(base, moved);
  base.reset();
  moved.reset();
  EXPECT_EQ(alive, 0);
}

TEST(RefPtr, SelfAssignmentKeepsTheObject) {
  int alive = 0;
  RefPtr<Counted> a = MakeRef<Counted>(&alive);
  RefPtr<Counted>& alias = a;
  a = alias;
  EXPECT_EQ(alive, 1);
}

// An object that takes itself out of a table, as tables without references do.
class Entry : public RefCounted {
 public:
  explicit Entry(bool* try_result) : try_result_(try_result) {}

 private:
  ~Entry() override { *try_result_ = TryIncRef(); }
  bool* try_result_;
};

TEST(RefPtr, TryIncRefFailsOnceTheCountIsZero) {
  bool result = true;
  MakeRef<Entry>(&result);
  EXPECT_FALSE(result);
}

}  // namespace
}  // namespace base

#include "platform/kvm/tables.h"

#include <algorithm>
#include <set>
#include <vector>

#include "platform/kvm/test_machine.h"
#include "sentry/usermem/user_addr.h"

namespace platform::kvm {
namespace {

using sentry::kPageSize;

constexpr uint64_t kSlot = 16 << 20;
constexpr size_t kPagesOfSlot = kSlot / kPageSize;
constexpr size_t kWaiting = 1024;  // as in tables.cc

class TablesTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Make(4 * kSlot);
  }
  void Make(uint64_t limit) {
    Result<std::unique_ptr<Tables>> tables = Tables::Create(*machine_, limit);
    ASSERT_TRUE(tables.ok());
    tables_ = *std::move(tables);
  }
  std::vector<uint64_t> Allocate(size_t count) {
    std::vector<uint64_t> pages(count);
    for (uint64_t& page : pages) page = tables_->Allocate().value();
    return pages;
  }
  bool IsZero(uint64_t page) {
    const uint64_t* const words = tables_->Entries(page);
    return std::all_of(words, words + kPageSize / 8, [](uint64_t w) { return w == 0; }) && tables_->used(page) == 0;
  }
  void Scribble(uint64_t page) {
    std::fill_n(tables_->Entries(page), kPageSize / 8, ~uint64_t{0});
    tables_->used(page) = 77;
  }
  std::unique_ptr<Tables> tables_;
};

TEST_F(TablesTest, PagesAreDistinctZeroedAndNotPageZero) {
  const std::vector<uint64_t> pages = Allocate(3000);
  const std::set<uint64_t> distinct(pages.begin(), pages.end());
  EXPECT_EQ(distinct.size(), pages.size());
  EXPECT_EQ(distinct.count(0), 0u);
  EXPECT_EQ(tables_->in_use(), pages.size());
  for (const uint64_t page : pages) {
    ASSERT_EQ(page % kPageSize, 0u);
    ASSERT_TRUE(IsZero(page));
    Scribble(page);
  }
  tables_->Free(pages);
  EXPECT_EQ(tables_->in_use(), 0u);
  for (const uint64_t page : Allocate(3000)) {
    ASSERT_TRUE(IsZero(page));
    ASSERT_EQ(distinct.count(page), 1u);  // the same ones, all of them
  }
  EXPECT_EQ(machine_->drops(), 0u);
}

TEST_F(TablesTest, ShadowedPagesWaitForADrop) {
  tables_->set_shadowed();
  const std::vector<uint64_t> pages = Allocate(kWaiting);
  std::set<uint64_t> freed;
  for (size_t i = 0; i + 1 < pages.size(); i++) {
    Scribble(pages[i]);
    tables_->Free({&pages[i], 1});
    freed.insert(pages[i]);
  }
  for (const uint64_t page : Allocate(100)) ASSERT_EQ(freed.count(page), 0u);
  EXPECT_EQ(machine_->drops(), 0u);
  Scribble(pages.back());
  tables_->Free({&pages.back(), 1});
  freed.insert(pages.back());
  // Now there are enough of them.
  for (const uint64_t page : Allocate(kWaiting)) {
    ASSERT_EQ(freed.erase(page), 1u);
    ASSERT_TRUE(IsZero(page));
  }
  EXPECT_EQ(machine_->drops(), 1u);
  for (const uint64_t page : Allocate(10)) ASSERT_EQ(freed.count(page), 0u);
  EXPECT_EQ(machine_->drops(), 1u);
}

TEST_F(TablesTest, Limit) {
  Make(kSlot);
  std::vector<uint64_t> pages = Allocate(kPagesOfSlot - 1);  // 0 is no page
  EXPECT_TRUE(tables_->Allocate().Is(Errno::kENOMEM));
  EXPECT_TRUE(tables_->Allocate().Is(Errno::kENOMEM));
  tables_->Free({&pages[7], 1});
  EXPECT_EQ(tables_->Allocate().value(), pages[7]);
  EXPECT_TRUE(tables_->Allocate().Is(Errno::kENOMEM));
}

TEST_F(TablesTest, ShadowedAtTheLimitDropsAtOnce) {
  Make(kSlot);
  tables_->set_shadowed();
  const std::vector<uint64_t> pages = Allocate(kPagesOfSlot - 1);
  EXPECT_TRUE(tables_->Allocate().Is(Errno::kENOMEM));
  EXPECT_EQ(machine_->drops(), 0u);
  tables_->Free({&pages[3], 1});
  EXPECT_EQ(tables_->Allocate().value(), pages[3]);
  EXPECT_EQ(machine_->drops(), 1u);
}

}  // namespace
}  // namespace platform::kvm

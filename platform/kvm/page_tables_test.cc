#include "platform/kvm/page_tables.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "platform/kvm/layout.h"
#include "platform/kvm/test_machine.h"

namespace platform::kvm {
namespace {

using sentry::kPageSize;

constexpr uint64_t kSlot = 16 << 20, kLarge = 2 << 20;
constexpr uint64_t kNoExecute = uint64_t{1} << 63, kAddress = 0x000ffffffffff000;
constexpr size_t kPagesOfLarge = kLarge / kPageSize;
constexpr uint64_t kRing0 = 0xabc000;  // a table that nobody looks into
constexpr MemoryProtection kRead{.read = true}, kReadWrite{.read = true, .write = true},
    kReadExecute{.read = true, .execute = true}, kAll{.read = true, .write = true, .execute = true};
constexpr MemoryProtection kProtections[] = {kRead, kReadWrite, kReadExecute, kAll};

struct Page {
  uint64_t gpa;
  bool writable;
  bool executable;
  friend bool operator==(const Page&, const Page&) = default;
};
using Model = std::map<uint64_t, Page>;  // by address

UserRange RangeOf(uint64_t start, uint64_t pages) { return {UserAddr(start), UserAddr(start + pages * kPageSize)}; }

std::multiset<uint64_t> PagesOf(const std::vector<GpaRange>& ranges) {
  std::multiset<uint64_t> pages;
  for (const GpaRange& r : ranges) {
    for (uint64_t at = 0; at < r.size; at += kPageSize) pages.insert(r.start + at);
  }
  return pages;
}

class PageTablesTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Result<std::unique_ptr<Tables>> memory = Tables::Create(*machine_, kSlot);
    ASSERT_TRUE(memory.ok());
    memory_ = *std::move(memory);
    tables_ = std::make_unique<PageTables>(*memory_);
  }

  // As the processor reads them, from a root.
  struct Walk {
    Model pages;
    size_t tables = 0;  // less the root
    size_t large = 0;
    size_t empty = 0;
  };
  Walk WalkFrom(uint64_t root) {
    Walk walk;
    const auto visit = [&](auto& self, uint64_t table, int level, uint64_t base) -> void {
      const uint64_t span = uint64_t{1} << (12 + 9 * (level - 1));
      size_t used = 0;
      for (uint64_t i = 0; i < (level == 4 ? 256u : 512u); i++) {
        const uint64_t entry = memory_->Entries(table)[i], at = base + i * span;
        if ((entry & 1) == 0) continue;
        used++;
        EXPECT_NE(entry & 4, 0u);  // the user's
        if (level > 1 && (entry & 0x80) == 0) {
          self(self, entry & kAddress, level - 1, at);
          continue;
        }
        EXPECT_LE(level, 2);
        if (level == 2) walk.large++;
        for (uint64_t skip = 0; skip < span; skip += kPageSize) {
          walk.pages[at + skip] = {(entry & kAddress) + skip, (entry & 2) != 0, (entry & kNoExecute) == 0};
        }
      }
      if (level != 4) {
        walk.tables++;
        EXPECT_EQ(memory_->used(table), used);
        if (used == 0) walk.empty++;
      }
    };
    visit(visit, root, 4, 0);
    return walk;
  }
  uint64_t Root(size_t vcpu) { return tables_->Root(vcpu, kRing0 + vcpu * kPageSize).value(); }

  // All views of the tables agree with the model, and nothing is lost or left.
  void Check(const Model& model, size_t other_pages = 0) {
    ASSERT_FALSE(roots_.empty());
    const Walk walk = WalkFrom(roots_.begin()->second);
    ASSERT_EQ(walk.pages, model);
    ASSERT_EQ(walk.empty, 0u);
    for (const auto& [vcpu, root] : roots_) {
      ASSERT_TRUE(
          std::equal(memory_->Entries(root), memory_->Entries(root) + 256, memory_->Entries(roots_.begin()->second)));
      const uint64_t entry = memory_->Entries(root)[511];
      ASSERT_EQ(entry & kAddress, kRing0 + vcpu * kPageSize);
      ASSERT_EQ(entry & 4, 4u);
    }
    ASSERT_EQ(memory_->in_use(), walk.tables + roots_.size() + 1 + other_pages);
  }
  void CheckTranslations(const Model& model, const std::vector<uint64_t>& addresses) {
    for (const uint64_t at : addresses) {
      const auto found = tables_->Translate(at + 123);
      const auto it = model.find(at);
      ASSERT_EQ(found.has_value(), it != model.end()) << std::hex << at;
      if (!found) continue;
      ASSERT_EQ(found->gpa, it->second.gpa);
      ASSERT_EQ(found->writable, it->second.writable);
    }
  }
  void AddRoot(size_t vcpu) { roots_[vcpu] = Root(vcpu); }

  // Uses up all but `left` pages.
  std::vector<uint64_t> Starve(size_t left) {
    std::vector<uint64_t> hoard;
    while (true) {
      const Result<uint64_t> page = memory_->Allocate();
      if (!page.ok()) break;
      hoard.push_back(*page);
    }
    for (; left > 0; left--) {
      memory_->Free({&hoard.back(), 1});
      hoard.pop_back();
    }
    return hoard;
  }

  // What an Unmap or Protect of the range takes, by the model; which it changes.
  static std::multiset<uint64_t> Erase(Model& model, UserRange range) {
    std::multiset<uint64_t> pages;
    auto it = model.lower_bound(range.start.value);
    while (it != model.end() && it->first < range.end.value) {
      pages.insert(it->second.gpa);
      it = model.erase(it);
    }
    return pages;
  }
  static std::multiset<uint64_t> Change(Model& model, UserRange range, MemoryProtection prot) {
    std::multiset<uint64_t> weakened;
    for (auto it = model.lower_bound(range.start.value); it != model.end() && it->first < range.end.value; ++it) {
      Page& page = it->second;
      if ((page.writable && !prot.write) || (page.executable && !prot.execute)) weakened.insert(page.gpa);
      page.writable = prot.write, page.executable = prot.execute;
    }
    return weakened;
  }
  static void Insert(Model& model, UserRange range, uint64_t gpa, MemoryProtection prot) {
    for (uint64_t at = 0; at < range.size(); at += kPageSize) {
      model[range.start.value + at] = {gpa + at, prot.write, prot.execute};
    }
  }
  void UnmapAndCheckTaken(Model& model, UserRange range) {
    Taken taken;
    const size_t tables_before = WalkFrom(roots_.begin()->second).tables;
    ASSERT_TRUE(tables_->Unmap(range, taken).ok());
    const size_t split = memory_->in_use() - before_split_;
    ASSERT_EQ(PagesOf(taken.pages), Erase(model, range));
    ASSERT_FALSE(taken.rights);
    ASSERT_TRUE(taken.weakened.empty());
    ASSERT_EQ(WalkFrom(roots_.begin()->second).tables, tables_before + split - taken.tables.size());
    // None of them can be reached, and none is named twice.
    const std::set<uint64_t> distinct(taken.tables.begin(), taken.tables.end());
    ASSERT_EQ(distinct.size(), taken.tables.size());
    memory_->Free(taken.tables);
  }

  std::unique_ptr<Tables> memory_;
  std::unique_ptr<PageTables> tables_;
  std::map<size_t, uint64_t> roots_;  // by virtual CPU
  size_t before_split_ = 0;
};

// Around the ends of tables of each level.
constexpr uint64_t kAreas[] = {uint64_t{1} << 30, uint64_t{1} << 39, 0x400000};
constexpr uint64_t kAreaPages = 6 * kPagesOfLarge;

TEST_F(PageTablesTest, AgreesWithAModel) {
  std::mt19937_64 random(7);
  const auto below = [&](uint64_t n) { return random() % n; };
  Model model;
  uint64_t next_gpa = uint64_t{4} << 30;
  AddRoot(2);
  for (int round = 0; round < 300; round++) {
    SCOPED_TRACE(round);
    const uint64_t area = kAreas[below(std::size(kAreas))];
    uint64_t first = below(kAreaPages), pages = 1 + below(below(2) == 0 ? 20 : kAreaPages);
    if (below(3) == 0) first -= first % kPagesOfLarge;
    pages = std::min(pages, kAreaPages - first);
    const uint64_t start = (area == 0x400000 ? area : area - kAreaPages / 2 * kPageSize) + first * kPageSize;
    const UserRange range = RangeOf(start, pages);
    const MemoryProtection prot = kProtections[below(4)];
    before_split_ = memory_->in_use();
    if (below(3) == 0) {
      Taken taken;
      ASSERT_TRUE(tables_->Protect(range, prot, taken).ok());
      const std::multiset<uint64_t> weakened = Change(model, range, prot);
      ASSERT_EQ(PagesOf(taken.weakened), weakened);
      ASSERT_EQ(taken.rights, !weakened.empty());
      ASSERT_TRUE(taken.pages.empty() && taken.tables.empty());
    } else {
      UnmapAndCheckTaken(model, range);
      if (HasFatalFailure()) return;
      if (below(3) != 0) {
        // So that some can be mapped in large pieces.
        const uint64_t gpa = below(2) == 0 ? next_gpa + start % kLarge : next_gpa + kPageSize * below(3);
        next_gpa += 8 * kLarge;
        ASSERT_TRUE(tables_->Map(start, {gpa, range.size()}, prot, below(3) != 0).ok());
        Insert(model, range, gpa, prot);
      }
    }
    if (round % 25 == 10) AddRoot(below(12));
    Check(model);
    CheckTranslations(model, {start - kPageSize, start, start + range.size() / 2 / kPageSize * kPageSize,
                              range.end.value - kPageSize, range.end.value});
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(roots_.size(), 3u);
  before_split_ = memory_->in_use();
  UnmapAndCheckTaken(model, {UserAddr(0), UserAddr(RESERVED_BASE)});
  Check({});
  EXPECT_EQ(memory_->in_use(), roots_.size() + 1);
  tables_.reset();
  EXPECT_EQ(memory_->in_use(), 0u);
}

TEST_F(PageTablesTest, LargePiecesAndTheirSplit) {
  AddRoot(0);
  constexpr uint64_t kStart = 16 * kLarge, kGpa = uint64_t{8} << 30;
  Model model;
  ASSERT_TRUE(tables_->Map(kStart, {kGpa, 3 * kLarge}, kReadWrite, true).ok());
  Insert(model, RangeOf(kStart, 3 * kPagesOfLarge), kGpa, kReadWrite);
  EXPECT_EQ(WalkFrom(roots_[0]).large, 3u);
  Check(model);
  EXPECT_EQ(tables_->FindAddress([](uint64_t gpa) { return gpa == kGpa + kLarge + 5 * kPageSize; }),
            kStart + kLarge + 5 * kPageSize);
  // A page in the midst splits one of them.
  Taken taken;
  ASSERT_TRUE(tables_->Protect(RangeOf(kStart + kLarge + kPageSize, 1), kRead, taken).ok());
  Change(model, RangeOf(kStart + kLarge + kPageSize, 1), kRead);
  EXPECT_EQ(PagesOf(taken.weakened), (std::multiset<uint64_t>{kGpa + kLarge + kPageSize}));
  EXPECT_EQ(WalkFrom(roots_[0]).large, 2u);
  Check(model);
  // Whole ones do not.
  before_split_ = memory_->in_use();
  UnmapAndCheckTaken(model, RangeOf(kStart, kPagesOfLarge));
  EXPECT_EQ(WalkFrom(roots_[0]).large, 1u);
  Check(model);
  // Neither where the two sides are not alike, nor where a table is already.
  ASSERT_TRUE(tables_->Map(64 * kLarge, {kGpa + kPageSize, 2 * kLarge}, kRead, true).ok());
  Insert(model, RangeOf(64 * kLarge, 2 * kPagesOfLarge), kGpa + kPageSize, kRead);
  EXPECT_EQ(WalkFrom(roots_[0]).large, 1u);
  Check(model);
}

TEST_F(PageTablesTest, RootsThatComeLaterHaveAllThatIsThere) {
  AddRoot(0);
  Model model;
  ASSERT_TRUE(tables_->Map(0x400000, {0x5000, kPageSize}, kReadExecute, false).ok());
  Insert(model, RangeOf(0x400000, 1), 0x5000, kReadExecute);
  AddRoot(9);
  EXPECT_EQ(Root(9), roots_[9]);  // the same again
  EXPECT_NE(roots_[0], roots_[9]);
  Check(model);
  ASSERT_TRUE(tables_->Map(uint64_t{5} << 39, {0x6000, kPageSize}, kAll, false).ok());
  Insert(model, RangeOf(uint64_t{5} << 39, 1), 0x6000, kAll);
  AddRoot(4);
  Check(model);
}

// With ever more tables to be had, until it works: nothing is lost or half done.
TEST_F(PageTablesTest, MapWithoutMemory) {
  AddRoot(0);
  AddRoot(1);
  // Across the end of a table of each level.
  constexpr uint64_t kStart = (uint64_t{3} << 39) - 2 * kLarge - kPageSize, kPages = 4 * kPagesOfLarge + 2;
  for (const bool huge : {false, true}) {
    bool worked = false;
    for (size_t left = 0; left < 20 && !worked; left++) {
      SCOPED_TRACE(left);
      const std::vector<uint64_t> hoard = Starve(left);
      worked = tables_->Map(kStart, {uint64_t{4} << 30 | kStart % kLarge, kPages * kPageSize}, kRead, huge).ok();
      Taken taken;
      ASSERT_TRUE(tables_->Unmap(RangeOf(kStart, kPages), taken).ok());
      EXPECT_EQ(PagesOf(taken.pages).size() == kPages, worked);
      memory_->Free(taken.tables);
      Check({}, hoard.size());
      if (HasFatalFailure()) return;
      memory_->Free(hoard);
    }
    EXPECT_TRUE(worked);
  }
}

TEST_F(PageTablesTest, SplitsWithoutMemory) {
  AddRoot(0);
  constexpr uint64_t kStart = 16 * kLarge, kGpa = uint64_t{8} << 30;
  Model model;
  ASSERT_TRUE(tables_->Map(kStart, {kGpa, 3 * kLarge}, kAll, true).ok());
  Insert(model, RangeOf(kStart, 3 * kPagesOfLarge), kGpa, kAll);
  const UserRange inner = RangeOf(kStart + kPageSize, 3 * kPagesOfLarge - 2);  // both ends are split
  for (size_t left = 0; left < 2; left++) {
    std::vector<uint64_t> hoard = Starve(left);
    Taken taken;
    EXPECT_TRUE(tables_->Protect(inner, kRead, taken).Is(Errno::kENOMEM));
    EXPECT_TRUE(tables_->Unmap(inner, taken).Is(Errno::kENOMEM));
    EXPECT_FALSE(taken.any());
    Check(model, hoard.size());
    memory_->Free(hoard);
  }
  before_split_ = memory_->in_use();
  UnmapAndCheckTaken(model, inner);
  Check(model);
  EXPECT_EQ(model.size(), 2u);
}

TEST_F(PageTablesTest, RootWithoutMemory) {
  for (size_t left = 0; left < 2; left++) {
    const std::vector<uint64_t> hoard = Starve(left);
    EXPECT_TRUE(tables_->Root(3, kRing0).Is(Errno::kENOMEM));
    memory_->Free(hoard);
  }
  AddRoot(3);
  Check({});
}

}  // namespace
}  // namespace platform::kvm

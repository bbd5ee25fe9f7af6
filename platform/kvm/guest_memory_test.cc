#include "platform/kvm/guest_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <vector>

#include "platform/kvm/test_machine.h"
#include "sentry/usermem/safe_copy.h"
#include "sentry/usermem/user_addr.h"

namespace platform::kvm {
namespace {

using sentry::kPageSize;

constexpr uint64_t kFirst = uint64_t{4} << 30, kWindow = GuestMemory::kWindowSize, kSlot = 16 << 20;

struct File : base::RefCounted {
  explicit File(uint64_t size) : fd(memfd_create("file", MFD_CLOEXEC)) {
    EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  }
  base::UniqueFd fd;
};

MapOp OpOf(const base::RefPtr<File>& file) {
  return {.kind = MapOp::Kind::kMap, .range = {}, .prot = {}, .host_fd = file->fd.get(), .host_file = file};
}

class GuestMemoryTest : public MachineTest {
 protected:
  void SetUp() override {
    MachineTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    sentry::InstallSafeCopyHandler();
    Make({});
  }
  void Make(std::vector<MemoryView> views) {
    memory_ = std::make_unique<GuestMemory>(*machine_, std::move(views), kFirst);
  }
  GpaRange Take(const base::RefPtr<File>& file, uint64_t offset, uint64_t size) {
    return memory_->Take(OpOf(file), offset, size).value();
  }
  void Drop(GpaRange range) { memory_->Drop({&range, 1}); }
  // Reads through the sentry's view; -1: it faults.
  int Byte(uint64_t gpa) {
    unsigned char byte = 0;
    const std::byte* const host = memory_->Host(gpa);
    return host == nullptr || sentry::SafeCopy(&byte, host, 1) != 0 ? -1 : byte;
  }
  std::unique_ptr<GuestMemory> memory_;
};

TEST_F(GuestMemoryTest, WindowsAreSharedAndCounted) {
  const auto file = base::MakeRef<File>(4 * kWindow);
  const GpaRange a = Take(file, kPageSize, 3 * kPageSize), b = Take(file, 2 * kPageSize, kPageSize);
  EXPECT_EQ(a.size, 3 * kPageSize);
  EXPECT_EQ(b.start, a.start + kPageSize);
  EXPECT_EQ(memory_->windows(), 1u);
  EXPECT_EQ(memory_->remaps(), 1u);
  EXPECT_EQ(file->ref_count(), 2u);  // ours and the window's
  Drop(a);
  EXPECT_EQ(memory_->windows(), 1u);
  EXPECT_EQ(pwrite(file->fd.get(), "\x5a", 1, 2 * kPageSize), 1);
  EXPECT_EQ(Byte(b.start), 0x5a);
  Drop(b);
  EXPECT_EQ(memory_->windows(), 0u);
  EXPECT_EQ(file->ref_count(), 1u);
  EXPECT_EQ(Byte(b.start), -1);  // the host has nothing there any more
  // The same place again.
  EXPECT_EQ(Take(file, 0, kPageSize).start, a.start - kPageSize);
}

TEST_F(GuestMemoryTest, PartsOfAWindowAreGivenBackOneByOne) {
  const auto file = base::MakeRef<File>(kWindow);
  const GpaRange all = Take(file, 0, kWindow);
  for (uint64_t at = kPageSize; at < kWindow; at += kPageSize) Drop({all.start + at, kPageSize});
  EXPECT_EQ(memory_->windows(), 1u);
  Drop({all.start, kPageSize});
  EXPECT_EQ(memory_->windows(), 0u);
}

TEST_F(GuestMemoryTest, TwoOffsetsAndTwoFiles) {
  const auto file = base::MakeRef<File>(4 * kWindow), other = base::MakeRef<File>(4 * kWindow);
  ASSERT_EQ(pwrite(file->fd.get(), "\x11", 1, 0), 1);
  ASSERT_EQ(pwrite(file->fd.get(), "\x22", 1, 3 * kWindow + 5 * kPageSize), 1);
  ASSERT_EQ(pwrite(other->fd.get(), "\x33", 1, 0), 1);
  const GpaRange a = Take(file, 0, kPageSize), b = Take(file, 3 * kWindow + 5 * kPageSize, kPageSize),
                 c = Take(other, 0, kPageSize);
  EXPECT_EQ(memory_->windows(), 3u);
  EXPECT_EQ(Byte(a.start), 0x11);
  EXPECT_EQ(Byte(b.start), 0x22);
  EXPECT_EQ(Byte(c.start), 0x33);
  // No more than to the end of a window at a time.
  EXPECT_EQ(Take(file, kWindow - kPageSize, 10 * kPageSize).size, kPageSize);
  // One range over all of them, as neighbours are given back.
  const GpaRange both[] = {a, b, c, {a.start + kWindow - kPageSize, kPageSize}};
  memory_->Drop(both);
  EXPECT_EQ(memory_->windows(), 0u);
  for (const GpaRange& range : both) EXPECT_EQ(Byte(range.start), -1);
}

TEST_F(GuestMemoryTest, UnknownFilesShareNothing) {
  const auto file = base::MakeRef<File>(kWindow);
  MapOp op = OpOf(file);
  op.host_file = nullptr;
  const GpaRange a = memory_->Take(op, 0, kPageSize).value(), b = memory_->Take(op, 0, kPageSize).value();
  EXPECT_NE(a.start, b.start);
  EXPECT_EQ(memory_->windows(), 2u);
  Drop(a);
  Drop(b);
  EXPECT_EQ(memory_->windows(), 0u);
}

TEST_F(GuestMemoryTest, TruncatedFile) {
  const auto file = base::MakeRef<File>(kWindow);
  ASSERT_EQ(pwrite(file->fd.get(), "\x44", 1, kPageSize), 1);
  const GpaRange all = Take(file, 0, kWindow);
  EXPECT_EQ(Byte(all.start + kPageSize), 0x44);
  ASSERT_EQ(ftruncate(file->fd.get(), kPageSize), 0);
  EXPECT_EQ(Byte(all.start), 0);
  EXPECT_EQ(Byte(all.start + kPageSize), -1);
  ASSERT_EQ(ftruncate(file->fd.get(), 2 * kPageSize), 0);
  EXPECT_EQ(Byte(all.start + kPageSize), 0);
  Drop(all);
  EXPECT_EQ(memory_->windows(), 0u);
}

TEST_F(GuestMemoryTest, ReadOnlyDescriptor) {
  char path[] = "/tmp/guest-memory-XXXXXX";
  const base::UniqueFd writable(mkstemp(path)), readable(open(path, O_RDONLY | O_CLOEXEC));
  unlink(path);
  ASSERT_EQ(ftruncate(writable.get(), kPageSize), 0);
  ASSERT_EQ(pwrite(writable.get(), "\x66", 1, 0), 1);
  MapOp op{.kind = MapOp::Kind::kMap, .range = {}, .prot = {}, .host_fd = readable.get()};
  const GpaRange range = memory_->Take(op, 0, kPageSize).value();
  EXPECT_EQ(Byte(range.start), 0x66);
  const base::UniqueFd none(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  op.host_fd = none.get();
  EXPECT_TRUE(memory_->Take(op, 0, kPageSize).Is(Errno::kENODEV));
  Drop(range);
  EXPECT_EQ(memory_->windows(), 0u);
}

TEST_F(GuestMemoryTest, MemoryFilesAndTheirLastSlot) {
  const uint64_t sizes[] = {2 * kSlot + 5 * kPageSize, kSlot};
  std::vector<MemoryView> views;
  base::RefPtr<File> files[2];
  for (size_t i = 0; i < 2; i++) {
    files[i] = base::MakeRef<File>(sizes[i]);
    void* const p = mmap(nullptr, sizes[i], PROT_READ | PROT_WRITE, MAP_SHARED, files[i]->fd.get(), 0);
    ASSERT_NE(p, MAP_FAILED);
    views.push_back({files[i]->fd.get(), {static_cast<std::byte*>(p), sizes[i]}});
  }
  Make(views);
  // Slots are made as they are first used, the last one of what there is.
  const GpaRange last = Take(files[0], 2 * kSlot + 4 * kPageSize, 16 * kPageSize);
  EXPECT_EQ(last.start, kFirst + 4 * kPageSize);
  EXPECT_EQ(memory_->Host(last.start), views[0].view.data() + 2 * kSlot + 4 * kPageSize);
  EXPECT_EQ(memory_->Host(last.start + kPageSize), nullptr);
  EXPECT_TRUE(memory_->IsMemoryFile(last.start));
  const GpaRange other = Take(files[1], 0, kPageSize);
  EXPECT_EQ(other.start, kFirst + kSlot);
  EXPECT_EQ(memory_->Host(other.start), views[1].view.data());
  // Up to the end of a slot.
  const GpaRange first = Take(files[0], kSlot - kPageSize, 3 * kPageSize);
  EXPECT_EQ(first.size, kPageSize);
  EXPECT_EQ(memory_->Host(first.start), views[0].view.data() + kSlot - kPageSize);
  EXPECT_TRUE(memory_->Take(OpOf(files[0]), 3 * kSlot, kPageSize).Is(Errno::kENOMEM));
  EXPECT_EQ(memory_->windows(), 0u);
  // Windows lie in slots of their own; nothing is counted for memory files.
  const auto file = base::MakeRef<File>(kWindow);
  const GpaRange window = Take(file, 0, kPageSize);
  EXPECT_FALSE(memory_->IsMemoryFile(window.start));
  const GpaRange all[] = {first, window, other, last};
  memory_->Drop(all);
  EXPECT_EQ(memory_->windows(), 0u);
  EXPECT_EQ(memory_->Host(other.start), views[1].view.data());
  memory_.reset();
  for (const MemoryView& v : views) munmap(v.view.data(), v.view.size());
}

TEST_F(GuestMemoryTest, NothingIsWhereNothingWasTaken) {
  EXPECT_EQ(memory_->Host(kFirst), nullptr);
  EXPECT_EQ(memory_->Host(0), nullptr);
  EXPECT_EQ(memory_->Host(~uint64_t{0}), nullptr);
  EXPECT_FALSE(memory_->IsMemoryFile(kFirst));
  Drop({kFirst, kPageSize});
}

TEST_F(GuestMemoryTest, Limit) {
  const auto file = base::MakeRef<File>(kPageSize);
  std::vector<GpaRange> taken;
  for (size_t i = 0; i < GuestMemory::kMaxWindows; i++) {
    const Result<GpaRange> got = memory_->Take(OpOf(file), i * kWindow, kPageSize);
    ASSERT_TRUE(got.ok()) << i << " " << base::ErrnoName(got.error());
    taken.push_back(*got);
  }
  EXPECT_TRUE(memory_->Take(OpOf(file), GuestMemory::kMaxWindows * kWindow, kPageSize).Is(Errno::kENOMEM));
  // What there is can be had again all the same.
  const GpaRange again = Take(file, 17 * kWindow, kPageSize);
  EXPECT_EQ(again.start, taken[17].start);
  Drop(again);
  Drop(taken[5]);
  taken[5] = Take(file, GuestMemory::kMaxWindows * kWindow, kPageSize);
  EXPECT_EQ(memory_->windows(), GuestMemory::kMaxWindows);
  memory_->Drop(taken);
  EXPECT_EQ(memory_->windows(), 0u);
  EXPECT_EQ(file->ref_count(), 1u);
}

}  // namespace
}  // namespace platform::kvm

// What this folder's tests stand on: a VM where there is KVM, else they are skipped.
#ifndef PLATFORM_KVM_TEST_MACHINE_H_
#define PLATFORM_KVM_TEST_MACHINE_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/unique_fd.h"
#include "platform/kvm/machine.h"
#include "sentry/usermem/user_addr.h"

namespace platform::kvm {

inline base::UniqueFd OpenKvm() { return base::UniqueFd(open("/dev/kvm", O_RDWR | O_CLOEXEC)); }

// A memory file, and a view of all of it.
class MappedFile {
 public:
  explicit MappedFile(size_t size) : fd_(memfd_create("memory", MFD_CLOEXEC)) {
    EXPECT_EQ(ftruncate(fd_.get(), static_cast<off_t>(size)), 0);
    void* const p = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    EXPECT_NE(p, MAP_FAILED);
    view_ = {static_cast<std::byte*>(p), size};
  }
  ~MappedFile() { munmap(view_.data(), view_.size()); }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  int fd() const { return fd_.get(); }
  std::span<std::byte> view() const { return view_; }
  // Copies [first, end) to the start of a page.
  void Put(size_t page, const char* first, const char* end) {
    std::memcpy(view_.data() + page * sentry::kPageSize, first, static_cast<size_t>(end - first));
  }

 private:
  base::UniqueFd fd_;
  std::span<std::byte> view_;
};

class MachineTest : public testing::Test {
 protected:
  void SetUp() override {
    const base::UniqueFd device = OpenKvm();
    if (!device) GTEST_SKIP() << "/dev/kvm: " << strerror(errno);
    std::string why;
    Result<std::unique_ptr<Machine>> machine = Machine::Create(device.get(), why);
    ASSERT_TRUE(machine.ok()) << why;
    machine_ = *std::move(machine);
  }
  std::unique_ptr<Machine> machine_;
};

}  // namespace platform::kvm

#endif  // PLATFORM_KVM_TEST_MACHINE_H_

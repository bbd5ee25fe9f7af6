// What this folder's tests stand on: a VM where there is KVM, else they are skipped.
#ifndef PLATFORM_KVM_TEST_MACHINE_H_
#define PLATFORM_KVM_TEST_MACHINE_H_

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "base/unique_fd.h"
#include "platform/kvm/machine.h"

namespace platform::kvm {

inline base::UniqueFd OpenKvm() { return base::UniqueFd(open("/dev/kvm", O_RDWR | O_CLOEXEC)); }

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

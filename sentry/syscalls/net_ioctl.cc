#include "sentry/syscalls/net_ioctl.h"

#include <algorithm>
#include <array>

#include "sentry/abi/inet.h"
#include "sentry/abi/socket.h"
#include "sentry/syscalls/rooms.h"
#include "sentry/usermem/user_ptr.h"

namespace sentry {
namespace {

constexpr uint32_t kQuestions[] = {abi::kSiocGIfName,    abi::kSiocGIfFlags,   abi::kSiocGIfAddr,
                                   abi::kSiocGIfDstAddr, abi::kSiocGIfBrdAddr, abi::kSiocGIfNetmask,
                                   abi::kSiocGIfMetric,  abi::kSiocGIfMtu,     abi::kSiocGIfHwAddr,
                                   abi::kSiocGIfIndex,   abi::kSiocGIfTxqLen,  abi::kSiocGIfMap};
constexpr uint32_t kChanges[] = {abi::kSiocSIfFlags,   abi::kSiocSIfAddr,   abi::kSiocSIfDstAddr, abi::kSiocSIfBrdAddr,
                                 abi::kSiocSIfNetmask, abi::kSiocSIfMetric, abi::kSiocSIfMtu,     abi::kSiocSIfName,
                                 abi::kSiocSIfHwAddr,  abi::kSiocAddRt,     abi::kSiocDelRt};

// Linux's inet_ioctl; all others are dev_ioctl's.
constexpr uint32_t kOfInet[] = {abi::kSiocGIfAddr, abi::kSiocGIfDstAddr, abi::kSiocGIfBrdAddr, abi::kSiocGIfNetmask,
                                abi::kSiocSIfAddr, abi::kSiocSIfDstAddr, abi::kSiocSIfBrdAddr, abi::kSiocSIfNetmask,
                                abi::kSiocAddRt,   abi::kSiocDelRt};

template <size_t kCount>
bool Contains(const uint32_t (&list)[kCount], uint32_t request) {
  return std::find(std::begin(list), std::end(list), request) != std::end(list);
}

// A null buffer asks how much there is.
SyscallResult ListInterfaces(Task& task, NetStack& stack, UserAddr arg) {
  const UserInOut<abi::Ifconf> place(arg);
  abi::Ifconf conf = TRY(place.Read(task.mm()));
  if (conf.len < 0) return Errno::kEINVAL;
  std::vector<std::byte> list = TRY(stack.Interfaces());
  if (conf.buf != 0) {
    const size_t room = static_cast<size_t>(conf.len) / abi::kIfreqSize * abi::kIfreqSize;
    list.resize(std::min(list.size(), room));
    TRY(CopyOutFull(task.mm(), UserAddr(conf.buf), list));
  }
  conf.len = static_cast<int32_t>(list.size());
  return place.Write(task.mm(), conf);
}

}  // namespace

bool IsInterfaceRequest(int domain, uint32_t request) {
  if (domain != abi::kAfInet && Contains(kOfInet, request)) return false;
  return request == abi::kSiocGIfConf || Contains(kQuestions, request) || Contains(kChanges, request);
}

SyscallResult InterfaceIoctl(Task& task, uint32_t request, UserAddr arg) {
  NetStack* const stack = NetOf(task).stack();
  if (stack == nullptr) return Errno::kENOTTY;
  if (request == abi::kSiocGIfConf) return ListInterfaces(task, *stack, arg);
  std::array<std::byte, abi::kIfreqSize> ifreq;
  TRY(CopyInFull(task.mm(), arg, ifreq));
  if (Contains(kChanges, request)) return Errno::kEPERM;
  const std::vector<std::byte> answer = TRY(stack->Interface(request, ifreq));
  return CopyOutFull(task.mm(), arg, answer);
}

}  // namespace sentry

#include <linux/sockios.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <iterator>

#include "runsc-cpp/filter/policy.h"

namespace runsc {
namespace {

constexpr uint32_t kHow = SOCK_NONBLOCK | SOCK_CLOEXEC;

constexpr FilterRule Question(uint32_t request) {
  return Allow(__NR_ioctl, "a guest's question about an interface", EqualsInt(1, request));
}

// The first two are for an operator who lets guests have raw sockets.
constexpr FilterRule kPolicy[] = {
    Allow(__NR_socket, "raw sockets, where the operator allows them", EqualsInt(0, AF_INET),
          EqualsInt(1, SOCK_RAW | kHow)),
    Allow(__NR_socket, "the same", EqualsInt(0, AF_INET6), EqualsInt(1, SOCK_RAW | kHow)),

    // --- Sockets: of two families, and non-blocking, so that no call here waits for a network ---
    Allow(__NR_socket, "TCP of a guest", EqualsInt(0, AF_INET), EqualsInt(1, SOCK_STREAM | kHow)),
    Allow(__NR_socket, "the same", EqualsInt(0, AF_INET6), EqualsInt(1, SOCK_STREAM | kHow)),
    Allow(__NR_socket, "UDP and ping of a guest", EqualsInt(0, AF_INET), EqualsInt(1, SOCK_DGRAM | kHow)),
    Allow(__NR_socket, "the same", EqualsInt(0, AF_INET6), EqualsInt(1, SOCK_DGRAM | kHow)),
    Allow(__NR_bind, "bind of a guest"),
    Allow(__NR_connect, "connect of a guest"),
    Allow(__NR_listen, "listen of a guest"),
    Allow(__NR_accept4, "accept of a guest", EqualsInt(3, kHow)),
    Allow(__NR_getsockopt, "whether a descriptor is a socket of ours", EqualsInt(1, SOL_SOCKET),
          EqualsInt(2, SO_DOMAIN)),
    Allow(__NR_getsockopt, "the same", EqualsInt(1, SOL_SOCKET), EqualsInt(2, 71 /* SO_NETNS_COOKIE */)),

    // --- Questions about the namespace: on sockets and files that are open at start ---
    Allow(__NR_sendto, "an rtnetlink question", EqualsInt(3, 0), Equals(4, 0)),
    Allow(__NR_recvfrom, "its answer", EqualsInt(3, 0), Equals(4, 0)),
    Allow(__NR_recvfrom, "how long that is", EqualsInt(3, MSG_PEEK | MSG_TRUNC), Equals(4, 0)),
    Allow(__NR_setsockopt, "how strictly it is read", EqualsInt(1, 270 /* SOL_NETLINK */),
          EqualsInt(2, 12 /* NETLINK_GET_STRICT_CHK */)),
    Question(SIOCGIFNAME),
    Question(SIOCGIFCONF),
    Question(SIOCGIFFLAGS),
    Question(SIOCGIFADDR),
    Question(SIOCGIFDSTADDR),
    Question(SIOCGIFBRDADDR),
    Question(SIOCGIFNETMASK),
    Question(SIOCGIFMETRIC),
    Question(SIOCGIFMTU),
    Question(SIOCGIFHWADDR),
    Question(SIOCGIFINDEX),
    Question(SIOCGIFTXQLEN),
    Question(SIOCGIFMAP),
    Allow(__NR_pread64, "files of /proc/net and /proc/sys/net"),

    // --- The connection ---
    Allow(__NR_poll, "the next request; whether a connection is there"),
    Allow(__NR_restart_syscall, "that poll, after SIGSTOP and SIGCONT"),
    Allow(__NR_recvmsg, "a request", EqualsInt(2, MSG_CMSG_CLOEXEC)),
    Allow(__NR_sendmsg, "an answer", EqualsInt(2, MSG_NOSIGNAL)),
    Allow(__NR_close, "a descriptor once it is handed over"),
    Allow(__NR_write, "the log"),

    // --- glibc ---
    Allow(__NR_mmap, "malloc; never executable", Masked(2, PROT_EXEC, 0),
          Masked(3, MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS)),
    Allow(__NR_munmap, "malloc"),
    Allow(__NR_mremap, "realloc of large blocks"),
    Allow(__NR_brk, "malloc"),
    Allow(__NR_clock_gettime, "when the host's vDSO can't answer"),
    Allow(__NR_rt_sigprocmask, "abort()"),
    Allow(__NR_getpid, "abort()"),
    Allow(__NR_gettid, "abort()"),
    Allow(__NR_tgkill, "abort()", EqualsInt(2, SIGABRT)),
    Allow(__NR_exit_group, "end of the process"),
};
constexpr size_t kOfRaw = 2;

}  // namespace

std::span<const FilterRule> NetgoferPolicy() { return std::span(kPolicy).subspan(kOfRaw); }
std::span<const FilterRule> RawNetgoferPolicy() { return kPolicy; }

}  // namespace runsc

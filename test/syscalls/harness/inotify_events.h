// Reading what an inotify instance tells.
#pragma once

#include <sys/inotify.h>

#include <string>
#include <vector>

#include "test/syscalls/harness/test.h"

namespace inotify_events {

struct Event {
  int wd;
  uint32_t mask;
  uint32_t cookie;
  std::string name;
};

inline std::vector<Event> ReadEvents(int fd) {
  std::vector<Event> events;
  alignas(inotify_event) char buf[8192];
  ssize_t n;
  while ((n = read(fd, buf, sizeof buf)) > 0) {
    for (ssize_t at = 0; at < n;) {
      const auto* e = reinterpret_cast<const inotify_event*>(buf + at);
      events.push_back({e->wd, e->mask, e->cookie, e->len > 0 ? std::string(e->name) : ""});
      at += static_cast<ssize_t>(sizeof *e + e->len);
    }
  }
  return events;
}

// "MASK:name MASK:name ..." with the masks in hex, of all that waits.
inline std::string Told(int fd) {
  std::string out;
  for (const Event& e : ReadEvents(fd)) {
    char b[16];
    snprintf(b, sizeof b, "%x:", e.mask);
    out += (out.empty() ? "" : " ") + std::string(b) + e.name;
  }
  return out;
}
#define EXPECT_TOLD(fd, text) EXPECT_EQ(Told(fd), std::string(text))

inline Fd New(int flags = IN_NONBLOCK) { return Fd(MUST(inotify_init1(flags))); }
inline int Watch(int fd, const std::string& path, uint32_t mask = IN_ALL_EVENTS) {
  return static_cast<int>(MUST(inotify_add_watch(fd, path.c_str(), mask)));
}
inline const char* Path(const std::string& p) { return p.c_str(); }

}  // namespace inotify_events

// Looks up what will be asked for next: who has listed a directory and then looks at
// its names one by one (find, tar, git status) gets many with one message.
#ifndef SENTRY_FS_GOFER_LOOK_AHEAD_H_
#define SENTRY_FS_GOFER_LOOK_AHEAD_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "sentry/vfs/inode.h"

namespace sentry {

// Of one directory whose files nobody else changes. Not thread-safe.
class LookAhead {
 public:
  // Larger directories are looked at without.
  static constexpr size_t kMaxNames = 8192;

  struct Name {
    std::string name;
    bool is_directory;
  };
  // The directory's names, in the order of its listing.
  explicit LookAhead(std::vector<Name> names);

  // What to ask for when `name` is wanted: it first, then others that were not asked
  // for yet. More each time, so that who looks at one name only pays for one; behind a
  // directory only directories, for who walks a tree may want no others.
  std::vector<std::string> Plan(std::string_view name);
  // An answer to keep; `inode` null: the error.
  struct Found {
    RefPtr<Inode> inode;
    Errno error = Errno::kENOENT;
  };
  void Put(std::string_view name, Found found);
  std::optional<Found> Take(std::string_view name);

 private:
  static constexpr size_t kGrowth = 4, kMaxBatch = 64;

  struct Entry {
    Name name;
    bool asked = false;
  };
  std::vector<Entry> names_;
  absl::flat_hash_map<std::string, size_t> index_;
  absl::flat_hash_map<std::string, Found> found_;
  size_t batch_ = 1;
};

}  // namespace sentry

#endif  // SENTRY_FS_GOFER_LOOK_AHEAD_H_

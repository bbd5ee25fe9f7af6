// Post-mortems: why a container ended, kept when it is deleted.
//
//   ROOT/ID/end     written by the anchor as its last act
//   ROOT/.ended/ID  where `delete` puts it, completed; another folder by the operator's configuration
//
// All of it is bounded: a file's size, and how many there are. Files are replaced as a whole.
#ifndef RUNSC_CPP_POSTMORTEM_POST_MORTEM_H_
#define RUNSC_CPP_POSTMORTEM_POST_MORTEM_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "runsc-cpp/postmortem/postmortem.pb.h"

namespace runsc {

inline constexpr char kEndFile[] = "end";
inline constexpr char kEndedFolder[] = ".ended";
inline constexpr size_t kMostPostMortems = 256;

// `name` in the folder `directory`.
absl::Status WritePostMortem(int directory, const std::string& name, const PostMortem& end);
// NotFound. DataLoss: damaged.
absl::StatusOr<PostMortem> ReadPostMortem(const std::string& path);

// The folder of those whose containers are gone.
class PostMortems {
 public:
  explicit PostMortems(std::string folder) : folder_(std::move(folder)) {}

  // Makes the folder, if need be; the oldest ones go.
  absl::Status Keep(const PostMortem& end) const;
  absl::StatusOr<PostMortem> Find(const std::string& id) const;

 private:
  std::string folder_;
};

// "killed by SIGKILL of the `kill` command; ...": one line of printable characters.
std::string WhyLine(const PostMortem& end);
// Several lines: times, victims, unimplemented calls, the log's last words.
std::string WhyReport(const PostMortem& end);
// The same as an object of JSON.
std::string WhyJson(const PostMortem& end);

}  // namespace runsc

#endif  // RUNSC_CPP_POSTMORTEM_POST_MORTEM_H_

// A row of writes into one cgroup, which stops at the first error.
#ifndef RUNSC_CPP_CGROUP_WRITER_H_
#define RUNSC_CPP_CGROUP_WRITER_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "runsc-cpp/cgroup/files.h"

namespace runsc::cgroup {

class Writer {
 public:
  explicit Writer(const std::string& dir) : dir_(dir) {}

  const std::string& dir() const { return dir_; }
  bool ok() const { return status_.ok(); }
  const absl::Status& status() const { return status_; }

  // Records an error, unless there is one.
  void Fail(absl::Status status) {
    if (ok()) status_ = std::move(status);
  }
  void Put(absl::string_view name, absl::string_view value) {
    if (ok()) status_ = WriteFile(dir_, name, value);
  }
  void Put(absl::string_view name, uint64_t value) { Put(name, absl::StrCat(value)); }
  void Put(absl::string_view name, int64_t value) { Put(name, absl::StrCat(value)); }
  // Without recording an error.
  absl::Status Try(absl::string_view name, absl::string_view value) {
    return ok() ? WriteFile(dir_, name, value) : status_;
  }
  bool Has(absl::string_view name) const { return Exists(absl::StrCat(dir_, "/", name)); }

 private:
  const std::string dir_;
  absl::Status status_;
};

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_WRITER_H_

// A scratch directory that stands for /sys/fs/cgroup in tests.
#ifndef RUNSC_CPP_CGROUP_FAKE_TREE_H_
#define RUNSC_CPP_CGROUP_FAKE_TREE_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "runsc-cpp/cgroup/layout.h"

namespace runsc::cgroup {

class FakeTree {
 public:
  FakeTree() {
    char name[] = "/tmp/cgroup_test.XXXXXX";
    root_ = mkdtemp(name);
  }
  ~FakeTree() { std::filesystem::remove_all(root_); }
  FakeTree(const FakeTree&) = delete;
  FakeTree& operator=(const FakeTree&) = delete;

  const std::string& root() const { return root_; }
  std::string Path(const std::string& name) const { return root_ + "/" + name; }
  void Put(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(Path(name)).parent_path());
    std::ofstream(Path(name)) << text;
  }
  // "(none)" if there is no such file.
  std::string Get(const std::string& name) const {
    std::ifstream in(Path(name));
    if (!in) return "(none)";
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
  }
  bool Has(const std::string& name) const { return std::filesystem::exists(Path(name)); }

  Layout Unified() const { return {Mode::kUnified, {{"", {root_, "/"}}}}; }
  Layout Legacy(std::initializer_list<const char*> controllers) const {
    Layout layout;
    layout.mode = Mode::kLegacy;
    for (const char* controller : controllers) layout.mounts[controller] = {Path(controller), "/"};
    return layout;
  }

 private:
  std::string root_;
};

}  // namespace runsc::cgroup

#endif  // RUNSC_CPP_CGROUP_FAKE_TREE_H_

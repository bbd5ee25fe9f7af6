# fmt and lint. Sourced by tools/dev.

# C++ files of the tree: tracked, or new and not ignored.
cpp_files() {
  if git -C "$root" rev-parse --git-dir >/dev/null 2>&1; then
    git -C "$root" ls-files -co --exclude-standard -- '*.cc' '*.h' '*.c'
  else
    (cd "$root" && find . -name 'bazel-*' -prune -o -type f \( -name '*.cc' -o -name '*.h' -o -name '*.c' \) -print)
  fi | (cd "$root" && while IFS= read -r file; do [[ ! -f $file ]] || printf '%s\n' "$file"; done)
}

# What differs from main; on main itself, what the last commit and the working
# tree changed.
changed_cpp_files() {
  local base=main
  cd "$root"
  if ! git rev-parse -q --verify HEAD >/dev/null 2>&1; then cpp_files; return; fi
  git rev-parse -q --verify "$base" >/dev/null || base=origin/main
  base=$(git merge-base HEAD "$base" 2>/dev/null || true)
  if [[ -z $base || $base == $(git rev-parse HEAD) ]]; then
    base=$(git rev-parse -q --verify HEAD~1 || git hash-object -t tree /dev/null)
  fi
  {
    git diff --name-only --diff-filter=d "$base" -- '*.cc' '*.h'
    git ls-files -o --exclude-standard -- '*.cc' '*.h'
  } | sort -u
}

# Names given relative to the caller's directory become relative to the root.
from_root() {
  local file
  for file in "$@"; do realpath --relative-to="$root" "$user_cwd/$file" 2>/dev/null; done
}

cmd_fmt() {
  ensure_packages lint
  local mode=(-i) files
  if [[ ${1:-} == --check ]]; then mode=(--dry-run --Werror); shift; fi
  if [[ $# -gt 0 ]]; then mapfile -t files < <(from_root "$@"); else mapfile -t files < <(cpp_files); fi
  if [[ ${#files[@]} -eq 0 ]]; then return; fi
  (cd "$root" && printf '%s\0' "${files[@]}" | xargs -0 -n 20 -P "$(nproc)" clang-format --style=file "${mode[@]}")
}

# clang-tidy reads generated headers from bazel-bin.
ensure_generated_headers() {
  if [[ -d $root/bazel-bin || -z $(find "$root" -name 'bazel-*' -prune -o -name '*.proto' -print -quit) ]]; then return; fi
  ensure_packages build
  note "building once, for the generated headers"
  bazel_in_root build -c opt "$BINARY_TARGET" >&2
}

# One process a file; output is kept together and shown only on a finding.
run_clang_tidy() {
  export TIDY_FLAGS="-x c++ -std=c++20 -I. -Ibazel-bin -fno-exceptions -fno-rtti -Wall -Wextra -Wthread-safety"
  (cd "$root" && printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" sh -c '
    out=$(clang-tidy --quiet "$0" -- $TIDY_FLAGS 2>&1) || { printf "%s\n" "$out"; exit 1; }')
}

cmd_lint() {
  ensure_packages lint
  local files status=0 check
  case ${1:-} in
    --all) mapfile -t files < <(cpp_files) ;;
    "") mapfile -t files < <(changed_cpp_files) ;;
    *) mapfile -t files < <(from_root "$@") ;;
  esac
  for check in "$root"/tools/checks/check_*.py; do
    python3 "$check" "$root" || status=1
  done
  local sources=() file
  for file in "${files[@]}"; do
    case $file in *.cc) sources+=("$file") ;; esac
  done
  if [[ ${#sources[@]} -gt 0 ]]; then
    ensure_generated_headers || status=1
    note "clang-tidy on ${#sources[@]} files"
    run_clang_tidy "${sources[@]}" || status=1
  fi
  return $status
}

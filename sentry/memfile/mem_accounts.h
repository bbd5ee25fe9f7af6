// All accounts of a memory file, by number. Under the memory file's lock.
#ifndef SENTRY_MEMFILE_MEM_ACCOUNTS_H_
#define SENTRY_MEMFILE_MEM_ACCOUNTS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "sentry/memfile/mem_account.h"

namespace sentry {

class MemAccounts {
 public:
  static constexpr uint32_t kMaxAccounts = 65535;

  // Null: there are too many.
  MemAccount* New(MemAccount* parent);
  // Its number may be another's once nothing is charged to it.
  void Release(MemAccount& account);

  // The account that has no room, or null: charged.
  static MemAccount* TryCharge(MemAccount* account, uint64_t bytes, MemKind kind);
  void Uncharge(uint32_t id, uint64_t bytes, MemKind kind);
  static uint32_t IdOf(const MemAccount* account) { return account == nullptr ? 0 : account->id_; }

 private:
  static bool Reusable(const MemAccount& account) {
    return account.released_ && account.children_ == 0 && account.usage() == 0;
  }
  static void Reset(MemAccount& account);

  std::vector<std::unique_ptr<MemAccount>> accounts_;  // number N stands at N - 1
};

}  // namespace sentry

#endif  // SENTRY_MEMFILE_MEM_ACCOUNTS_H_

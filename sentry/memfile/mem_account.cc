#include "sentry/memfile/mem_account.h"

#include <algorithm>
#include <utility>

#include "sentry/memfile/mem_accounts.h"
#include "sentry/memfile/memory_file.h"

namespace sentry {
namespace {

static_assert(static_cast<size_t>(MemKind::kCount) == MemAccount::kKinds);

thread_local MemCharger* current_charger = nullptr;

void Add(std::atomic<uint64_t>& counter, uint64_t bytes) {
  counter.store(counter.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
}

}  // namespace

MemCharger* MemCharger::Current() { return current_charger; }
MemChargerScope::MemChargerScope(MemCharger* charger) : old_(std::exchange(current_charger, charger)) {}
MemChargerScope::~MemChargerScope() { current_charger = old_; }

uint64_t MemAccount::EffectiveMax() const {
  uint64_t least = kNoLimit;
  for (const MemAccount* a = this; a != nullptr; a = a->parent_) least = std::min(least, a->max());
  return least;
}

MemAccount* MemAccount::OverLimit(uint64_t bytes) {
  for (MemAccount* a = this; a != nullptr; a = a->parent_) {
    const uint64_t limit = a->max();
    if (bytes > limit || a->usage() > limit - bytes) return a;
  }
  return nullptr;
}

void MemAccount::CountEvent(Event e) {
  local_[static_cast<size_t>(e)].fetch_add(1, std::memory_order_relaxed);
  for (MemAccount* a = this; a != nullptr; a = a->parent_) {
    a->events_[static_cast<size_t>(e)].fetch_add(1, std::memory_order_relaxed);
    a->event_queue_.Notify(base::kEventPri);
  }
}

MemAccount* MemAccounts::New(MemAccount* parent) {
  MemAccount* account = nullptr;
  for (const std::unique_ptr<MemAccount>& old : accounts_) {
    if (!Reusable(*old)) continue;
    if (old->parent_ != nullptr) --std::exchange(old->parent_, nullptr)->children_;
    if (account == nullptr) account = old.get();
  }
  if (account == nullptr) {
    if (accounts_.size() == kMaxAccounts) return nullptr;
    accounts_.push_back(std::make_unique<MemAccount>());
    account = accounts_.back().get();
    account->id_ = static_cast<uint32_t>(accounts_.size());
  }
  Reset(*account);
  account->parent_ = parent;
  if (parent != nullptr) ++parent->children_;
  return account;
}

void MemAccounts::Reset(MemAccount& account) {
  account.released_ = false;
  account.peak_ = 0;
  account.max_ = account.high_ = MemAccount::kNoLimit;
  for (auto* counters : {&account.events_, &account.local_}) {
    for (std::atomic<uint64_t>& counter : *counters) counter = 0;
  }
}

void MemAccounts::Release(MemAccount& account) { account.released_ = true; }

MemAccount* MemAccounts::TryCharge(MemAccount* account, uint64_t bytes, MemKind kind) {
  if (account == nullptr) return nullptr;
  if (MemAccount* over = account->OverLimit(bytes)) return over;
  for (MemAccount* a = account; a != nullptr; a = a->parent_) {
    Add(a->usage_, bytes);
    Add(a->bytes_[static_cast<size_t>(kind)], bytes);
    if (a->usage() > a->peak()) a->peak_.store(a->usage(), std::memory_order_relaxed);
    if (a->usage() > a->high()) a->CountEvent(MemAccount::Event::kHigh);
  }
  return nullptr;
}

void MemAccounts::Uncharge(uint32_t id, uint64_t bytes, MemKind kind) {
  if (id == 0) return;
  for (MemAccount* a = accounts_[id - 1].get(); a != nullptr; a = a->parent_) {
    Add(a->usage_, -bytes);
    Add(a->bytes_[static_cast<size_t>(kind)], -bytes);
  }
}

}  // namespace sentry

// The key-value store at which ranks meet: c10d's TCPStore. Rank 0 serves it, all use it.
#pragma once
#include <c10/util/intrusive_ptr.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "rust/cxx.h"

namespace c10d {
class Store;
}

namespace splade {

class Store {
 public:
  explicit Store(c10::intrusive_ptr<c10d::Store> connection);
  ~Store();

  void set(rust::Str key, rust::Str value) const;

  // Waits for the key as long as the timeout that the store was opened with.
  rust::String get(rust::Str key) const;

  // Adds to a counter that starts at 0 and returns the sum.
  int64_t add(rust::Str key, int64_t amount) const;

  bool has(rust::Str key) const;

  void wait(rust::Str key, int64_t timeout_ms) const;

  const c10::intrusive_ptr<c10d::Store> connection;
};

std::unique_ptr<Store> open_store(rust::Str host, uint16_t port, bool serves, size_t world_size, int64_t timeout_ms);

}  // namespace splade

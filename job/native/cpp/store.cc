#include "store.h"

#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <functional>

namespace splade {
namespace {

// c10d logs each failed connection with a C++ stack trace of twenty lines. What it says fits on one.
void log_without_stack_traces() {
  if (std::getenv("TORCH_SHOW_CPP_STACKTRACES") == nullptr)
    c10::SetStackTraceFetcher(std::function<std::string()>([] { return std::string(); }));
}

}  // namespace

Store::Store(c10::intrusive_ptr<c10d::Store> connection) : connection(std::move(connection)) {}

Store::~Store() = default;

void Store::set(rust::Str key, rust::Str value) const { connection->set(std::string(key), std::string(value)); }

rust::String Store::get(rust::Str key) const { return connection->get_to_str(std::string(key)); }

int64_t Store::add(rust::Str key, int64_t amount) const { return connection->add(std::string(key), amount); }

bool Store::has(rust::Str key) const { return connection->check({std::string(key)}); }

void Store::wait(rust::Str key, int64_t timeout_ms) const {
  connection->wait({std::string(key)}, std::chrono::milliseconds(timeout_ms));
}

std::unique_ptr<Store> open_store(rust::Str host, uint16_t port, bool serves, size_t world_size, int64_t timeout_ms) {
  static const bool quiet = (log_without_stack_traces(), true);
  static_cast<void>(quiet);
  c10d::TCPStoreOptions options;
  options.port = port;
  options.isServer = serves;
  options.numWorkers = world_size;
  // The caller does the roll call, which can name who is missing.
  options.waitWorkers = false;
  options.timeout = std::chrono::milliseconds(timeout_ms);
  return std::make_unique<Store>(c10::make_intrusive<c10d::TCPStore>(std::string(host), options));
}

}  // namespace splade

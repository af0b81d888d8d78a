// What the process group, its reducers and the nodes that it leaves in autograd's graph share.
#pragma once
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

namespace splade {

// A collective that failed; its message names the rank and the operation.
struct CollectiveError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Ranks : public torch::CustomClassHolder {
 public:
  Ranks(c10::intrusive_ptr<c10d::ProcessGroup> group, at::Device device, std::chrono::milliseconds timeout)
      : group(std::move(group)), device(device), timeout_(timeout) {}
  ~Ranks() override;

  // Runs `collective`; an exception comes out as CollectiveError that names this rank and `operation`.
  template <class F>
  auto named(const std::string& operation, F&& collective) {
    const auto start = std::chrono::steady_clock::now();
    try {
      return collective();
    } catch (const CollectiveError&) {
      failed_ = true;
      throw;
    } catch (const std::exception& cause) {
      fail(operation, std::chrono::steady_clock::now() - start, cause);
    }
  }

  // Refuses tensors that the backend would misread or wait for in vain.
  void check_fits(const at::Tensor& tensor) const;

  const c10::intrusive_ptr<c10d::ProcessGroup> group;
  const at::Device device;

 private:
  [[noreturn]] void fail(const std::string& operation, std::chrono::nanoseconds after, const std::exception& cause);

  const std::chrono::milliseconds timeout_;
  bool failed_ = false;
};

}  // namespace splade

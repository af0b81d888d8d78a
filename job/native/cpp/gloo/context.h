// Gloo is inside libtorch_cpu.so, but the wheel does not ship its headers. c10d's ProcessGroupGloo.hpp names four of
// Gloo's types, all behind pointers except one base class. These declarations let that header compile; the bridge calls
// nothing of Gloo itself and never looks into one of its objects, so no layout has to match.
#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace gloo {

class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};

namespace transport {
class Device;
class UnboundBuffer;
}  // namespace transport

namespace rendezvous {

// Base class of c10d's GlooStore, which only libtorch instantiates.
class Store {
 public:
  virtual ~Store() = default;
  virtual void set(const std::string& key, const std::vector<char>& value) = 0;
  virtual std::vector<char> get(const std::string& key) = 0;
  virtual void wait(const std::vector<std::string>& keys) = 0;
  virtual void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) = 0;
};

}  // namespace rendezvous
}  // namespace gloo

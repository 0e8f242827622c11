#include "source_readers.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "rapport/base/text.h"
#include "rapport/data/prepare.h"

namespace rapport::fuzz {
namespace {

// Small, so that the fuzzer reaches it.
constexpr std::size_t kMaxLineBytes = 4096;

void require(bool holds) {
  if (!holds) std::abort();
}

/// A file in memory: thousands a second would wear a disk.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("fuzz", 0)) { require(descriptor_ >= 0); }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::filesystem::path write(std::string_view bytes) const {
    require(::ftruncate(descriptor_, 0) == 0);
    require(::pwrite(descriptor_, bytes.data(), bytes.size(), 0) ==
            static_cast<ssize_t>(bytes.size()));
    return "/proc/self/fd/" + std::to_string(descriptor_);
  }

 private:
  int descriptor_;
};

/// The bytes up to the next line that begins with "=== ", which go from `rest`.
std::string_view next_file(std::string_view& rest) {
  const std::size_t end = rest.find("\n=== ");
  const std::string_view file = rest.substr(0, end == std::string_view::npos ? end : end + 1);
  rest.remove_prefix(file.size());
  return file;
}

void check(const Error& error) {
  require(error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kTooLarge);
  require(!error.message.empty() && error.message.size() < 4096);
  require(base::is_utf8(error.message));
}

void check(const data::Source& source) {
  require(source.user.size() == source.item.size());
  require(source.time_ms.empty() || source.time_ms.size() == source.user.size());
  const auto prepared = data::prepare(source, {.min_count = 1});
  if (!prepared) {
    check(prepared.error());
    require(source.user.empty());
    return;
  }
  const data::Dataset& dataset = prepared->dataset;
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    require(!dataset.history(user).empty());
    require(dataset.people().find(dataset.people().id(user)) == user);
  }
  for (data::ItemIndex item = 0; item < dataset.items(); ++item)
    require(dataset.catalogue().find(dataset.catalogue().id(item)) == item);
}

}  // namespace

void read_source(data::Format format, std::string_view bytes) {
  static std::map<std::string, MemoryFile, std::less<>> files;
  std::string_view rest = bytes;
  data::SourcePaths paths;
  paths.interactions = files["interactions"].write(next_file(rest));
  const std::map<std::string_view, std::filesystem::path*> known = {{"items", &paths.items},
                                                                    {"users", &paths.users},
                                                                    {"user_map", &paths.user_map},
                                                                    {"graph", &paths.graph},
                                                                    {"links", &paths.links}};
  while (!rest.empty()) {
    const std::size_t line_end = std::min(rest.find('\n'), rest.size() - 1);
    const auto named = known.find(rest.substr(4, line_end - 4));
    rest.remove_prefix(line_end + 1);
    // The next mark may follow at once: then this file is empty.
    const std::string_view file = rest.starts_with("=== ") ? std::string_view() : next_file(rest);
    if (named != known.end()) *named->second = files[std::string(named->first)].write(file);
  }
  const auto source = data::read_source(format, paths, {.max_line_bytes = kMaxLineBytes});
  if (source) {
    check(*source);
  } else {
    check(source.error());
  }
}

}  // namespace rapport::fuzz

// Whatever the files of a source in the format recbole hold; see source_readers.h.
#include "source_readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rapport::fuzz::read_source(rapport::data::Format::kRecBole,
                             {reinterpret_cast<const char*>(data), size});
  return 0;
}

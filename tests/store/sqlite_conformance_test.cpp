// SqliteStore is a Store.
#include "rapport/store/sqlite_store.h"
#include "sealing_codec.h"
#include "store_conformance.h"

namespace rapport::store {
namespace {

// With a codec that binds each text to its place: a column that is read in another place than it
// was written, or past the codec, fails.
Result<std::unique_ptr<Store>> open_sqlite(const std::string& folder, const base::Clock& clock,
                                           base::Random& random) {
  return SqliteStore::open({.path = folder + "/rapport.db", .index_key = std::string(32, 'k')},
                           std::make_shared<SealingCodec>(), clock, random);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance, ::testing::Values(StoreFactory{open_sqlite}));

}  // namespace
}  // namespace rapport::store

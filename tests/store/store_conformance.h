// What every Store must do. The tests are in the conformance_*_test.cpp files; a new implementation
// runs them all with one line:
//
//   INSTANTIATE_TEST_SUITE_P(Postgres, StoreConformance,
//   ::testing::Values(StoreFactory{open_postgres}));
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "rapport/base/clock.h"
#include "rapport/base/random.h"
#include "rapport/store/store.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {

struct StoreFactory {
  /// An empty store whose state lies in `folder`; the same state when called again for it.
  Result<std::unique_ptr<Store>> (*open)(const std::string& folder, const base::Clock& clock,
                                         base::Random& random);
};

class StoreConformance : public ::testing::TestWithParam<StoreFactory> {
 protected:
  StoreConformance() { reopen(); }

  /// What was only in memory is gone afterwards.
  void reopen() {
    store_.reset();
    store_ = value_of(GetParam().open(folder_.path().string(), clock_, random_));
    if (store_ == nullptr) throw std::runtime_error("no store, no test");
  }

  /// The pseudonym of a user that is known afterwards.
  UserId known(const std::string& name) {
    return value_of(store_->ensure_user("u_" + name, "default", name)).id;
  }

  void record(const UserId& user, const std::string& conversation, std::int64_t n) {
    ASSERT_TRUE(ok(store_->record_exchange(sample_exchange(user, conversation, n))));
  }

  testing::TemporaryDirectory folder_;
  base::ManualClock clock_;
  base::SeededRandom random_{7};
  std::unique_ptr<Store> store_;
};

}  // namespace rapport::store

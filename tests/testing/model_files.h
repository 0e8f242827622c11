// The models that scripts/models fetched.
#pragma once

#include <string>

namespace rapport::testing {

/// The path of a file in the folder that RAPPORT_TEST_MODELS names; without it, of the checkout in
/// which a test's binary is run by hand.
std::string model_file(const std::string& name);

/// The small language model that is in every checkout.
std::string smollm2_path();

}  // namespace rapport::testing

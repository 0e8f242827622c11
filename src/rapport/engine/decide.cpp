#include "rapport/engine/steps.h"

namespace rapport::engine {

Choice decide(const Permit& permit, const Recalled& recalled) {
  Choice choice;
  if (!permit.settings()) return choice;
  choice.policy = "explicit_settings";
  choice.instructions = profile::instructions(recalled.preferences);
  for (const profile::SettingInstruction& instruction : choice.instructions) {
    // Free text is not part of an arm's name: arms are compared across users.
    if (instruction.key == "name" || instruction.key == "instructions" ||
        instruction.key.ends_with("_categories")) {
      continue;
    }
    choice.arm += (choice.arm.empty() ? "" : ",") + instruction.key + "=" + instruction.value;
  }
  if (choice.arm.empty()) choice.arm = "default";
  return choice;
}

}  // namespace rapport::engine

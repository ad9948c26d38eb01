#include "rl/reward/make_verifier.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rl/reward/accuracy.h"
#include "rl/reward/format.h"
#include "rl/reward/language.h"

namespace deduce {

absl::StatusOr<std::unique_ptr<Verifier>> MakeVerifier(const std::string& name,
                                                       const std::string& where) {
  std::unique_ptr<Verifier> verifier;
  if (name == "accuracy") verifier = std::make_unique<AccuracyVerifier>();
  if (name == "format") verifier = std::make_unique<FormatVerifier>();
  if (name == "language") verifier = std::make_unique<LanguageVerifier>();
  if (verifier != nullptr) return verifier;
  return absl::InvalidArgumentError(absl::StrCat(
      where, ": found \"", name, "\", expected \"accuracy\", \"format\" or \"language\""));
}

}  // namespace deduce

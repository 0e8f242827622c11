// BLAKE2b digests (libsodium): prefix hashes, pseudonyms, keys at rest. Checksums of downloads are
// SHA-256.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "rapport/base/result.h"

namespace rapport::base {

/// 32-byte BLAKE2b of `data`, keyed when `key` is not empty (16 to 64 bytes), as 64 hexadecimal
/// characters. A key of any other length ends the program.
std::string digest(std::string_view data, std::string_view key = {});

/// Lower-case hexadecimal SHA-256 of a file, read in pieces. Errors: kIo.
Result<std::string> sha256_file(const std::string& path);

/// The same of bytes in memory.
std::string sha256(std::string_view bytes);

/// Compares in time that depends on the length only.
bool equal_in_constant_time(std::string_view a, std::string_view b);

/// RFC 4648, with padding, without line breaks. Errors: kInvalidArgument for anything else.
std::string to_base64(std::string_view bytes);
Result<std::string> from_base64(std::string_view text);

}  // namespace rapport::base

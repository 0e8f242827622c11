# Flags that every target of ours shares: warnings, sanitizers, compiler cache.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O1 -g1 -fno-omit-frame-pointer")

add_library(rapport_flags INTERFACE)
target_compile_options(rapport_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow)
target_include_directories(rapport_flags INTERFACE "${CMAKE_SOURCE_DIR}/src")

# rapport_ignore_false_string_warnings(SOURCE…): gcc 12 inlines std::string's operator+ and replace, loses what it knew of
# their lengths, and warns of copies inside libstdc++ (char_traits.h) that cannot happen; gcc 13 does not. Named here are
# the files where it does, so that everywhere else, and under every other compiler, the three warnings stay on.
function(rapport_ignore_false_string_warnings)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12
     AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    set_source_files_properties(${ARGN} PROPERTIES
      COMPILE_OPTIONS "-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overflow")
  endif()
endfunction()

if(RAPPORT_SANITIZE)
  add_compile_options(-fsanitize=${RAPPORT_SANITIZE})
  add_link_options(-fsanitize=${RAPPORT_SANITIZE})
  if(RAPPORT_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=all)
  endif()
endif()
if(RAPPORT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The slopiness lets ccache reuse objects that were compiled with a precompiled header; the base directory lets two
  # build trees share them.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
endif()

# SPDX-License-Identifier: Apache-2.0 OR MIT
# The library as `cargo xtask prebuilt` made it, on whichever machine. Included by cairn_library.cmake, which says what it takes
# and gives. Calls neither cargo nor rustc; links nothing whose checksum, version, target or configuration is another.
#
#   SHA256SUMS                   of everything else in the folder, as sha256sum writes and checks it
#   <target>/libcairn_capi.a     one prelinked object: the functions of cairn.h are its only global symbols
#   include/                     cairn.h, cairn_port.h, cairn_config.h
#   cairn.config                 the options it was built for
#   features                     what these options build in
#   symbols.sha256               of the list of options there are, which is component/config/src/symbols.rs
include_guard(GLOBAL)

set(_cairn_again "Make it with\n"
  "  cargo xtask prebuilt --config ${CAIRN_DOTCONFIG} --target ${CAIRN_RUST_TARGET} --out ${CAIRN_PREBUILT_DIR}\n"
  "on a machine with Rust, from the same version of Cairn.")
string(CONCAT _cairn_again ${_cairn_again})
set(_cairn_sums "${CAIRN_PREBUILT_DIR}/SHA256SUMS")
set(_cairn_library "${CAIRN_RUST_TARGET}/libcairn_capi.a")
if(NOT EXISTS "${_cairn_sums}")
  message(FATAL_ERROR "Cairn: ${CAIRN_PREBUILT_DIR} holds no library that was built before (no SHA256SUMS in it). ${_cairn_again}")
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CAIRN_DOTCONFIG}" "${_cairn_sums}")

# ---- every file is what it was
set(_cairn_needed "${_cairn_library}" include/cairn.h include/cairn_port.h include/cairn_config.h cairn.config features symbols.sha256)
set(_cairn_other_targets "")
file(STRINGS "${_cairn_sums}" _cairn_lines)
foreach(line IN LISTS _cairn_lines)
  if(NOT line MATCHES "^([0-9a-f]+)  ([^ ]+)$")
    message(FATAL_ERROR "Cairn: ${_cairn_sums} has a line that is no checksum: \"${line}\". ${_cairn_again}")
  endif()
  set(sum "${CMAKE_MATCH_1}")
  set(name "${CMAKE_MATCH_2}")
  if(NOT name IN_LIST _cairn_needed)
    if(name MATCHES "^(.*)/libcairn_capi.a$")
      list(APPEND _cairn_other_targets "${CMAKE_MATCH_1}")
    endif()
    continue()
  endif()
  if(NOT EXISTS "${CAIRN_PREBUILT_DIR}/${name}")
    message(FATAL_ERROR "Cairn: ${CAIRN_PREBUILT_DIR} is not complete: ${name} is missing. Copy the whole folder again.")
  endif()
  file(SHA256 "${CAIRN_PREBUILT_DIR}/${name}" _cairn_sum)
  if(NOT _cairn_sum STREQUAL sum)
    message(FATAL_ERROR "Cairn: ${CAIRN_PREBUILT_DIR}/${name} was changed since it was made: its SHA-256 is ${_cairn_sum}, and "
      "SHA256SUMS says ${sum}. Copy the whole folder again.")
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CAIRN_PREBUILT_DIR}/${name}")
  list(REMOVE_ITEM _cairn_needed "${name}")
endforeach()
if("${_cairn_library}" IN_LIST _cairn_needed)
  string(REPLACE ";" ", " _cairn_other_targets "${_cairn_other_targets}")
  message(FATAL_ERROR "Cairn: ${CAIRN_PREBUILT_DIR} has no library for ${CAIRN_RUST_TARGET}, only for: ${_cairn_other_targets}. "
    "${_cairn_again}")
elseif(_cairn_needed)
  message(FATAL_ERROR "Cairn: ${_cairn_sums} does not name ${_cairn_needed}. ${_cairn_again}")
endif()

# ---- of the version of the C around it
foreach(name cairn.h cairn_port.h)
  file(SHA256 "${CAIRN_ROOT}/component/capi/include/${name}" _cairn_ours)
  file(SHA256 "${CAIRN_PREBUILT_DIR}/include/${name}" _cairn_theirs)
  if(NOT _cairn_ours STREQUAL _cairn_theirs)
    message(FATAL_ERROR "Cairn: the library in ${CAIRN_PREBUILT_DIR} is of another version of Cairn than ${CAIRN_ROOT}: their ${name} "
      "differ. ${_cairn_again}")
  endif()
endforeach()

file(SHA256 "${CAIRN_ROOT}/component/config/src/symbols.rs" _cairn_ours)
file(STRINGS "${CAIRN_PREBUILT_DIR}/symbols.sha256" _cairn_theirs)
if(NOT _cairn_ours STREQUAL _cairn_theirs)
  message(FATAL_ERROR "Cairn: the library in ${CAIRN_PREBUILT_DIR} is of another version of Cairn than ${CAIRN_ROOT}: one has options "
    "that the other does not know. ${_cairn_again}")
endif()

# ---- for this configuration
# The options that are set, as <prefix>_<name>, and their names as <prefix>. Numbers are compared as numbers.
function(_cairn_read_options prefix file)
  set(names "")
  file(STRINGS "${file}" lines REGEX "^CONFIG_CAIRN_[A-Z0-9_]+=")
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^CONFIG_CAIRN_([A-Z0-9_]+)=(.*)$" matched "${line}")
    set(name "${CMAKE_MATCH_1}")
    set(value "${CMAKE_MATCH_2}")
    if(value STREQUAL "n")
      continue()
    elseif(value MATCHES "^0x[0-9a-fA-F]+$")
      math(EXPR value "${value}" OUTPUT_FORMAT DECIMAL)
    endif()
    string(TOLOWER "${value}" value)
    list(APPEND names "${name}")
    set(${prefix}_${name} "${value}" PARENT_SCOPE)
  endforeach()
  set(${prefix} "${names}" PARENT_SCOPE)
endfunction()

_cairn_read_options(_cairn_mine "${CAIRN_DOTCONFIG}")
_cairn_read_options(_cairn_its "${CAIRN_PREBUILT_DIR}/cairn.config")
# What only a glue reads is no part of a library; it is the list of what is, with a line for what is not set too.
file(STRINGS "${CAIRN_PREBUILT_DIR}/cairn.config" _cairn_lines)
set(_cairn_different "")
foreach(line IN LISTS _cairn_lines)
  if(line MATCHES "^(# )?CONFIG_CAIRN_([A-Z0-9_]+)( is not set|=)")
    set(name "${CMAKE_MATCH_2}")
    if(NOT "${_cairn_mine_${name}}" STREQUAL "${_cairn_its_${name}}")
      set(mine "${_cairn_mine_${name}}")
      set(its "${_cairn_its_${name}}")
      if(mine STREQUAL "")
        set(mine "not set")
      endif()
      if(its STREQUAL "")
        set(its "not set")
      endif()
      string(APPEND _cairn_different "\n  CONFIG_CAIRN_${name}: ${mine} here, ${its} in the library")
    endif()
  endif()
endforeach()
if(_cairn_different)
  message(FATAL_ERROR "Cairn: the library in ${CAIRN_PREBUILT_DIR} was built for another configuration than ${CAIRN_DOTCONFIG}:"
    "${_cairn_different}\nChange these options, or the library. ${_cairn_again}")
endif()

file(STRINGS "${CAIRN_PREBUILT_DIR}/features" CAIRN_FEATURE_LIST)
add_library(cairn_capi STATIC IMPORTED GLOBAL)
set_target_properties(cairn_capi PROPERTIES IMPORTED_LOCATION "${CAIRN_PREBUILT_DIR}/${_cairn_library}")
set(CAIRN_INCLUDE_DIRS "${CAIRN_PREBUILT_DIR}/include")

# SPDX-License-Identifier: Apache-2.0 OR MIT
# The Rust library, for the CMake of an RTOS: rtos-freertos/cairn.cmake and rtos-zephyr/CMakeLists.txt include it. It takes
#
#   CAIRN_DOTCONFIG    the .config, absolute
#   CAIRN_RUST_TARGET  the Rust target triple that fits the C compiler
#   CAIRN_PANIC        the feature with the panic handler: panic-handler, or std for programs of the host
#
# and the cache variables that rtos-freertos/cairn.cmake lists, each also from the environment. It gives
#
#   cairn_capi              the static library; cargo is asked at every build, and knows itself what changed
#   CAIRN_FEATURE_LIST      the cargo features that the .config chose
#   CAIRN_INCLUDE_DIRS      where cairn.h and cairn_config.h are
#   CAIRN_C_SOURCES         C that the configuration needs compiled with the application's own headers: the halves over PSA Crypto
#   CAIRN_C_DEFINITIONS     what it is compiled with
#
# and stops with a sentence when anything does not fit.
include_guard(GLOBAL)

get_filename_component(CAIRN_ROOT "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)

function(_cairn_option name default text)
  if(NOT DEFINED ${name} AND DEFINED ENV{${name}})
    set(${name} "$ENV{${name}}" CACHE STRING "${text}")
  elseif(NOT DEFINED ${name})
    set(${name} "${default}" CACHE STRING "${text}")
  endif()
endfunction()

_cairn_option(CAIRN_CARGO "cargo" "cargo")
_cairn_option(CAIRN_RUSTC "" "rustc; empty: what cargo finds")
_cairn_option(CAIRN_CARGO_ARGS "" "More arguments for cargo's device build")
_cairn_option(CAIRN_CARGO_TARGET_DIR "${CMAKE_BINARY_DIR}/cairn" "Where cargo builds for the device")
_cairn_option(CAIRN_HOST_TARGET_DIR "${CMAKE_BINARY_DIR}/cairn-host" "Where cargo builds what reads the .config")
_cairn_option(CAIRN_CFLAGS "-fomit-frame-pointer -fno-schedule-insns2" "Flags for the C that cargo compiles for the device")

if(DEFINED CAIRN_FEATURES OR DEFINED ENV{CAIRN_FEATURES})
  message(FATAL_ERROR "Cairn: CAIRN_FEATURES is no more: what to build in is chosen in the .config (${CAIRN_DOTCONFIG}): "
    "CONFIG_CAIRN_SIGNER_..., CONFIG_CAIRN_ROOT_..., CONFIG_CAIRN_MONOTONIC, CONFIG_CAIRN_AT_MODEM, CONFIG_CAIRN_UDP. "
    "Unset CAIRN_FEATURES.")
endif()

# The ABI of the library follows the C compiler; flags from elsewhere would silently break that.
foreach(name RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS)
  if(DEFINED ENV{${name}})
    message(FATAL_ERROR "Cairn: ${name} is set in the environment (\"$ENV{${name}}\"). It would change the code of the device "
      "library behind the build's back: unset it, and put what the target needs into CAIRN_RUST_TARGET or CAIRN_CARGO_ARGS.")
  endif()
endforeach()

if(NOT IS_ABSOLUTE "${CAIRN_DOTCONFIG}" OR NOT EXISTS "${CAIRN_DOTCONFIG}")
  message(FATAL_ERROR "Cairn: CAIRN_DOTCONFIG=\"${CAIRN_DOTCONFIG}\" must be the absolute path of a .config file")
endif()

# ---- how cargo is called
set(_cairn_env "CAIRN_DOTCONFIG=${CAIRN_DOTCONFIG}")
set(_cairn_rustc "rustc")
if(CAIRN_RUSTC)
  list(APPEND _cairn_env "RUSTC=${CAIRN_RUSTC}")
  set(_cairn_rustc "${CAIRN_RUSTC}")
endif()
# What the caller set while configuring holds while building, from whichever shell that is.
if(DEFINED ENV{RUSTC_BOOTSTRAP})
  list(APPEND _cairn_env "RUSTC_BOOTSTRAP=$ENV{RUSTC_BOOTSTRAP}")
endif()

if(NOT CAIRN_CARGO_ARGS MATCHES "build-std")
  execute_process(COMMAND "${_cairn_rustc}" --print target-libdir --target "${CAIRN_RUST_TARGET}"
    OUTPUT_VARIABLE _cairn_libdir OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE _cairn_failed ERROR_VARIABLE _cairn_error
    WORKING_DIRECTORY "${CAIRN_ROOT}")
  if(_cairn_failed)
    message(FATAL_ERROR "Cairn: ${_cairn_rustc} does not know the target ${CAIRN_RUST_TARGET}, or is missing: install Rust "
      "(https://rustup.rs) or set CAIRN_RUSTC.\n${_cairn_error}")
  elseif(NOT IS_DIRECTORY "${_cairn_libdir}")
    message(FATAL_ERROR "Cairn: ${_cairn_rustc} has no standard library for ${CAIRN_RUST_TARGET}. Run\n"
      "  rustup target add ${CAIRN_RUST_TARGET}\n"
      "or, with the sources of the standard library, set CAIRN_CARGO_ARGS=-Zbuild-std=core,alloc and RUSTC_BOOTSTRAP=1.")
  endif()
endif()

# ---- cairn_config.h, and what the .config chooses
set(_cairn_include "${CMAKE_BINARY_DIR}/cairn-include")
file(MAKE_DIRECTORY "${_cairn_include}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${CAIRN_DOTCONFIG}"
  "${CAIRN_ROOT}/component/config/src/dotconfig.rs" "${CAIRN_ROOT}/component/config/src/main.rs"
  "${CAIRN_ROOT}/component/config/src/symbols.rs")
# Asks cairn-config, the only reader of a .config.
function(_cairn_ask_config out)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env ${_cairn_env} "CARGO_TARGET_DIR=${CAIRN_HOST_TARGET_DIR}"
      "${CAIRN_CARGO}" run --quiet --locked --package cairn-config -- ${ARGN}
    WORKING_DIRECTORY "${CAIRN_ROOT}" RESULT_VARIABLE failed OUTPUT_VARIABLE answer ERROR_VARIABLE error
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(failed)
    message(FATAL_ERROR "Cairn: ${CAIRN_DOTCONFIG} is no configuration of Cairn\n${error}")
  endif()
  set(${out} "${answer}" PARENT_SCOPE)
endfunction()
_cairn_ask_config(_cairn_said header "${CAIRN_DOTCONFIG}" "${_cairn_include}/cairn_config.h")
_cairn_ask_config(_cairn_features features "${CAIRN_DOTCONFIG}")
string(REPLACE "," ";" CAIRN_FEATURE_LIST "${_cairn_features}")

# The C that cargo compiles is compiled by this build's compiler. cargo takes the variables with the target's name in them.
if("signer-libsecp256k1" IN_LIST CAIRN_FEATURE_LIST)
  string(REPLACE "-" "_" _cairn_target_name "${CAIRN_RUST_TARGET}")
  string(REPLACE "." "_" _cairn_target_name "${_cairn_target_name}")
  list(APPEND _cairn_env "CC_${_cairn_target_name}=${CMAKE_C_COMPILER}" "AR_${_cairn_target_name}=${CMAKE_AR}"
    # Not CFLAGS_<target>: that is .cargo/config.toml's, with what must be true of the target.
    "TARGET_CFLAGS=${CAIRN_CFLAGS}")
endif()

# ---- the library: cargo is asked at every build and knows itself what changed
set(_cairn_library "${CAIRN_CARGO_TARGET_DIR}/${CAIRN_RUST_TARGET}/device/libcairn_capi.a")
set(_cairn_own_library "${CMAKE_BINARY_DIR}/libcairn_capi.a")
add_custom_target(cairn_rust
  COMMAND "${CMAKE_COMMAND}" -E env ${_cairn_env} "CARGO_TARGET_DIR=${CAIRN_CARGO_TARGET_DIR}"
    "${CAIRN_CARGO}" rustc --locked ${CAIRN_CARGO_ARGS} --package cairn-capi --lib --crate-type staticlib
    --target "${CAIRN_RUST_TARGET}" --profile device --no-default-features --features "${CAIRN_PANIC},${_cairn_features}"
  # Another build in the same target directory may replace cargo's; this copy is this build's, and changes only when it
  # does.
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${_cairn_library}" "${_cairn_own_library}"
  WORKING_DIRECTORY "${CAIRN_ROOT}"
  BYPRODUCTS "${_cairn_own_library}"
  COMMENT "Cairn: cargo builds the library for ${CAIRN_RUST_TARGET}"
  USES_TERMINAL VERBATIM)

add_library(cairn_capi STATIC IMPORTED GLOBAL)
set_target_properties(cairn_capi PROPERTIES IMPORTED_LOCATION "${_cairn_own_library}")
add_dependencies(cairn_capi cairn_rust)

set(CAIRN_INCLUDE_DIRS "${CAIRN_ROOT}/component/capi/include" "${_cairn_include}")

# The C halves over PSA Crypto; a curve or a cipher that the headers do not have is an error there.
set(CAIRN_C_SOURCES "")
set(CAIRN_C_DEFINITIONS "")
if("signer-psa" IN_LIST CAIRN_FEATURE_LIST)
  list(APPEND CAIRN_C_SOURCES "${CAIRN_ROOT}/component/psa/c/cairn_psa.c")
  if("es256" IN_LIST CAIRN_FEATURE_LIST)
    list(APPEND CAIRN_C_DEFINITIONS CAIRN_PSA_NEEDS_ES256)
  else()
    list(APPEND CAIRN_C_DEFINITIONS CAIRN_PSA_NEEDS_ES256K)
  endif()
endif()
if("psa-hash" IN_LIST CAIRN_FEATURE_LIST OR "psa-aead" IN_LIST CAIRN_FEATURE_LIST)
  list(APPEND CAIRN_C_SOURCES "${CAIRN_ROOT}/component/psa/crypto/c/cairn_psa_crypto.c")
  if("psa-hash" IN_LIST CAIRN_FEATURE_LIST)
    list(APPEND CAIRN_C_DEFINITIONS CAIRN_PSA_NEEDS_SHA_256)
  endif()
  if("psa-aead" IN_LIST CAIRN_FEATURE_LIST)
    list(APPEND CAIRN_C_DEFINITIONS CAIRN_PSA_NEEDS_AES_CCM)
  endif()
endif()
message(STATUS "Cairn: ${CAIRN_RUST_TARGET}, features ${_cairn_features}, configuration ${CAIRN_DOTCONFIG}")

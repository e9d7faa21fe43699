# SPDX-License-Identifier: Apache-2.0 OR MIT
# The library as cargo builds it from this repository. Included by cairn_library.cmake, which says what it takes and gives.
include_guard(GLOBAL)

_cairn_option(CAIRN_CARGO "cargo" "cargo")
_cairn_option(CAIRN_RUSTC "" "rustc; empty: what cargo finds")
_cairn_option(CAIRN_CARGO_ARGS "" "More arguments for cargo's device build")
_cairn_option(CAIRN_CARGO_TARGET_DIR "${CMAKE_BINARY_DIR}/cairn" "Where cargo builds for the device")
_cairn_option(CAIRN_HOST_TARGET_DIR "${CMAKE_BINARY_DIR}/cairn-host" "Where cargo builds what reads the .config")
_cairn_option(CAIRN_CFLAGS "-fomit-frame-pointer -fno-schedule-insns2" "Flags for the C that cargo compiles for the device")

# The ABI of the library follows the C compiler; flags from elsewhere would silently break that.
string(TOUPPER "CARGO_TARGET_${CAIRN_RUST_TARGET}_RUSTFLAGS" _cairn_target_flags)
string(REGEX REPLACE "[-.]" "_" _cairn_target_flags "${_cairn_target_flags}")
set(_cairn_flags RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS "${_cairn_target_flags}")
foreach(name IN LISTS _cairn_flags)
  if(DEFINED ENV{${name}})
    message(FATAL_ERROR "Cairn: ${name} is set in the environment (\"$ENV{${name}}\"). It would change the code of the device "
      "library behind the build's back: unset it, and put what the target needs into CAIRN_RUST_TARGET or CAIRN_CARGO_ARGS.")
  endif()
endforeach()

# ---- how cargo is called
# What the shell of a later build has set does not count, just as it would have been refused here.
list(TRANSFORM _cairn_flags PREPEND "--unset=" OUTPUT_VARIABLE _cairn_env)
list(APPEND _cairn_env "--unset=CARGO_BUILD_TARGET" "CAIRN_DOTCONFIG=${CAIRN_DOTCONFIG}")
set(_cairn_locked --locked)
if(CAIRN_CARGO_OFFLINE)
  list(APPEND _cairn_locked --offline)
endif()
set(_cairn_rustc "rustc")
if(CAIRN_RUSTC)
  list(APPEND _cairn_env "RUSTC=${CAIRN_RUSTC}")
  set(_cairn_rustc "${CAIRN_RUSTC}")
endif()
# What the caller set while configuring holds while building, from whichever shell that is.
if(DEFINED ENV{RUSTC_BOOTSTRAP})
  list(APPEND _cairn_env "RUSTC_BOOTSTRAP=$ENV{RUSTC_BOOTSTRAP}")
endif()

set(_cairn_without_rust "Where there is no Rust, take a library that `cargo xtask prebuilt` made elsewhere: CONFIG_CAIRN_PREBUILT "
  "on Zephyr, CAIRN_PREBUILT_DIR on FreeRTOS.")
string(CONCAT _cairn_without_rust ${_cairn_without_rust})
execute_process(COMMAND "${CAIRN_CARGO}" --version WORKING_DIRECTORY "${CAIRN_ROOT}"
  OUTPUT_QUIET RESULT_VARIABLE _cairn_failed ERROR_VARIABLE _cairn_error)
if(_cairn_failed)
  message(FATAL_ERROR "Cairn: ${CAIRN_CARGO} does not run (${_cairn_failed}): install Rust (https://rustup.rs) or set CAIRN_CARGO. "
    "${_cairn_without_rust}\n${_cairn_error}")
endif()
if(NOT CAIRN_CARGO_ARGS MATCHES "build-std")
  execute_process(COMMAND "${_cairn_rustc}" --print target-libdir --target "${CAIRN_RUST_TARGET}"
    OUTPUT_VARIABLE _cairn_libdir OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE _cairn_failed ERROR_VARIABLE _cairn_error
    WORKING_DIRECTORY "${CAIRN_ROOT}")
  if(_cairn_failed)
    message(FATAL_ERROR "Cairn: ${_cairn_rustc} does not know the target ${CAIRN_RUST_TARGET}, or is missing: install Rust "
      "(https://rustup.rs) or set CAIRN_RUSTC. ${_cairn_without_rust}\n${_cairn_error}")
  elseif(NOT IS_DIRECTORY "${_cairn_libdir}")
    message(FATAL_ERROR "Cairn: ${_cairn_rustc} has no standard library for ${CAIRN_RUST_TARGET}. Run\n"
      "  rustup target add ${CAIRN_RUST_TARGET}\n"
      "or, with the sources of the standard library, set CAIRN_CARGO_ARGS=-Zbuild-std=core,alloc and RUSTC_BOOTSTRAP=1. "
      "${_cairn_without_rust}")
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
      "${CAIRN_CARGO}" run --quiet ${_cairn_locked} --package cairn-config -- ${ARGN}
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
    "${CAIRN_CARGO}" rustc ${_cairn_locked} ${CAIRN_CARGO_ARGS} --package cairn-capi --lib --crate-type staticlib
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

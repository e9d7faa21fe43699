# SPDX-License-Identifier: Apache-2.0 OR MIT
# What the crate cairn-zephyr calls, for applications in Rust; CMakeLists.txt of the module includes it. The crates themselves are
# cargo dependencies of the application, which zephyr-lang-rust builds.
zephyr_library_named(cairn_zephyr_rust)
zephyr_library_sources("${CMAKE_CURRENT_LIST_DIR}/shim.c")
if(CONFIG_CAIRN_RUST_SOCKETS)
  zephyr_library_sources("${CMAKE_CURRENT_LIST_DIR}/shim_sockets.c")
else()
  zephyr_library_sources("${CMAKE_CURRENT_LIST_DIR}/shim_alone.c")
endif()
# Objects of Debian's libgcc and of Rust's compiler_builtins do not say that they need no executable stack.
zephyr_ld_options(-Wl,-z,noexecstack)

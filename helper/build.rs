//! Links what unwinds the stack for the message of a panic into the programs, where the linker has it: as a shared library,
//! each node would read ten times as much of it over the network at every boot. And packs the list of places that hold an
//! address, which is a thirtieth of both.

use std::path::Path;

#[allow(clippy::disallowed_methods, reason = "the compiler is asked, before there is a program of ours")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let asked = std::process::Command::new(linker).arg("-print-file-name=libgcc_eh.a").output();
    let path = asked.map(|answer| String::from_utf8_lossy(&answer.stdout).trim().to_owned()).unwrap_or_default();
    if Path::new(&path).is_absolute() {
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
    // What loads a program can unpack it since glibc 2.36; the musl of Void cannot.
    if std::env::var_os("CARGO_CFG_TARGET_ENV").is_some_and(|libc| libc == "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

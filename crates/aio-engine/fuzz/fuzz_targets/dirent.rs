//! Any octets as what getdents64 filled: parsed as the model says, and never a step outside.
#![no_main]

#[path = "../../tests/common/dirent.rs"]
mod dirent;

libfuzzer_sys::fuzz_target!(|buf: &[u8]| dirent::check(buf));

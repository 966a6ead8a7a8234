//! The constants: `constants.txt` has the names, `build.rs` asks the C compiler for the values.

use std::ffi::{c_char, c_longlong, CStr};

use perl_xs::Perl;

#[repr(C)]
struct Constant {
    name: *const c_char,
    value: c_longlong,
}

extern "C" {
    /// A table that ends with a null name.
    fn io_aio_constants() -> *const Constant;
}

/// Defines `IO::AIO::NAME` for each constant.
pub fn define(perl: Perl) {
    // SAFETY: the table is static; the loop stops at its end.
    unsafe {
        let mut constant = io_aio_constants();
        while !(*constant).name.is_null() {
            let name = CStr::from_ptr((*constant).name);
            perl.define_constant(c"IO::AIO", name, (*constant).value);
            constant = constant.add(1);
        }
    }
}

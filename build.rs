//! Asks the C compiler for the constants of `src/constants.txt`.

use std::fmt::Write;
use std::{env, fs, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=src/constants.txt");
    println!("cargo:rerun-if-changed=src/constants.h");

    // Workers may outlive the interpreter that loaded the module: their code stays mapped.
    let os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if matches!(
        &*os,
        "linux" | "android" | "freebsd" | "netbsd" | "openbsd" | "dragonfly"
    ) {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }

    let list = fs::read_to_string("src/constants.txt").expect("src/constants.txt");
    let mut code = String::from(
        "#include \"constants.h\"\n\
         static struct io_aio_constant table[] = {\n",
    );
    let names = list.lines().map(str::trim);
    for name in names.filter(|l| !l.is_empty() && !l.starts_with('#')) {
        // PAGESIZE is a call on most systems: filled in at run time.
        let value = if name == "PAGESIZE" { "0" } else { name };
        let _ = write!(
            code,
            "#ifdef {name}\n  {{ \"{name}\", (long long) ({value}) }},\n#else\n  {{ \"{name}\", 0 }},\n#endif\n"
        );
    }
    code.push_str(
        "  { 0, 0 }\n};\n\
         const struct io_aio_constant *\n\
         io_aio_constants (void)\n\
         {\n\
         \x20 struct io_aio_constant *c;\n\
         \x20 for (c = table; c->name; c++)\n\
         \x20   if (c->name[0] == 'P' && c->name[1] == 'A' && c->name[2] == 'G')\n\
         \x20     c->value = PAGESIZE;\n\
         \x20 return table;\n\
         }\n",
    );
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("OUT_DIR")).join("constants.c");
    fs::write(&out, code).expect("writing constants.c");
    cc::Build::new()
        .include("src")
        .warnings(false)
        .file(&out)
        .compile("ioaioconstants");
}

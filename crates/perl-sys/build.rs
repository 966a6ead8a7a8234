//! Compiles shim.c against the headers of the perl that will load the module.
//!
//! `PERL` names that perl (Makefile.PL sets it); without it the `perl` in PATH is asked.
//! `IO_AIO_OPTIMIZE` replaces perl's own optimisation flags.

use std::env;
use std::path::Path;
use std::process::{exit, Command};

fn fail(what: &str) -> ! {
    eprintln!("perl-sys: {what}");
    exit(1)
}

/// The values of some keys of perl's Config, NUL-separated on the way here.
fn config<const N: usize>(perl: &str, keys: [&str; N]) -> [String; N] {
    let code = r#"use Config; print join "\0", map { $Config{$_} // "" } @ARGV"#;
    let output = Command::new(perl).arg("-e").arg(code).args(keys).output();
    let output = match output {
        Ok(output) if output.status.success() => output.stdout,
        Ok(output) => fail(&format!(
            "{perl} could not tell its configuration: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => fail(&format!("cannot run {perl}: {error}")),
    };
    let text = String::from_utf8_lossy(&output).into_owned();
    let mut values = text.split('\0').map(str::to_owned);
    std::array::from_fn(|_| values.next().unwrap_or_default())
}

/// Splits a flags string as a shell would: blanks separate, quotes and backslashes protect.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_with(String::new);
            }
            (None | Some('"'), '\\') => word
                .get_or_insert_with(String::new)
                .push(chars.next().unwrap_or('\\')),
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_with(String::new).push(c),
        }
    }
    words.extend(word);
    words
}

fn main() {
    println!("cargo:rerun-if-changed=shim.c");
    println!("cargo:rerun-if-env-changed=PERL");
    println!("cargo:rerun-if-env-changed=IO_AIO_OPTIMIZE");

    let perl = env::var("PERL").unwrap_or_else(|_| "perl".into());
    let [archlib, ccflags, optimize, cc] =
        config(&perl, ["archlibexp", "ccflags", "optimize", "cc"]);
    let include = Path::new(&archlib).join("CORE");
    if !include.join("perl.h").is_file() {
        fail(&format!(
            "{} has no perl.h: install perl's headers (Debian: libperl-dev, Fedora: perl-devel, \
             Alpine: perl-dev)",
            include.display()
        ));
    }
    println!(
        "cargo:rerun-if-changed={}",
        include.join("config.h").display()
    );

    let optimize = env::var("IO_AIO_OPTIMIZE").unwrap_or(optimize);
    let mut build = cc::Build::new();
    // cc takes CC and CFLAGS from the environment; without them, the compiler that built perl.
    if env::var_os("CC").is_none() && Command::new(&cc).arg("--version").output().is_ok() {
        build.compiler(&cc);
    }
    for flag in words(&ccflags).iter().chain(&words(&optimize)) {
        build.flag(flag);
    }
    build
        .include(&include)
        .warnings(false)
        .pic(true)
        .file("shim.c")
        .compile("perlshim");
}

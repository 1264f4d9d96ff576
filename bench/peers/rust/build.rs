//! Tells the program what it is built of: RUSTC, and the version of each crate that a side is named after.
use std::{env, fs, process::Command};

const CRATES: [&str; 3] = ["tokio", "actix", "kameo"];

/// The version of `name` in the text of Cargo.lock.
fn locked<'a>(lock: &'a str, name: &str) -> &'a str {
    let package = format!("name = \"{name}\"\nversion = \"");
    let (_, after) = lock.split_once(&package).expect("Cargo.lock lacks a crate");
    after.split_once('"').expect("Cargo.lock is cut off").0
}

fn main() {
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock").expect("there is no Cargo.lock");
    for name in CRATES {
        println!("cargo::rustc-env={}={}", name.to_uppercase(), locked(&lock, name));
    }
    let rustc = env::var("RUSTC").expect("cargo says which rustc");
    let said = Command::new(rustc).arg("--version").output().expect("rustc does not run");
    let version = String::from_utf8_lossy(&said.stdout);
    println!("cargo::rustc-env=RUSTC_VERSION={}", version.split(' ').nth(1).unwrap_or("?"));
}

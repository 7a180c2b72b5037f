//! Makes the protocol's code from its description, and checks that nobody forgot to.

use std::path::Path;
use std::{env, fs};

/// Set, the code is written; else it is compared.
const UPDATE: &str = "PLUMBER_UPDATE_PROTOCOL";

#[test]
fn the_code_is_made_from_its_description() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire");
    let out = env::temp_dir().join(format!("plumber-protocol-{}", std::process::id()));
    fs::create_dir_all(&out).unwrap();
    let mut compiler = protox::Compiler::new([&here]).unwrap();
    let files = compiler.include_source_info(true).include_imports(true);
    let description = files.open_file("plumber.proto").unwrap();
    tonic_prost_build::configure()
        .out_dir(&out)
        .emit_rerun_if_changed(false)
        .compile_fds(description.file_descriptor_set())
        .unwrap();
    let made = fs::read_to_string(out.join("plumber.v1.rs")).unwrap();
    fs::remove_dir_all(&out).unwrap();
    let checked_in = here.join("generated.rs");
    if env::var_os(UPDATE).is_some() {
        fs::write(&checked_in, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&checked_in).unwrap() == made,
        "src/wire/generated.rs is not what plumber.proto says; run this test with {UPDATE}=1"
    );
}

//! Makes types and codecs of the chat socket's schema, without protoc.

use std::error::Error;

use prost::Message as _;

const FILES: &[&str] = &["stoa/im/v1/im.proto", "stoa/im/v1/relay.proto"];
const FOLDER: &str = "schema";
const PACKAGE: &str = ".stoa.im.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let descriptors = protox::compile(FILES, [FOLDER])?;
    let encoded = descriptors.encode_to_vec();
    prost_build::Config::new().bytes([PACKAGE]).btree_map([PACKAGE]).compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .btree_map([PACKAGE])
        .ignore_unknown_fields()
        .ignore_unknown_enum_variants()
        .build(&[PACKAGE])?;
    Ok(())
}

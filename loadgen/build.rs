//! Makes types of the chat socket's published schema, without protoc.

use std::error::Error;

const FILE: &str = "stoa/im/v1/im.proto";
const FOLDER: &str = "../gateway/schema";
const PACKAGE: &str = ".stoa.im.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let descriptors = protox::compile([FILE], [FOLDER])?;
    prost_build::Config::new().bytes([PACKAGE]).btree_map([PACKAGE]).compile_fds(descriptors)?;
    Ok(())
}

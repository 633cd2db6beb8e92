//! Makes types and codecs of the chat socket's schema, without protoc, and JSON schemas for the OpenAPI document.

use std::{env, error::Error, fs, path::Path};

use prost::Message as _;
use serde_json::{Map, Value, json};

const FILES: &[&str] = &["stoa/im/v1/im.proto", "stoa/im/v1/relay.proto", "stoa/im/v1/rest.proto"];
const FOLDER: &str = "schema";
const PACKAGE: &str = ".stoa.im.v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let descriptors = protox::compile(FILES, [FOLDER])?;
    let encoded = descriptors.encode_to_vec();
    let schemas = schemas(&descriptors);
    prost_build::Config::new().bytes([PACKAGE]).btree_map([PACKAGE]).compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&encoded)?
        .btree_map([PACKAGE])
        .ignore_unknown_fields()
        .ignore_unknown_enum_variants()
        .build(&[PACKAGE])?;
    let path = Path::new(&env::var("OUT_DIR")?).join("schemas.json");
    fs::write(path, serde_json::to_vec(&schemas)?)?;
    Ok(())
}

/// Proto3 JSON (protobuf.dev, "ProtoJSON Format") of every message and enumeration, by name.
fn schemas(files: &prost_types::FileDescriptorSet) -> Value {
    let mut all = Map::new();
    for file in &files.file {
        for one in &file.enum_type {
            let names: Vec<&str> = one.value.iter().map(|value| value.name()).collect();
            all.insert(one.name().to_owned(), json!({ "type": "string", "enum": names }));
        }
        for message in &file.message_type {
            let mut properties = Map::new();
            for field in &message.field {
                properties.insert(field.json_name().to_owned(), schema(field, message));
            }
            let schema = json!({ "type": "object", "properties": properties });
            all.insert(message.name().to_owned(), schema);
        }
    }
    Value::Object(all)
}

fn schema(
    field: &prost_types::FieldDescriptorProto,
    message: &prost_types::DescriptorProto,
) -> Value {
    use prost_types::field_descriptor_proto::{Label, Type};
    let name = field.type_name().rsplit('.').next().unwrap_or_default();
    if let Some(entry) = message.nested_type.iter().find(|entry| entry.name() == name) {
        let value = entry.field.iter().find(|field| field.name() == "value");
        let value = value.map_or(Value::Null, |value| schema(value, entry));
        return json!({ "type": "object", "additionalProperties": value });
    }
    let one = match field.r#type() {
        Type::Message | Type::Enum => json!({ "$ref": format!("#/components/schemas/{name}") }),
        Type::Bool => json!({ "type": "boolean" }),
        Type::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
        Type::Uint64 => json!({ "type": "string", "pattern": "^[0-9]{1,20}$" }),
        Type::Int64 | Type::Sint64 => json!({ "type": "string", "pattern": "^-?[0-9]{1,19}$" }),
        Type::Uint32 => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        Type::Int32 | Type::Sint32 => {
            json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX })
        }
        _ => json!({ "type": "string" }),
    };
    if field.label() == Label::Repeated { json!({ "type": "array", "items": one }) } else { one }
}

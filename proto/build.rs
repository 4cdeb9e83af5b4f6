//! Compiles the .proto files without protoc: protox parses them, prost writes the Rust.

use std::path::PathBuf;

use prost_types::FileDescriptorSet;

/// The message that a peer's unknown fields must survive in, since the executor sends it back to the agent. Its
/// generated struct gets another name, and every place that names the message gets `Verbatim` around that struct.
const ECHOED: (&str, &str) = ("TaskInfo", "TaskInfoFields");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=protos");
    let files = protox::compile(
        [
            "mesos/v1/executor/executor.proto",
            "mesos/v1/scheduler/scheduler.proto",
        ],
        ["protos"],
    )?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // What the wire says, for tests/fields.rs: before the renaming below.
    std::fs::write(
        out.join("descriptors.bin"),
        prost::Message::encode_to_vec(&files),
    )?;
    prost_build::Config::new()
        .btree_map(["."])
        .bytes(["."])
        .extern_path(
            format!(".mesos.v1.{}", ECHOED.0),
            format!("crate::{}", ECHOED.0),
        )
        .enum_attribute(".", "#[allow(missing_docs)]")
        .message_attribute(".", "#[allow(missing_docs)]")
        .compile_fds(with_fields_struct(files))?;
    Ok(())
}

/// The descriptors with a second definition of the echoed message, under its other name: prost leaves out the first,
/// whose path is given.
fn with_fields_struct(mut files: FileDescriptorSet) -> FileDescriptorSet {
    for file in &mut files.file {
        if file.package.as_deref() != Some("mesos.v1") {
            continue;
        }
        let Some(index) = file
            .message_type
            .iter()
            .position(|message| message.name() == ECHOED.0)
        else {
            continue;
        };
        let mut fields = file.message_type[index].clone();
        fields.name = Some(ECHOED.1.to_owned());
        let nested = format!(".mesos.v1.{}.", ECHOED.0);
        for field in &mut fields.field {
            if let Some(own) = field.type_name().strip_prefix(&nested) {
                field.type_name = Some(format!(".mesos.v1.{}.{own}", ECHOED.1));
            }
        }
        let copy = file.message_type.len() as i32;
        file.message_type.push(fields);
        // The copy's comments stand where the original's do: prost looks each definition up by its place.
        if let Some(source) = &mut file.source_code_info {
            let mut locations = source.location.clone();
            locations.retain(|location| location.path.starts_with(&[MESSAGE_TYPE, index as i32]));
            for location in &mut locations {
                location.path[1] = copy;
            }
            source.location.extend(locations);
            source.location.sort_by(|a, b| a.path.cmp(&b.path));
        }
    }
    files
}

/// The number of the field `message_type` in descriptor.proto's FileDescriptorProto.
const MESSAGE_TYPE: i32 = 4;

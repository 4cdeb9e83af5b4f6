//! The .proto files against Mesos's own field table: same names, numbers, types and labels, nothing more and nothing
//! less. The table's columns: message or enum, field, number, label (or `enum`), type with its default.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

const TABLE: &str = include_str!("fixtures/v1-fields.tsv");
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[test]
fn every_field_and_enum_value_is_as_mesos_has_it() {
    let ours = rows(&FileDescriptorSet::decode(DESCRIPTORS).expect("prost wrote it"));
    let theirs: BTreeSet<String> = TABLE.lines().map(str::to_owned).collect();
    let only_ours: Vec<_> = ours.difference(&theirs).collect();
    let only_theirs: Vec<_> = theirs.difference(&ours).collect();
    assert!(
        only_ours.is_empty() && only_theirs.is_empty(),
        "only in the .proto files: {only_ours:#?}\nonly in Mesos's table: {only_theirs:#?}"
    );
    assert!(ours.len() > 600, "the table was read: {} rows", ours.len());
}

fn rows(files: &FileDescriptorSet) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for file in &files.file {
        for message in &file.message_type {
            message_rows(file.package(), message, &mut rows);
        }
        for one in &file.enum_type {
            enum_rows(file.package(), one, &mut rows);
        }
    }
    rows
}

fn message_rows(scope: &str, message: &DescriptorProto, rows: &mut BTreeSet<String>) {
    let name = format!("{scope}.{}", message.name());
    // A map is a repeated entry message on the wire, which is what the table lists.
    for field in &message.field {
        rows.insert(format!(
            "{name}\t{}\t{}\t{}\t{}{}",
            field.name(),
            field.number(),
            label(field),
            type_name(field),
            default(field)
        ));
    }
    for nested in &message.nested_type {
        message_rows(&name, nested, rows);
    }
    for one in &message.enum_type {
        enum_rows(&name, one, rows);
    }
}

fn enum_rows(scope: &str, one: &EnumDescriptorProto, rows: &mut BTreeSet<String>) {
    for value in &one.value {
        rows.insert(format!(
            "{scope}.{}\t{}\t{}\tenum\t",
            one.name(),
            value.name(),
            value.number()
        ));
    }
}

fn label(field: &FieldDescriptorProto) -> &'static str {
    match field.label() {
        Label::Optional => "optional",
        Label::Required => "required",
        Label::Repeated => "repeated",
    }
}

fn type_name(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
        scalar => scalar
            .as_str_name()
            .trim_start_matches("TYPE_")
            .to_lowercase(),
    }
}

fn default(field: &FieldDescriptorProto) -> String {
    match &field.default_value {
        Some(value) => format!(" default={value}"),
        None => String::new(),
    }
}

//! A message that is sent back as it came.
//!
//! An executor returns every unacknowledged `TaskInfo` to the agent when it subscribes again. prost drops the fields
//! that it does not know, so a newer agent's fields would be lost on the way: [`Verbatim`] keeps the bytes beside
//! the decoded view.

use std::ops::Deref;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::encoding::{DecodeContext, WireType, decode_varint, encode_key, encode_varint};
use prost::{DecodeError, Message};

/// A decoded message together with the bytes it was decoded from. Reading goes to the message, encoding returns
/// every byte, known field or not, in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verbatim<M> {
    message: M,
    wire: BytesMut,
}

impl<M> Deref for Verbatim<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.message
    }
}

impl<M: Message> From<M> for Verbatim<M> {
    fn from(message: M) -> Self {
        let mut wire = BytesMut::with_capacity(message.encoded_len());
        message.encode_raw(&mut wire);
        Self { message, wire }
    }
}

impl<M: Message + Default> Message for Verbatim<M> {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.wire);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        let mut field = BytesMut::new();
        encode_key(tag, wire_type, &mut field);
        let key = field.len();
        copy_value(wire_type, tag, buf, &mut field, GROUP_DEPTH)?;
        let mut value = Bytes::copy_from_slice(&field[key..]);
        self.message.merge_field(tag, wire_type, &mut value, ctx)?;
        self.wire.unsplit(field);
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.wire.len()
    }

    fn clear(&mut self) {
        self.message.clear();
        self.wire.clear();
    }
}

/// How deep groups may nest, as deep as prost lets messages nest.
const GROUP_DEPTH: u32 = 100;

/// Copies one field's value, key excluded, from `buf` to `to`.
fn copy_value(
    wire_type: WireType,
    tag: u32,
    buf: &mut impl Buf,
    to: &mut BytesMut,
    depth: u32,
) -> Result<(), DecodeError> {
    match wire_type {
        WireType::Varint => encode_varint(decode_varint(buf)?, to),
        WireType::SixtyFourBit => copy_bytes(8, buf, to)?,
        WireType::ThirtyTwoBit => copy_bytes(4, buf, to)?,
        WireType::LengthDelimited => {
            let length = decode_varint(buf)?;
            encode_varint(length, to);
            copy_bytes(length, buf, to)?;
        }
        WireType::StartGroup => loop {
            if depth == 0 {
                return Err(malformed());
            }
            let (inner, inner_type) = prost::encoding::decode_key(buf)?;
            encode_key(inner, inner_type, to);
            if inner_type == WireType::EndGroup {
                if inner != tag {
                    return Err(malformed());
                }
                break;
            }
            copy_value(inner_type, inner, buf, to, depth - 1)?;
        },
        WireType::EndGroup => return Err(malformed()),
    }
    Ok(())
}

fn copy_bytes(length: u64, buf: &mut impl Buf, to: &mut BytesMut) -> Result<(), DecodeError> {
    // A length beyond what is there is refused before anything is reserved for it.
    if length > buf.remaining() as u64 {
        return Err(malformed());
    }
    to.put(buf.take(length as usize));
    Ok(())
}

/// prost keeps its error's constructor to itself: an over-long varint gives one.
fn malformed() -> DecodeError {
    match decode_varint(&mut &[0xff_u8; 11][..]) {
        Err(error) => error,
        Ok(_) => unreachable!("eleven continuation bytes are no varint"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskInfo;
    use crate::v1::{AgentId, TaskId, TaskInfoFields};

    fn task() -> TaskInfoFields {
        TaskInfoFields {
            name: "t".into(),
            task_id: TaskId { value: "t".into() },
            agent_id: AgentId { value: "a".into() },
            ..Default::default()
        }
    }

    #[test]
    fn unknown_fields_of_every_wire_type_survive_in_order() {
        let mut wire = BytesMut::new();
        encode_key(900, WireType::Varint, &mut wire);
        encode_varint(u64::MAX, &mut wire);
        wire.put_slice(&task().encode_to_vec());
        encode_key(901, WireType::LengthDelimited, &mut wire);
        encode_varint(3, &mut wire);
        wire.put_slice(b"abc");
        encode_key(902, WireType::SixtyFourBit, &mut wire);
        wire.put_u64_le(7);
        encode_key(903, WireType::ThirtyTwoBit, &mut wire);
        wire.put_u32_le(7);
        encode_key(904, WireType::StartGroup, &mut wire);
        encode_key(1, WireType::Varint, &mut wire);
        encode_varint(5, &mut wire);
        encode_key(904, WireType::EndGroup, &mut wire);

        let decoded = TaskInfo::decode(&wire[..]).expect("well formed");
        assert_eq!(decoded.task_id.value, "t");
        assert_eq!(decoded.encode_to_vec(), wire);
    }

    #[test]
    fn a_built_message_encodes_as_the_message_alone_does() {
        assert_eq!(
            TaskInfo::from(task()).encode_to_vec(),
            task().encode_to_vec()
        );
    }

    #[test]
    fn a_length_beyond_the_input_is_refused() {
        let mut wire = BytesMut::new();
        encode_key(901, WireType::LengthDelimited, &mut wire);
        encode_varint(u64::MAX, &mut wire);
        assert!(TaskInfo::decode(&wire[..]).is_err());
    }

    #[test]
    fn a_group_without_an_end_and_one_too_deep_are_refused() {
        let mut wire = BytesMut::new();
        for _ in 0..200 {
            encode_key(901, WireType::StartGroup, &mut wire);
        }
        assert!(TaskInfo::decode(&wire[..]).is_err());
        assert!(TaskInfo::decode(&wire[..4]).is_err());
    }
}

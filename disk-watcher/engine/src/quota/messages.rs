//! Generic netlink, as far as the kernel's warnings of quotas need it: messages as bytes, no I/O.
//!
//! Linux: include/uapi/linux/{netlink,genetlink,quota}.h. Numbers are in the machine's own order of bytes. A length that
//! a message claims is never believed beyond the bytes that are there.

use crate::quota::{ProjectId, Warning, WarningKind};

/// The name of the family whose messages are warnings of quotas.
const FAMILY: &[u8] = b"VFS_DQUOT\0";
/// Its group of those who listen.
const GROUP: &[u8] = b"events\0";

/// The family that tells of families (GENL_ID_CTRL), and what is asked of it and answered.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const NEW_FAMILY: u8 = 1;
/// CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_ATTR_MCAST_GROUPS, CTRL_ATTR_MCAST_GRP_NAME, CTRL_ATTR_MCAST_GRP_ID.
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// NLMSG_ERROR.
const ERROR: u16 = 2;
/// NLM_F_REQUEST.
const REQUEST: u16 = 1;
/// NLA_TYPE_MASK: the other two bits are flags.
const ATTRIBUTE_KIND: u16 = 0x3fff;

/// QUOTA_NL_C_WARNING and the attributes of one (QUOTA_NL_A_...).
const WARNING: u8 = 1;
const QUOTA_TYPE: u16 = 1;
const EXCESS_ID: u16 = 2;
const WARNING_KIND: u16 = 3;
const DEVICE_MAJOR: u16 = 4;
const DEVICE_MINOR: u16 = 5;
/// PRJQUOTA.
const PROJECT: u32 = 2;

/// `struct nlmsghdr` and `struct genlmsghdr`.
const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;

/// How the kernel's warnings are to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// The type of its messages.
    pub(super) id: u16,
    /// The group to join.
    pub(super) group: u32,
}

/// What came of asking for the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FamilyAnswer {
    /// It is there.
    Found(Family),
    /// The kernel's refusal, as an error number: `ENOENT` when it does not know the family.
    Refused(i32),
    /// Something else.
    Unintelligible,
}

/// The question which family the warnings have.
pub(super) fn family_request() -> Vec<u8> {
    let attribute = 4 + FAMILY.len();
    let padded = attribute.next_multiple_of(4);
    let length = HEADER + GENERIC_HEADER + padded;
    let mut message = Vec::with_capacity(length);
    message.extend(u32::try_from(length).unwrap_or_default().to_ne_bytes());
    message.extend(CONTROL.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    message.extend([0; 8]); // sequence and sender: there is one question, and the kernel fills in who asks
    message.extend([GET_FAMILY, 1, 0, 0]);
    message.extend(u16::try_from(attribute).unwrap_or_default().to_ne_bytes());
    message.extend(FAMILY_NAME.to_ne_bytes());
    message.extend(FAMILY);
    message.resize(length, 0);
    message
}

/// The answer to [`family_request`].
pub(super) fn family_answer(datagram: &[u8]) -> FamilyAnswer {
    for message in messages(datagram) {
        match message.kind {
            ERROR => {
                let code = message
                    .body
                    .first_chunk()
                    .map(|code| i32::from_ne_bytes(*code));
                return code.map_or(FamilyAnswer::Unintelligible, |code| {
                    FamilyAnswer::Refused(code.saturating_neg())
                });
            }
            CONTROL => {
                if let Some(family) = message.generic(NEW_FAMILY).and_then(family) {
                    return FamilyAnswer::Found(family);
                }
            }
            _ => {}
        }
    }
    FamilyAnswer::Unintelligible
}

fn family(body: &[u8]) -> Option<Family> {
    let id = find(body, FAMILY_ID)?.first_chunk().copied()?;
    let group = attributes(find(body, GROUPS)?)
        .find(|(_, group)| find(group, GROUP_NAME) == Some(GROUP))
        .and_then(|(_, group)| number(group, GROUP_ID))?;
    Some(Family {
        id: u16::from_ne_bytes(id),
        group,
    })
}

/// The warnings about projects in one datagram of the family `id`, each once. What is of other kinds of quota, of another
/// family, or makes no sense is passed over.
pub(super) fn warnings(datagram: &[u8], id: u16) -> impl Iterator<Item = Warning> {
    messages(datagram)
        .filter(move |message| message.kind == id)
        .filter_map(|message| warning(message.generic(WARNING)?))
}

fn warning(body: &[u8]) -> Option<Warning> {
    if number(body, QUOTA_TYPE)? != PROJECT {
        return None;
    }
    let id = u64::from_ne_bytes(find(body, EXCESS_ID)?.first_chunk().copied()?);
    Some(Warning {
        project: ProjectId::new(u32::try_from(id).ok()?)?,
        device: rustix::fs::makedev(number(body, DEVICE_MAJOR)?, number(body, DEVICE_MINOR)?),
        kind: kind(number(body, WARNING_KIND)?)?,
    })
}

/// QUOTA_NL_...; 0 is no warning.
fn kind(number: u32) -> Option<WarningKind> {
    Some(match number {
        1 => WarningKind::InodesAtHard,
        2 => WarningKind::InodesLongAboveSoft,
        3 => WarningKind::InodesAboveSoft,
        4 => WarningKind::BytesAtHard,
        5 => WarningKind::BytesLongAboveSoft,
        6 => WarningKind::BytesAboveSoft,
        7 => WarningKind::InodesBelowHard,
        8 => WarningKind::InodesBelowSoft,
        9 => WarningKind::BytesBelowHard,
        10 => WarningKind::BytesBelowSoft,
        _ => return None,
    })
}

/// One message: its type, and what follows its header.
struct Message<'a> {
    kind: u16,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes of a generic message with this command.
    fn generic(&self, command: u8) -> Option<&'a [u8]> {
        (*self.body.first()? == command).then_some(self.body.get(GENERIC_HEADER..)?)
    }
}

fn messages(datagram: &[u8]) -> impl Iterator<Item = Message<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?);
        let length = usize::try_from(length).ok()?;
        let kind = u16::from_ne_bytes(*rest.get(4..)?.first_chunk()?);
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, body })
    })
}

fn attributes(body: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let kind = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?) & ATTRIBUTE_KIND;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn find(body: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(body)
        .find(|(found, _)| *found == kind)
        .map(|(_, value)| value)
}

fn number(body: &[u8], kind: u16) -> Option<u32> {
    Some(u32::from_ne_bytes(*find(body, kind)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: u16 = 0x11;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, command: u8, attributes: &[Vec<u8>]) -> Vec<u8> {
        let body = attributes.concat();
        let length = u32::try_from(HEADER + GENERIC_HEADER + body.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend([command, 1, 0, 0]);
        bytes.extend(body);
        bytes
    }

    fn warning_message(quota_type: u32, id: u64, kind: u32) -> Vec<u8> {
        message(
            ID,
            WARNING,
            &[
                attribute(QUOTA_TYPE, &quota_type.to_ne_bytes()),
                attribute(EXCESS_ID, &id.to_ne_bytes()),
                attribute(WARNING_KIND, &kind.to_ne_bytes()),
                attribute(DEVICE_MAJOR, &7u32.to_ne_bytes()),
                attribute(DEVICE_MINOR, &3u32.to_ne_bytes()),
                attribute(6, &1000u64.to_ne_bytes()),
            ],
        )
    }

    fn all(datagram: &[u8]) -> Vec<Warning> {
        warnings(datagram, ID).collect()
    }

    #[test]
    fn a_warning_names_the_project_the_device_and_the_limit() {
        let expected = Warning {
            project: ProjectId::new(5_001).unwrap(),
            device: rustix::fs::makedev(7, 3),
            kind: WarningKind::BytesAboveSoft,
        };
        assert_eq!(all(&warning_message(PROJECT, 5_001, 6)), [expected]);
    }

    #[test]
    fn what_is_not_about_projects_or_not_of_the_family_is_passed_over() {
        let users = warning_message(0, 1_000, 4);
        let nobody = warning_message(PROJECT, 0, 4);
        let huge = warning_message(PROJECT, 1 << 32, 4);
        let unknown = warning_message(PROJECT, 5_001, 99);
        let other_family = message(ID + 1, WARNING, &[]);
        let good = warning_message(PROJECT, 5_001, 4);
        let datagram = [users, nobody, huge, unknown, other_family, good].concat();
        let found = all(&datagram);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, WarningKind::BytesAtHard);
    }

    #[test]
    fn the_question_for_the_family_can_be_read_by_the_same_rules() {
        let request = family_request();
        let parsed: Vec<_> = messages(&request).collect();
        assert_eq!((parsed.len(), parsed[0].kind), (1, CONTROL));
        let body = parsed[0].generic(GET_FAMILY).unwrap();
        assert_eq!(find(body, FAMILY_NAME), Some(FAMILY));
    }

    #[test]
    fn the_family_is_read_from_the_answer() {
        let group = |name: &[u8], id: u32| {
            [
                attribute(GROUP_NAME, name),
                attribute(GROUP_ID, &id.to_ne_bytes()),
            ]
            .concat()
        };
        let groups = [
            attribute(1, &group(b"other\0", 9)),
            attribute(2, &group(GROUP, 17)),
        ];
        let answer = message(
            CONTROL,
            NEW_FAMILY,
            &[
                attribute(FAMILY_ID, &ID.to_ne_bytes()),
                attribute(GROUPS | 0x8000, &groups.concat()),
            ],
        );
        let family = Family { id: ID, group: 17 };
        assert_eq!(family_answer(&answer), FamilyAnswer::Found(family));
    }

    #[test]
    fn a_refusal_is_an_error_number() {
        let mut answer = 20u32.to_ne_bytes().to_vec();
        answer.extend(ERROR.to_ne_bytes());
        answer.extend([0; 10]);
        answer.extend((-2i32).to_ne_bytes());
        assert_eq!(family_answer(&answer), FamilyAnswer::Refused(2));
        assert_eq!(family_answer(&answer[..10]), FamilyAnswer::Unintelligible);
    }

    proptest! {
        #[test]
        fn a_message_that_is_cut_anywhere_gives_no_wrong_warning(at in 0usize..200) {
            let whole = warning_message(PROJECT, 5_001, 4);
            let cut = &whole[..at.min(whole.len())];
            let found = all(cut);
            prop_assert!(found.is_empty() || found == all(&whole));
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(all(&bytes).len() <= bytes.len() / HEADER);
            family_answer(&bytes);
        }
    }
}

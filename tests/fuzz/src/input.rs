//! Structure found in any bytes.

/// Bytes that are taken from the front.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// As many bytes as the two bytes before them say, or as there are.
    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_le_bytes([self.byte()?, self.byte()?]);
        let (taken, rest) = self.rest.split_at(self.rest.len().min(length.into()));
        self.rest = rest;
        Some(taken)
    }
}

/// Pieces between bytes that no UTF-8 has.
pub(crate) fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0xff)
}

/// The text of some bytes; what is no text becomes some.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

//! Reading and writing the fields of a frame; no field is trusted to be there.

use super::Malformed;

pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.take().map(u8::from_le_bytes)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.take().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn optional(&mut self) -> Result<Option<u64>, Malformed> {
        let value = self.u64()?;
        Ok((value != u64::MAX).then_some(value))
    }

    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(bytes.to_vec())
    }

    pub(super) fn list(&mut self) -> Result<Vec<Vec<u8>>, Malformed> {
        let count = self.u32()?;
        (0..count).map(|_| self.bytes()).collect()
    }

    /// Gives `value` when nothing follows it.
    pub(super) fn end<T>(self, value: T) -> Result<T, Malformed> {
        if self.rest.is_empty() { Ok(value) } else { Err(Malformed) }
    }
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a command is bounded far below 4 GiB");
    out.extend(length.to_le_bytes());
    out.extend_from_slice(bytes);
}

pub(super) fn put_list(out: &mut Vec<u8>, list: &[Vec<u8>]) {
    let count = u32::try_from(list.len()).expect("a command is bounded far below 4 GiB");
    out.extend(count.to_le_bytes());
    list.iter().for_each(|bytes| put_bytes(out, bytes));
}

/// `u64::MAX`, which as a limit means none anyway, stands for absence.
pub(super) fn put_optional(out: &mut Vec<u8>, value: Option<u64>) {
    out.extend(value.unwrap_or(u64::MAX).to_le_bytes());
}

//! Segments as files: their names, and reading one from a place on.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use quorla_ledger::ids::{Fence, JobId};

use super::{
    index::{Segment, Whose},
    record::{Decoded, FRAME_BYTES_MAX, Frame, HEADER, decode},
};

const EXTENSION: &str = "output";
/// Read from a file at once.
const CHUNK_BYTES: usize = 64 * 1_024;

/// Where the file of a segment lies.
pub(super) fn path(directory: &Path, segment: &Segment) -> PathBuf {
    let Segment { whose: Whose { job, fence }, first } = segment;
    directory.join(format!("{:032x}-{:016x}-{first:016x}.{EXTENSION}", job.0, fence.0))
}

/// The segment of a file with this name; nothing for a file of somebody else.
pub(super) fn named(name: &str) -> Option<Segment> {
    let (stem, extension) = name.rsplit_once('.')?;
    let mut parts = stem.split('-');
    let (job, fence, first) = (parts.next()?, parts.next()?, parts.next()?);
    if extension != EXTENSION || parts.next().is_some() || [job.len(), fence.len(), first.len()] != [32, 16, 16] {
        return None;
    }
    let number = |text| u64::from_str_radix(text, 16).ok();
    let job = JobId(u128::from_str_radix(job, 16).ok()?);
    Some(Segment { whose: Whose { job, fence: Fence(number(fence)?) }, first: number(first)? })
}

/// Reads frames one after the other.
pub(super) struct Reader {
    fence: Fence,
    file: BufReader<File>,
    /// Read and not yet taken.
    ahead: Vec<u8>,
    taken: usize,
    offset: u64,
}

impl Reader {
    /// Opens the segment at `offset`, where a frame begins, or at its first frame.
    pub(super) fn open(directory: &Path, segment: &Segment, offset: Option<u64>) -> io::Result<Self> {
        let mut file = File::open(path(directory, segment))?;
        let first = u64::try_from(HEADER.len()).expect("a header is short");
        let offset = offset.unwrap_or(first).max(first);
        file.seek(SeekFrom::Start(offset))?;
        let file = BufReader::with_capacity(CHUNK_BYTES, file);
        Ok(Self { fence: segment.whose.fence, file, ahead: Vec::new(), taken: 0, offset })
    }

    /// Where the next frame begins.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame; none where the segment is over, cut off or damaged.
    pub(super) fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            match decode(self.fence, &self.ahead[self.taken..]) {
                Decoded::Whole(frame, used) => {
                    self.taken += used;
                    self.offset += u64::try_from(used).expect("a frame is bounded");
                    return Ok(Some(frame));
                }
                Decoded::Partial if self.read_more()? => {}
                Decoded::Partial | Decoded::Torn => return Ok(None),
            }
        }
    }

    fn read_more(&mut self) -> io::Result<bool> {
        self.ahead.drain(..self.taken);
        self.taken = 0;
        assert!(self.ahead.len() < FRAME_BYTES_MAX, "a frame that is longer is torn");
        let limit = u64::try_from(CHUNK_BYTES).expect("a chunk is bounded");
        let read = self.file.by_ref().take(limit).read_to_end(&mut self.ahead)?;
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_and_no_other_file_is_a_segment() {
        let segment = Segment { whose: Whose { job: JobId(u128::MAX), fence: Fence(1 << 48) }, first: 17 };
        let path = path(Path::new("/d"), &segment);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(named(name), Some(segment));
        for other in ["", "LOCK", &name.replace("output", "sst"), &format!("0{name}"), &name.replacen('f', "x", 1)] {
            assert_eq!(named(other), None, "{other}");
        }
    }
}

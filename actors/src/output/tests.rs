//! Output from the recorder to the reader, through real files.

use std::{fs, path::Path, sync::Arc, time::Duration};

use proptest::{
    prelude::{Strategy, any, prop},
    proptest,
};
use quorla_consensus::{
    Clock,
    failpoints::{Action, arm, disarm},
};
use quorla_ledger::{
    ids::{Fence, JobId},
    units::Millis,
};

use super::store::UNWRITTEN_BYTES_MAX;
use super::*;
use crate::link::local_pair;

const JOB: JobId = JobId(1);
const FENCE: Fence = Fence(7);
const AMPLE: Bounds = Bounds { job_bytes_max: 1 << 30, node_bytes_max: 1 << 30, age_max: Millis(u64::MAX) };

struct Fixed;

impl Clock for Fixed {
    fn wall_ms(&self) -> u64 {
        1_000
    }

    fn boot_ms(&self) -> u64 {
        0
    }
}

fn store(directory: &Path, bounds: Bounds) -> Arc<OutputStore> {
    Arc::new(OutputStore::open(directory, bounds, Arc::new(Fixed)).unwrap())
}

fn from(sequence: u64) -> Query {
    Query { fence: FENCE, from: sequence, since_ms: 0, stream: None }
}

async fn written(store: &Arc<OutputStore>, fence: Fence, writes: &[(Stream, Vec<u8>)]) {
    let mut recorder = store.begin(JOB, fence);
    for (stream, bytes) in writes {
        recorder.push(*stream, bytes.clone()).await;
    }
    recorder.finish().await.unwrap();
}

fn lines(count: usize) -> Vec<(Stream, Vec<u8>)> {
    (0..count).map(|line| (Stream::Stdout, format!("{line:0>99}\n").into_bytes())).collect()
}

/// All that there is from a sequence on, and what follows it.
async fn all(store: &OutputStore, sequence: u64) -> (Vec<Piece>, Rest) {
    let (mut pieces, mut query) = (Vec::new(), from(sequence));
    loop {
        let page = store.read(query, Duration::ZERO).await.unwrap();
        pieces.extend(page.pieces);
        query.from = page.next;
        if page.rest != Rest::More {
            return (pieces, page.rest);
        }
    }
}

fn bytes_of(pieces: &[Piece], wanted: Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        if let Piece::Record(Record { stream, bytes: Blob(read), .. }) = piece
            && *stream == wanted
        {
            bytes.extend(read);
        }
    }
    bytes
}

fn files(directory: &Path) -> Vec<fs::DirEntry> {
    fs::read_dir(directory).unwrap().map(Result::unwrap).collect()
}

fn writes() -> impl Strategy<Value = Vec<(Stream, Vec<u8>)>> {
    let size = prop::sample::select(vec![1, 3, 200, 5_000, RECORD_BYTES_MAX, RECORD_BYTES_MAX + 1, 200_000]);
    let write = (any::<bool>(), any::<u8>(), size)
        .prop_map(|(stderr, byte, size)| (if stderr { Stream::Stderr } else { Stream::Stdout }, vec![byte; size]));
    prop::collection::vec(write, 1..12)
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_printed_comes_once_whatever_the_cuts(
        writes in writes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        small in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            // Segments of a few records, or one of all of them.
            let bounds = if small { Bounds { job_bytes_max: 8 << 20, ..AMPLE } } else { AMPLE };
            written(&store(directory.path(), bounds), FENCE, &writes).await;
            let (whole, rest) = all(&store(directory.path(), bounds), 1).await;
            assert_eq!(rest, Rest::Complete);
            for wanted in [Stream::Stdout, Stream::Stderr] {
                let of_stream = writes.iter().filter(|(stream, _)| *stream == wanted);
                let printed: Vec<u8> = of_stream.flat_map(|(_, bytes)| bytes.clone()).collect();
                assert!(bytes_of(&whole, wanted) == printed, "{wanted:?}");
            }
            // A reader that was cut off anywhere goes on there, at a node process that knows nothing of it.
            for cut in cuts {
                let cut = cut.index(whole.len() + 1);
                let (later, _) = all(&store(directory.path(), bounds), u64::try_from(cut).unwrap() + 1).await;
                assert!(later == whole[cut..], "cut at {cut}");
            }
        });
    }
}

#[tokio::test]
async fn an_attempt_that_prints_nothing_has_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), AMPLE);
    let mut recorder = store.begin(JOB, FENCE);
    recorder.push(Stream::Stdout, Vec::new()).await;
    assert_eq!(all(&store, 1).await, (Vec::new(), Rest::Live));
    recorder.finish().await.unwrap();
    assert_eq!(all(&store, 1).await, (Vec::new(), Rest::Nothing));
    assert_eq!(files(directory.path()).len(), 0);
}

#[tokio::test]
async fn a_job_that_prints_too_much_loses_the_oldest_and_is_told_what() {
    let directory = tempfile::tempdir().unwrap();
    let bounds = Bounds { job_bytes_max: 4_000, ..AMPLE };
    let store = store(directory.path(), bounds);
    written(&store, FENCE, &lines(1_000)).await;
    let kept: u64 = files(directory.path()).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!((2_000..=4_000).contains(&kept), "{kept}");
    let (pieces, rest) = all(&store, 5).await;
    let Piece::Gap { from: 5, until } = pieces[0] else { panic!("{pieces:?}") };
    assert_eq!(pieces.len(), usize::try_from(1_001 - until + 1).unwrap(), "what follows the gap is dense");
    assert!(matches!(pieces.last(), Some(Piece::Record(record)) if record.sequence == 1_000) && rest == Rest::Complete);
}

/// What is told of an attempt of ten records, those from one to before another withheld: sequences, and gaps in brackets.
async fn withheld(bounds: Bounds, from: usize, until: usize) -> String {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), bounds);
    let mut recorder = store.begin(JOB, FENCE);
    for (sequence, (stream, bytes)) in (1..).zip(lines(10)) {
        while store.room.available_permits() < UNWRITTEN_BYTES_MAX {
            tokio::task::yield_now().await;
        }
        store.withhold((from..until).contains(&sequence));
        recorder.push(stream, bytes).await;
    }
    recorder.finish().await.unwrap();
    let (pieces, rest) = all(&store, 1).await;
    assert_eq!(rest, Rest::Complete);
    let words = pieces.iter().map(|piece| match piece {
        Piece::Record(record) => record.sequence.to_string(),
        Piece::Withheld { from, until } => format!("[{from} {until})"),
        Piece::Gap { from, until } => format!("{{{from} {until}}}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn what_is_withheld_is_a_gap_of_its_own_kind_and_no_failure() {
    let one_a_segment = Bounds { node_bytes_max: 1 << 20, job_bytes_max: 800, ..AMPLE };
    for (bounds, from, until, expected) in [
        (AMPLE, 4, 6, "1 2 3 [4 6) 6 7 8 9 10"),
        (AMPLE, 1, 4, "[1 4) 4 5 6 7 8 9 10"),
        (AMPLE, 8, 11, "1 2 3 4 5 6 7 [8 11)"),
        (AMPLE, 1, 11, "[1 11)"),
        (one_a_segment, 8, 10, "{1 3} 3 4 5 6 7 [8 10) 10"),
    ] {
        assert_eq!(withheld(bounds, from, until).await, expected, "{bounds:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_what_is_just_being_removed_is_told_of_a_gap_and_of_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), Bounds { job_bytes_max: 4_000, ..AMPLE });
    let printing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { written(&store, FENCE, &lines(20_000)).await }
    });
    let mut query = from(1);
    loop {
        let page = store.read(query, Duration::from_secs(60)).await.unwrap();
        query.from = page.next;
        if page.rest == Rest::Complete {
            break;
        }
    }
    assert_eq!(query.from, 20_001);
    printing.await.unwrap();
}

#[tokio::test]
async fn a_node_that_keeps_too_much_loses_what_was_written_first() {
    let directory = tempfile::tempdir().unwrap();
    let bounds = Bounds { node_bytes_max: 30_000, ..AMPLE };
    let store = store(directory.path(), bounds);
    for fence in 1..=4 {
        written(&store, Fence(fence), &lines(80)).await;
    }
    let of = |fence| Query { fence: Fence(fence), ..from(1) };
    assert_eq!(store.read(of(1), Duration::ZERO).await.unwrap().rest, Rest::Nothing);
    assert_eq!(store.read(of(4), Duration::ZERO).await.unwrap().pieces.len(), 80);
    let kept: u64 = files(directory.path()).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(kept <= 30_000, "{kept}");
}

#[tokio::test]
async fn old_output_goes_when_a_node_starts() {
    let directory = tempfile::tempdir().unwrap();
    written(&store(directory.path(), AMPLE), FENCE, &lines(3)).await;
    let file = fs::File::options().write(true).open(files(directory.path())[0].path()).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let aged = store(directory.path(), Bounds { age_max: Millis(999), ..AMPLE });
    // The writer looks for old output before it takes its first task.
    written(&aged, Fence(8), &lines(1)).await;
    assert_eq!(all(&aged, 1).await, (Vec::new(), Rest::Nothing));
}

#[tokio::test]
async fn a_torn_end_is_not_known_and_its_file_stays() {
    for cut in [1, 20, 30] {
        let directory = tempfile::tempdir().unwrap();
        written(&store(directory.path(), AMPLE), FENCE, &lines(3)).await;
        let file = files(directory.path()).remove(0);
        let length = file.metadata().unwrap().len();
        fs::File::options().write(true).open(file.path()).unwrap().set_len(length - cut).unwrap();
        let again = store(directory.path(), AMPLE);
        let (pieces, rest) = all(&again, 1).await;
        let whole = if cut > 25 { 2 } else { 3 };
        assert_eq!((pieces.len(), rest), (whole, Rest::Unknown), "cut by {cut}");
        assert_eq!(files(directory.path())[0].metadata().unwrap().len(), length - cut, "cut by {cut}");
    }
}

#[tokio::test]
async fn damage_ends_what_can_be_read_and_takes_nothing_away() {
    let directory = tempfile::tempdir().unwrap();
    written(&store(directory.path(), AMPLE), FENCE, &lines(3)).await;
    let path = files(directory.path()).remove(0).path();
    let sound = fs::read(&path).unwrap();
    let mut damaged = sound.clone();
    damaged[4 + 125 + 60] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let store = store(directory.path(), AMPLE);
    for _ in 0..2 {
        let (pieces, rest) = all(&store, 1).await;
        assert_eq!((pieces.len(), rest), (1, Rest::Unknown), "the second record is damaged");
    }
    assert!(fs::read(&path).unwrap() == damaged, "whoever can mend it finds all of it");
    fs::write(&path, &sound).unwrap();
    assert_eq!(all(&store, 1).await.1, Rest::Complete);
}

#[tokio::test]
async fn damage_of_a_running_attempts_output_is_a_gap_and_no_standstill() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), AMPLE);
    let mut recorder = store.begin(JOB, FENCE);
    for (stream, bytes) in lines(3) {
        recorder.push(stream, bytes).await;
    }
    while all(&store, 1).await.0.len() < 3 {
        tokio::task::yield_now().await;
    }
    let path = files(directory.path()).remove(0).path();
    let file = fs::File::options().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"?", 4 + 125 + 60).unwrap();
    let (pieces, rest) = all(&store, 1).await;
    assert_eq!((pieces.len(), &pieces[1], rest), (2, &Piece::Gap { from: 2, until: 4 }, Rest::Live));
    recorder.finish().await.unwrap();
    assert_eq!(all(&store, 4).await, (Vec::new(), Rest::Unknown));
}

#[tokio::test]
async fn a_failed_write_is_told_to_its_attempt_and_to_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), AMPLE);
    let mut other = store.begin(JOB, Fence(8));
    other.push(Stream::Stdout, b"before".to_vec()).await;
    let mut recorder = store.begin(JOB, FENCE);
    recorder.push(Stream::Stdout, b"kept".to_vec()).await;
    // Both are written by now, or the point would meet one of them.
    while store.read(from(1), Duration::from_secs(60)).await.unwrap().pieces.is_empty() {}
    arm("output.write", directory.path(), Action::Error, 1);
    recorder.push(Stream::Stdout, b"lost".to_vec()).await;
    let reason = recorder.failed().await;
    disarm("output.write", directory.path());
    assert!(reason.starts_with("write its output: "), "{reason}");
    recorder.push(Stream::Stdout, b"too late".to_vec()).await;
    assert_eq!(recorder.finish().await, Err(reason));
    let (pieces, rest) = all(&store, 1).await;
    assert_eq!((bytes_of(&pieces, Stream::Stdout), rest), (b"kept".to_vec(), Rest::Unknown));
    other.push(Stream::Stdout, b" after".to_vec()).await;
    other.finish().await.unwrap();
    let page = store.read(Query { fence: Fence(8), ..from(1) }, Duration::ZERO).await.unwrap();
    assert_eq!((bytes_of(&page.pieces, Stream::Stdout), page.rest), (b"before after".to_vec(), Rest::Complete));
}

#[tokio::test]
async fn a_reader_that_waits_hears_of_the_first_record_and_of_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), AMPLE);
    let long = Duration::from_secs(60);
    let job = async {
        tokio::task::yield_now().await;
        let mut recorder = store.begin(JOB, FENCE);
        recorder.push(Stream::Stderr, b"hello".to_vec()).await;
        recorder
    };
    let (page, recorder) = tokio::join!(store.read(from(1), long), job);
    let page = page.unwrap();
    assert_eq!((bytes_of(&page.pieces, Stream::Stderr), page.next, page.rest), (b"hello".to_vec(), 2, Rest::Live));
    let (page, finished) = tokio::join!(store.read(from(2), long), recorder.finish());
    assert_eq!((page.unwrap().rest, finished), (Rest::Complete, Ok(())));
}

#[tokio::test]
async fn only_what_is_asked_for_is_told_and_the_rest_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), AMPLE);
    let writes = [(Stream::Stdout, b"out".to_vec()), (Stream::Stderr, b"err".to_vec())];
    written(&store, FENCE, &writes).await;
    let page = store.read(Query { stream: Some(Stream::Stderr), ..from(1) }, Duration::ZERO).await.unwrap();
    assert_eq!((page.pieces.len(), page.next, page.rest), (1, 3, Rest::Complete));
    let page = store.read(Query { since_ms: 1_001, ..from(1) }, Duration::ZERO).await.unwrap();
    assert_eq!((page.pieces.len(), page.next, page.rest), (0, 3, Rest::Complete));
}

#[tokio::test]
async fn another_node_is_answered_and_a_question_that_is_given_up_ends() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path(), AMPLE);
    written(&store, FENCE, &lines(2)).await;
    let (ours, theirs) = local_pair();
    let (page, served) = tokio::join!(ask(ours, from(1), Duration::ZERO), serve(&store, theirs));
    assert_eq!((page.unwrap().pieces.len(), served.is_ok()), (2, true));

    let _live = store.begin(JOB, Fence(9));
    let (ours, theirs) = local_pair();
    let asking = ask(ours, Query { fence: Fence(9), ..from(1) }, Duration::from_secs(60));
    let asking = async { tokio::time::timeout(Duration::from_millis(1), asking).await.is_err() };
    let (given_up, served) = tokio::join!(asking, serve(&store, theirs));
    assert!(given_up && served.is_ok());
}

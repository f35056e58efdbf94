//! Uploads of items at random, arrays of them, and what removes both.

use quorla_ledger::{
    array::UploadRecord,
    command::{Command, PutItems, Tasks},
    ids::JobId,
    limits::{ITEMS_PER_BLOCK, UPLOAD_IDLE_MAX},
    tables::Table,
};

use super::history::{History, Op, pick, shaped};
use crate::{
    build::{ALICE, BOB},
    world::World,
};

impl History {
    /// What happens to items and to arrays that ended.
    pub(super) fn of_arrays(&mut self, op: &Op, world: &mut World) -> Vec<Command> {
        match *op {
            Op::Put { which, change, items } => vec![self.put(which, change, items, world)],
            Op::SubmitItems { which, shape, key, wrong } => self.submit_items(which, shape, key, wrong, world),
            Op::PassIdle => {
                world.now += UPLOAD_IDLE_MAX.0 + 1;
                vec![]
            }
            Op::ExpireUpload(which) => {
                let put = pick(&self.puts, which);
                put.map(|put| Command::ExpireUpload { upload: put.upload }).into_iter().collect()
            }
            Op::ExpireArray(which) => {
                pick(&self.arrays, which).map(|array| Command::ExpireArray { array }).into_iter().collect()
            }
            _ => unreachable!("the caller looked"),
        }
    }

    fn put(&mut self, which: u8, change: u8, items: u8, world: &mut World) -> Command {
        let named = |count: u32, from: u32| (from..from + count).map(|number| format!("item {number}")).collect();
        let earlier = pick(&self.puts, which).filter(|_| change > 2);
        let put = match (earlier, change) {
            (Some(put), 3) => put,
            (Some(put), 4) => PutItems { items: named(items.into(), 7), principal: BOB, ..put },
            (Some(put), _) => PutItems { first: ITEMS_PER_BLOCK, items: named(items.into(), 0), ..put },
            (None, _) => {
                let id = world.request().id;
                let upload = JobId::array(id.born_at(), id.random() << 20);
                // A whole block can be followed by another one.
                let count = if change == 0 { ITEMS_PER_BLOCK } else { items.into() };
                PutItems { principal: ALICE, upload, first: 0, items: named(count, 0) }
            }
        };
        self.puts.push(put.clone());
        Command::PutItems(put)
    }

    fn submit_items(&mut self, which: u8, shape: u8, key: Option<u8>, wrong: bool, world: &mut World) -> Vec<Command> {
        let small = |put: &&PutItems| put.items.len() < ITEMS_PER_BLOCK as usize && put.first == 0;
        let small: Vec<PutItems> = self.puts.iter().filter(small).cloned().collect();
        let Some(put) = pick(&small, which) else { return vec![] };
        let uploads = world.all::<UploadRecord>(Table::Uploads);
        let digest = uploads.iter().find(|upload| upload.id == put.upload).map_or([0; 16], |upload| upload.digest);
        let mut submit = world.submission_of_array(shaped(shape, world.now), 1);
        (submit.request.id, submit.request.key) = (put.upload, key.map(|key| format!("items {key}")));
        submit.tasks = Tasks::Items { count: put.items.len() as u32 + u32::from(wrong), digest };
        self.asked(Command::SubmitArray(submit))
    }
}

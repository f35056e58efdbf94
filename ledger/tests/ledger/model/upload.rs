//! What a naive ledger does with items before they are an array's, and with arrays that nobody keeps any longer.

use quorla_ledger::{
    command::{PutItems, Request},
    ids::{JobId, Principal},
    limits::{ITEMS_PER_BLOCK, UPLOAD_IDLE_MAX, UPLOADS_OF_ONE_MAX},
    reply::{Refusal, Reply},
};

use super::{Model, State};

/// Commands that it takes to remove a small array: its tasks, its items, all the rest.
const REMOVING_STEPS: u8 = 3;

#[derive(Clone, Debug)]
pub(super) struct Upload {
    id: u128,
    principal: Principal,
    items: Vec<String>,
    /// Where the latest ones began, and they.
    latest: (u32, Vec<String>),
    /// As the ledger told it: what it is made of is its own business.
    digest: [u8; 16],
    touched_at: u64,
    expiring: bool,
}

/// An array that is being removed.
#[derive(Clone, Debug)]
pub(super) struct Going {
    id: u128,
    items_of: Option<u128>,
    steps_left: u8,
}

impl Model {
    pub(super) fn put_items(&mut self, put: &PutItems, reply: &Reply) {
        let (now, end) = (self.now, put.first + u32::try_from(put.items.len()).unwrap());
        let request = Request { principal: put.principal, id: put.upload, key: None };
        if let Some(refusal) = self.requests.untimely(&request, now) {
            return super::requests::assert_alike(&Reply::Refused(refusal), reply);
        }
        let own = self.uploads.iter().filter(|upload| upload.principal == put.principal).count();
        let known = self.uploads.iter_mut().find(|upload| upload.id == put.upload.0);
        let refused = match known {
            Some(upload) if upload.principal != put.principal => Refusal::KeyConflicts { first: put.upload },
            Some(upload) if upload.count() > put.first && upload.latest == (put.first, put.items.clone()) => {
                return assert_eq!(*reply, Reply::ItemsPut { items: upload.count(), digest: upload.digest });
            }
            Some(upload) if upload.expiring || upload.count() != put.first => {
                Refusal::UploadIsAt { items: upload.count() }
            }
            Some(upload) => return upload.add(put, now, reply),
            None if self.requests.has(put.upload) => Refusal::KeyConflicts { first: put.upload },
            None if own == UPLOADS_OF_ONE_MAX => Refusal::UploadsAreExhausted,
            None if put.first != 0 => Refusal::UploadIsAt { items: 0 },
            None => {
                let mut upload = Upload {
                    id: put.upload.0,
                    principal: put.principal,
                    items: Vec::new(),
                    latest: (end, Vec::new()),
                    digest: [0; 16],
                    touched_at: now,
                    expiring: false,
                };
                upload.add(put, now, reply);
                return self.uploads.push(upload);
            }
        };
        assert_eq!(*reply, Reply::Refused(refused));
    }

    /// Makes the items of an upload an array's, or says why not.
    pub(super) fn take_upload(&mut self, request: &Request, count: u32, digest: &[u8; 16]) -> Result<(), Refusal> {
        let position = self.uploads.iter().position(|upload| upload.id == request.id.0);
        let position = position.ok_or(Refusal::UploadIsAt { items: 0 })?;
        let upload = &self.uploads[position];
        if upload.principal != request.principal {
            return Err(Refusal::KeyConflicts { first: request.id });
        }
        if upload.expiring || upload.count() != count || upload.digest != *digest {
            return Err(Refusal::UploadIsAt { items: upload.count() });
        }
        self.uploads.remove(position);
        Ok(())
    }

    /// A submission was answered from memory: nobody needs the items that came with it.
    pub(super) fn give_up_upload(&mut self, request: &Request) {
        let mut own = self.uploads.iter_mut().filter(|upload| upload.principal == request.principal);
        if let Some(upload) = own.find(|upload| upload.id == request.id.0) {
            upload.expiring = true;
        }
    }

    pub(super) fn expire_upload(&mut self, id: JobId, reply: &Reply) {
        let (now, idle) = (self.now, UPLOAD_IDLE_MAX.0);
        let is_over = |upload: &Upload| upload.id == id.0 && (upload.expiring || upload.touched_at + idle < now);
        let Some(position) = self.uploads.iter().position(is_over) else {
            return assert_eq!(*reply, Reply::Refused(Refusal::ExpiryIsStale));
        };
        let upload = self.uploads.remove(position);
        assert_eq!(*reply, Reply::Expired { records: upload.count().div_ceil(ITEMS_PER_BLOCK) });
    }

    /// An array is gone with its first step; the others only take time. One whose items others read stays.
    pub(super) fn expire_array(&mut self, id: JobId, reply: &Reply) {
        if let Some(position) = self.going.iter().position(|going| going.id == id.0) {
            self.going[position].steps_left -= 1;
            if self.going[position].steps_left == 0 {
                self.going.remove(position);
            }
            return assert!(matches!(reply, Reply::Expired { .. }), "{reply:?}");
        }
        let ended = self.tasks(id.0).all(|task| matches!(task.state, State::Ended(_)));
        let position = self.arrays.iter().position(|array| array.id == id.0 && ended && !self.lends(id.0));
        let Some(position) = position else {
            return assert_eq!(*reply, Reply::Refused(Refusal::ExpiryIsStale));
        };
        assert!(matches!(reply, Reply::Expired { .. }), "{reply:?}");
        let array = self.arrays.remove(position);
        self.jobs.retain(|job| job.array != Some(id.0));
        self.going.push(Going { id: id.0, items_of: array.items_of, steps_left: REMOVING_STEPS - 1 });
    }

    fn lends(&self, id: u128) -> bool {
        let arrays = self.arrays.iter().map(|array| (array.id, array.items_of));
        let all = arrays.chain(self.going.iter().map(|going| (going.id, going.items_of)));
        { all }.any(|(other, items_of)| other != id && items_of == Some(id))
    }
}

impl Upload {
    fn count(&self) -> u32 {
        u32::try_from(self.items.len()).unwrap()
    }

    fn add(&mut self, put: &PutItems, now: u64, reply: &Reply) {
        self.items.extend(put.items.iter().cloned());
        let Reply::ItemsPut { items, digest } = reply else { panic!("not put: {reply:?}") };
        assert_eq!(*items, self.count());
        assert_ne!(*digest, self.digest, "other items, another digest");
        (self.latest, self.digest, self.touched_at) = ((put.first, put.items.clone()), *digest, now);
    }
}

//! Client programs: each does one thing after another, with the real retry step of the client library.

use quorla_client::{
    ErrorBody, ErrorCode,
    retry::{GiveUp, RetryRules, Route, Step, Tries, TryOutcome},
};
use quorla_ledger::{
    Reply,
    ids::{JobId, Principal},
    units::Millis,
};
use quorla_node::dispatch::refuse;

use super::{
    agenda::Moment,
    invariants::{Fact, Outcome},
    messages::{Answer, Caller, ClientRequest, End, Message, Site},
    world::World,
};

pub(super) mod wishes;

use wishes::Wishes;

/// See the module.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) principal: Principal,
    pub(super) wishes: Wishes,
    server: Site,
    op: Option<Op>,
}

/// A request on its way to an outcome.
#[derive(Debug)]
struct Op {
    request: ClientRequest,
    tries: Tries,
    began_at: Millis,
    /// The try that is waited for; none between two tries.
    call: Option<u64>,
    last: Option<Answer>,
}

impl Program {
    pub(super) fn new(caller: Caller, wishes: Wishes, server: Site) -> Self {
        let number = u8::try_from(caller.0).expect("few clients");
        Self { principal: Principal([number; 32]), wishes, server, op: None }
    }

    pub(super) const fn is_done(&self) -> bool {
        self.op.is_none() && self.wishes.is_empty()
    }
}

impl World {
    /// The client tries again, or begins the next thing.
    pub(super) fn caller_acts(&mut self, caller: Caller) {
        let op = self.callers[caller.0].op.as_ref();
        if op.is_some_and(|op| op.call.is_some()) {
            return;
        }
        if op.is_none() {
            let Some(request) = self.wish(caller) else {
                return;
            };
            self.tell(&Fact::Asked { request: &request });
            let rules = RetryRules { give_up_after_ms: self.dice.between(2_000, 30_000), ..RetryRules::default() };
            let tries = Tries::new(rules, request.mutating().is_some());
            let began_at = self.agenda.now();
            self.callers[caller.0].op = Some(Op { request, tries, began_at, call: None, last: None });
        }
        self.try_once(caller);
    }

    fn try_once(&mut self, caller: Caller) {
        let call = self.draw_ticket().0;
        let program = &mut self.callers[caller.0];
        let server = program.server;
        let op = program.op.as_mut().expect("the caller set it");
        op.call = Some(call);
        let request = op.request.clone();
        if self.node(server).is_none() {
            return self.try_ended(caller, call, TryOutcome::NotSent, None);
        }
        let message = Message::Ask { caller, call, request, forwarded: false };
        self.send(End::Caller(caller), End::Site(server), message);
        let span_ms = self.dice.between(500, 3_000);
        self.agenda.set_in(span_ms, Moment::TryTimesOut { caller, call });
    }

    pub(super) fn try_times_out(&mut self, caller: Caller, call: u64) {
        self.try_ended(caller, call, TryOutcome::Unknown, None);
    }

    pub(super) fn caller_hears(&mut self, caller: Caller, call: u64, answer: Answer) {
        let outcome = match &answer {
            Answer::Done(_) | Answer::Seen { .. } => TryOutcome::Done,
            Answer::Refused(refusal) => read(&refuse::refused("ask", refusal)),
            Answer::Overloaded => read(&ErrorBody::new(ErrorCode::Overloaded, "ask").retry_after_ms(100)),
            Answer::NoQuorum => read(&ErrorBody::new(ErrorCode::NoQuorum, "ask")),
            Answer::NotLeader { leader } => TryOutcome::NotLeader { leader: *leader },
            Answer::Unknown => TryOutcome::Unknown,
        };
        self.try_ended(caller, call, outcome, Some(answer));
    }

    fn try_ended(&mut self, caller: Caller, call: u64, outcome: TryOutcome<Site>, answer: Option<Answer>) {
        let (now, random) = (self.agenda.now(), self.dice.bits() >> 32);
        let program = &mut self.callers[caller.0];
        let Some(op) = program.op.as_mut().filter(|op| op.call == Some(call)) else {
            return;
        };
        op.call = None;
        op.last = answer;
        if outcome == TryOutcome::Unknown && op.request.mutating().is_some() {
            self.census.count("outcome of a try unknown");
        }
        let elapsed_ms = now.since(op.began_at).0;
        match op.tries.next(outcome, elapsed_ms, u32::try_from(random).expect("32 bits are left")) {
            Step::Retry { after_ms, to } => {
                self.turn_to(caller, to);
                self.agenda.set_in(after_ms, Moment::CallerActs(caller));
            }
            Step::Finish => self.op_ended(caller, None),
            Step::GiveUp(kind) => self.op_ended(caller, Some(kind)),
        }
    }

    fn turn_to(&mut self, caller: Caller, route: Route<Site>) {
        let sites: Vec<Site> = self.sites().collect();
        let program = &mut self.callers[caller.0];
        match route {
            Route::Same => {}
            Route::To(site) => program.server = site,
            Route::Other => {
                let others: Vec<Site> = sites.into_iter().filter(|site| *site != program.server).collect();
                program.server = self.dice.pick(&others).unwrap_or(program.server);
            }
        }
    }

    fn op_ended(&mut self, caller: Caller, gave_up: Option<GiveUp>) {
        let op = self.callers[caller.0].op.take().expect("the caller looked");
        let outcome = match (gave_up, op.last) {
            (None, Some(Answer::Done(reply))) => Outcome::Done(reply),
            (None, Some(Answer::Seen { exists })) => Outcome::Seen { exists },
            (Some(GiveUp::Refused), Some(Answer::Refused(refusal))) => Outcome::Refused(refusal),
            (Some(GiveUp::Unknown), _) => Outcome::Unknown,
            (Some(GiveUp::NotNow | GiveUp::Unreachable), _) => Outcome::NotDone,
            (gave_up, last) => panic!("no outcome is made of {gave_up:?} and {last:?}"),
        };
        self.census.count(outcome.name());
        if let (ClientRequest::Submit { .. } | ClientRequest::Retry { .. }, Outcome::Done(Reply::Submitted { .. })) =
            (&op.request, &outcome)
        {
            self.census.count("submit acknowledged");
        }
        if let (ClientRequest::SubmitArray { .. }, Outcome::Done(_)) = (&op.request, &outcome) {
            self.census.count("array acknowledged");
        }
        if let (ClientRequest::Retry { job, .. }, Outcome::Done(_)) = (&op.request, &outcome)
            && job.is_array()
        {
            self.census.count("array retried");
        }
        self.tell(&Fact::Answered { request: &op.request, outcome: &outcome });
        self.remember(caller, &op.request, &outcome);
        let pause_ms = if self.calm_since.is_some() { self.dice.between(1, 200) } else { self.dice.between(1, 1_500) };
        self.agenda.set_in(pause_ms, Moment::CallerActs(caller));
    }

    /// Clients draw ids by the cluster's clock as well as they know it.
    pub(super) fn draw_id(&mut self) -> JobId {
        let ahead_ms = self.dice.around_zero(900);
        let time = Millis(self.agenda.now().0.saturating_add_signed(ahead_ms));
        JobId::new(time, self.dice.wide_bits())
    }
}

/// What the client library makes of the body that a real node sends. None of them names a leader here.
fn read(body: &ErrorBody) -> TryOutcome<Site> {
    match body.outcome() {
        TryOutcome::Refused { settles_earlier_copies } => TryOutcome::Refused { settles_earlier_copies },
        TryOutcome::NotNow { retry_after_ms } => TryOutcome::NotNow { retry_after_ms },
        TryOutcome::NotLeader { .. } => TryOutcome::NotLeader { leader: None },
        other => panic!("{body} is no refusal but {other:?}"),
    }
}

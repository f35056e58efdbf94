//! Output of jobs as its reader sees it, whatever becomes of the nodes between: every byte that is kept once and in order,
//! what is missing as a gap (R23), and no job or node held up by any of it (R22).

mod bounds;
mod follow;
mod terminal;

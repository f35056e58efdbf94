//! The text form of a job's id.

use quorla_client::JobId;
use quorla_ledger::ids;

#[test]
fn an_id_has_one_text_form() {
    for number in [0, 1, 31, 32, 1 << 79, 1 << 80, (1 << 80) - 1, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, u128::MAX]
    {
        let text = ids::JobId(number).to_string();
        assert_eq!(JobId::from_u128(number).to_string(), text);
        assert_eq!(text.parse(), Ok(JobId::from_u128(number)));
    }
}

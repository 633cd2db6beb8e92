use super::*;

fn run(stride: usize) -> Run {
    Run { source: ([10, 0, 0, 1], 1).into(), destination: ([10, 0, 0, 2], 2).into(), stride }
}

#[test]
fn runs_arrive_whole_and_in_order_at_the_other_end() {
    let (mut a, mut b) = pair();
    let mut buffer = [0; 16];
    a.send(run(2), &[1, 2, 3]).unwrap();
    a.send(run(5), &[4, 5]).unwrap();
    b.send(run(1), &[6]).unwrap();
    assert_eq!(b.receive(&mut buffer), Some((run(2), &[1, 2, 3][..])));
    assert_eq!(b.receive(&mut buffer), Some((run(5), &[4, 5][..])));
    assert_eq!(b.receive(&mut buffer), None);
    assert_eq!(a.receive(&mut buffer), Some((run(1), &[6][..])));
}

#[test]
fn a_small_buffer_cuts_a_run_and_not_the_next() {
    let (mut a, mut b) = pair();
    a.send(run(9), &[1, 2, 3]).unwrap();
    a.send(run(9), &[4, 5]).unwrap();
    assert_eq!(b.receive(&mut [0; 2]).unwrap().1, [1, 2]);
    assert_eq!(b.receive(&mut [0; 2]).unwrap().1, [4, 5]);
}

#[test]
fn a_full_wire_refuses_whole_runs_and_takes_more_once_it_is_read() {
    let (mut a, mut b) = pair();
    let half = vec![7; BYTES_MAX / 2 + 1];
    a.send(run(9), &half).unwrap();
    assert_eq!(a.send(run(9), &half), Err(Full));
    let mut buffer = vec![0; BYTES_MAX];
    assert_eq!(b.receive(&mut buffer).unwrap().1, half);
    // This one wraps round the end of the ring.
    a.send(run(9), &half).unwrap();
    assert_eq!(b.receive(&mut buffer).unwrap().1, half);
    for _ in 0..RUNS_MAX {
        a.send(run(9), &[1]).unwrap();
    }
    assert_eq!(a.send(run(9), &[1]), Err(Full));
}

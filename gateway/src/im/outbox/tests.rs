use bytes::Bytes;
use proto::im::id::{ConversationId, Sequence, UserId, UserSeq};

use super::{BYTES_MAX, Coarse, FRAMES_MAX, Item, Outbox, Outgoing, Overflow, Priority};

fn frame(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn group(name: &str) -> ConversationId {
    format!("g:{name}").parse().unwrap()
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn control(text: &str) -> Item {
    Item::Control(frame(text))
}

fn message(name: &str, seq: u64) -> Item {
    Item::Message(frame(&format!("m{seq}")), group(name), Sequence(seq))
}

fn change(seq: u64) -> Item {
    Item::Change(frame(&format!("c{seq}")), UserSeq(seq))
}

fn live(text: &str, priority: Priority) -> Item {
    Item::Live(frame(text), priority)
}

fn presence(name: &str, text: &str) -> Item {
    Item::Presence(frame(text), user(name))
}

/// Everything that leaves, in words.
fn drain(outbox: &mut Outbox) -> Vec<String> {
    let mut left = Vec::new();
    while let Some(outgoing) = outbox.pop() {
        left.push(match outgoing {
            Outgoing::Frame { frame, kept } => {
                format!("{}{}", if kept { "+" } else { "" }, String::from_utf8_lossy(&frame))
            }
            Outgoing::Coarse(Coarse::Hint { conversation, head, changed }) => {
                format!("hint {conversation} {head}{}", if changed { " changed" } else { "" })
            }
            Outgoing::Coarse(Coarse::Sync(seq)) => format!("sync {seq}"),
        });
    }
    assert!(outbox.is_empty());
    assert_eq!(outbox.waiting(), (0, 0));
    left
}

fn fill(outbox: &mut Outbox, count: usize, item: impl Fn(usize) -> Item) {
    for index in 0..count {
        outbox.push(item(index)).unwrap();
    }
}

#[test]
fn frames_leave_by_class_and_in_order_within_one() {
    let mut outbox = Outbox::default();
    for item in [
        Item::Typing(frame("typing")),
        live("low", Priority::Low),
        message("a", 1),
        live("high", Priority::High),
        change(4),
        message("a", 2),
        live("normal", Priority::Normal),
        Item::Receipt(frame("receipt")),
        control("answer"),
        presence("ada", "online"),
    ] {
        outbox.push(item).unwrap();
    }
    let expected =
        ["answer", "+c4", "+receipt", "+m1", "+m2", "high", "normal", "low", "typing", "online"];
    assert_eq!(drain(&mut outbox), expected);
}

/// One row: what fills the outbox, what comes on top, what leaves of what.
struct Row {
    fill: &'static dyn Fn(usize) -> Item,
    then: Item,
    left: Vec<String>,
    dropped: u64,
    folded: u64,
}

#[test]
fn a_full_outbox_gets_coarser_in_the_documented_order() {
    let full = FRAMES_MAX as u64;
    let rows = [
        Row {
            fill: &|_| live("x", Priority::Low),
            then: message("a", 1),
            left: vec!["+m1".into()],
            dropped: full,
            folded: 0,
        },
        Row {
            fill: &|_| Item::Typing(frame("x")),
            then: control("answer"),
            left: vec!["answer".into()],
            dropped: full,
            folded: 0,
        },
        Row {
            fill: &|index| presence(if index % 2 == 0 { "ada" } else { "bob" }, "old"),
            then: presence("ada", "new"),
            left: vec!["old".into(), "old".into(), "new".into()],
            dropped: full - 2,
            folded: 0,
        },
        Row {
            fill: &|_| live("x", Priority::High),
            then: change(1),
            left: vec!["+c1".into()],
            dropped: full,
            folded: 0,
        },
        Row {
            fill: &|index| message(if index % 2 == 0 { "a" } else { "b" }, 1 + index as u64 / 2),
            then: message("a", 129),
            left: vec!["hint g:a 129".into(), "hint g:b 128".into()],
            dropped: 0,
            folded: full + 1,
        },
        Row {
            fill: &|index| change(1 + index as u64),
            then: Item::Receipt(frame("r")),
            left: vec!["sync 256".into()],
            dropped: 0,
            folded: full + 1,
        },
        Row {
            fill: &|_| control("x"),
            then: message("a", 7),
            left: [vec!["x".to_owned(); FRAMES_MAX], vec!["hint g:a 7".to_owned()]].concat(),
            dropped: 0,
            folded: 1,
        },
        Row {
            fill: &|_| control("x"),
            then: Item::Typing(frame("typing")),
            left: vec!["x".to_owned(); FRAMES_MAX],
            dropped: 1,
            folded: 0,
        },
    ];
    for (index, row) in rows.into_iter().enumerate() {
        let mut outbox = Outbox::default();
        fill(&mut outbox, FRAMES_MAX, row.fill);
        outbox.push(row.then).unwrap();
        let dropped = outbox.dropped();
        assert_eq!((dropped.dropped, dropped.folded), (row.dropped, row.folded), "row {index}");
        assert_eq!(drain(&mut outbox), row.left, "row {index}");
    }
}

#[test]
fn what_is_dropped_first_spares_what_comes_later() {
    let mut outbox = Outbox::default();
    fill(&mut outbox, 100, |index| message("a", 1 + index as u64));
    fill(&mut outbox, 155, |_| live("low", Priority::Low));
    outbox.push(control("answer")).unwrap();
    outbox.push(message("a", 101)).unwrap();
    let left = drain(&mut outbox);
    assert_eq!(left.len(), 102);
    assert_eq!(left.last().unwrap(), "+m101");
}

#[test]
fn a_conversation_stays_a_hint_until_the_hint_has_left() {
    let mut outbox = Outbox::default();
    fill(&mut outbox, FRAMES_MAX, |index| message("a", 1 + index as u64));
    outbox.push(control("answer")).unwrap();
    outbox.push(message("a", 300)).unwrap();
    outbox.push(message("b", 1)).unwrap();
    let changed = Item::MessageChanged(frame("edit"), group("a"), Sequence(300));
    outbox.push(changed).unwrap();
    assert_eq!(drain(&mut outbox), ["answer", "hint g:a 300 changed", "+m1"]);
    outbox.push(message("a", 301)).unwrap();
    assert_eq!(drain(&mut outbox), ["+m301"]);
}

#[test]
fn only_answers_that_nobody_reads_end_a_session() {
    let mut outbox = Outbox::default();
    fill(&mut outbox, FRAMES_MAX, |_| control("x"));
    assert_eq!(outbox.push(control("y")), Err(Overflow));
    assert_eq!(outbox.waiting().0, FRAMES_MAX);
}

#[test]
fn bytes_are_bounded_as_frames_are_and_one_large_answer_gets_through() {
    let large = Bytes::from(vec![b'x'; BYTES_MAX + 1]);
    let mut outbox = Outbox::default();
    outbox.push(Item::Control(large.clone())).unwrap();
    assert_eq!(outbox.push(control("y")), Err(Overflow));
    assert!(outbox.pop().is_some());
    let half = Bytes::from(vec![b'x'; BYTES_MAX / 2]);
    fill(&mut outbox, 2, |index| {
        Item::Message(half.clone(), group("a"), Sequence(1 + index as u64))
    });
    outbox.push(control("y")).unwrap();
    assert_eq!(drain(&mut outbox), ["y", "hint g:a 2"]);
}

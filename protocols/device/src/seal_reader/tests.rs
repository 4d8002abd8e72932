use super::*;
use proptest::prelude::*;

fn framing(framing: FrameKind, bcc: bool, aim: bool) -> Framing {
    Framing { framing, bcc, aim }
}

fn all(framing: Framing, bytes: &[u8]) -> Vec<Result<Scan, ScanFault>> {
    Framer::new(framing).push(bytes)
}

fn texts(framing: Framing, bytes: &[u8]) -> Vec<Result<String, ScanFault>> {
    all(framing, bytes).into_iter().map(|given| given.map(|scan| scan.text)).collect()
}

fn stx() -> Framing {
    framing(FrameKind::StxEtx, false, false)
}

fn line() -> Framing {
    framing(FrameKind::CrLf, false, false)
}

fn ok(text: &str) -> Result<String, ScanFault> {
    Ok(text.to_owned())
}

#[test]
fn a_gs1_128_line_loses_its_framing_and_tells_its_aim_identifier() {
    // The sample of the barcode reader manuals: STX, "]C1" and an SSCC, CR LF.
    let given = all(framing(FrameKind::CrLf, false, true), b"\x02]C100123456789012345675\r\n");
    let scan = Scan {
        text: "00123456789012345675".to_owned(),
        aim: Some("]C1".to_owned()),
        raw: b"\x02]C100123456789012345675\r".to_vec(),
    };
    assert_eq!(given, [Ok(scan)]);
}

#[test]
fn a_framed_scan_keeps_its_raw_frame() {
    let given = all(stx(), b"\x02SEAL123456\x03");
    let scan = Scan { text: "SEAL123456".to_owned(), aim: None, raw: b"\x02SEAL123456\x03".to_vec() };
    assert_eq!(given, [Ok(scan)]);
}

#[test]
fn a_suffix_of_cr_lf_before_etx_is_framing() {
    assert_eq!(texts(stx(), b"\x02A1\r\n\x03\r\n\x02A2\r\x03"), [ok("A1"), ok("A2")]);
}

#[test]
fn cr_lf_or_both_end_a_line_and_empty_lines_are_nothing() {
    assert_eq!(texts(line(), b"A1\rA2\nA3\r\n\r\n\nA4\r\n"), [ok("A1"), ok("A2"), ok("A3"), ok("A4")]);
}

#[test]
fn a_separator_inside_gs1_data_is_kept() {
    assert_eq!(texts(stx(), b"\x0221ABC\x1d10LOT\x03"), [ok("21ABC\u{1d}10LOT")]);
}

#[test]
fn a_right_block_check_is_taken_and_belongs_to_the_frame() {
    // 0x41 ^ 0x42 ^ 0x03 = 0x00 and 0x41 ^ 0x03 = 0x42.
    let given = all(framing(FrameKind::StxEtx, true, false), b"\x02AB\x03\x00\x02A\x03\x42");
    let raws: Vec<Vec<u8>> = given.into_iter().map(|scan| scan.unwrap().raw).collect();
    assert_eq!(raws, [b"\x02AB\x03\x00".to_vec(), b"\x02A\x03\x42".to_vec()]);
}

#[test]
fn a_wrong_block_check_tells_both_bytes() {
    let checked = framing(FrameKind::StxEtx, true, false);
    assert_eq!(texts(checked, b"\x02A\x03\x43"), [Err(ScanFault::BlockCheck { got: 0x43, want: 0x42 })]);
}

#[test]
fn a_lost_block_check_does_not_cost_the_next_frame() {
    let checked = framing(FrameKind::StxEtx, true, false);
    let lost = Err(ScanFault::BlockCheck { got: STX, want: 0x42 });
    assert_eq!(texts(checked, b"\x02A\x03\x02A\x03\x42"), [lost, ok("A")]);
}

#[test]
fn noise_before_a_frame_is_dropped_and_counted() {
    let mut framer = Framer::new(stx());
    let given = framer.push(b"\xff\x00junk\x03\x02A1\x03\r\n");
    assert_eq!(given.len(), 1);
    assert_eq!(framer.noise(), 7);
}

#[test]
fn a_start_inside_a_frame_is_the_next_frame() {
    assert_eq!(texts(stx(), b"\x02A1\x02A2\x03"), [Err(ScanFault::Unreadable), ok("A2")]);
    assert_eq!(texts(line(), b"junk\x02A2\r"), [Err(ScanFault::Unreadable), ok("A2")]);
}

#[test]
fn a_frame_of_the_longest_length_is_taken_and_one_more_is_not() {
    let longest = "x".repeat(MAX_FRAME);
    for (kind, start, end) in [(stx(), "\x02", "\x03"), (line(), "", "\r"), (line(), "\x02", "\r")] {
        assert_eq!(texts(kind.clone(), format!("{start}{longest}{end}").as_bytes()), [ok(&longest)]);
        let next = format!("{start}{longest}x{end}{start}A1{end}");
        assert_eq!(texts(kind, next.as_bytes()), [Err(ScanFault::TooLong), ok("A1")]);
    }
}

#[test]
fn an_endless_line_is_one_fault() {
    let mut framer = Framer::new(line());
    let faults: Vec<_> = (0..100).flat_map(|_| framer.push(&[b'x'; 100])).collect();
    assert_eq!(faults, [Err(ScanFault::TooLong)]);
    assert_eq!(framer.push(b"x\rA1\r").len(), 1);
}

#[test]
fn what_is_not_text_is_unreadable() {
    for frame in [&b"\x02A\xffB\x03"[..], b"\x02A\x07B\x03", b"\x02\x03", b"\x02A\xc2\x85\x03", b"\x02\r\n\x03"] {
        assert_eq!(texts(stx(), frame), [Err(ScanFault::Unreadable)], "{frame:?}");
    }
}

#[test]
fn a_missing_aim_identifier_is_a_fault_where_it_should_be_sent() {
    let with_aim = framing(FrameKind::CrLf, false, true);
    for frame in [&b"00123\r"[..], b"]1C00123\r", b"]C\r", b"]\r", "]Cé1\r".as_bytes()] {
        assert_eq!(texts(with_aim.clone(), frame), [Err(ScanFault::NoAim)], "{frame:?}");
    }
    assert_eq!(texts(with_aim, b"]d2\r"), [Err(ScanFault::Unreadable)]);
    assert_eq!(texts(line(), b"]C1123\r"), [ok("]C1123")]);
}

fn any_framing() -> impl Strategy<Value = Framing> {
    (prop_oneof![Just(FrameKind::StxEtx), Just(FrameKind::CrLf)], any::<bool>(), any::<bool>())
        .prop_map(|(kind, bcc, aim)| framing(kind, bcc, aim))
}

fn any_byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(STX), Just(ETX), Just(CR), Just(LF), Just(b']'), b'A'..b'D', any::<u8>()]
}

proptest! {
    #[test]
    fn the_scans_do_not_depend_on_how_the_bytes_are_cut(
        framing in any_framing(),
        bytes in prop::collection::vec(any_byte(), 0..1500),
        cuts in prop::collection::vec(1usize..40, 1..20),
    ) {
        let whole = all(framing.clone(), &bytes);
        let mut framer = Framer::new(framing);
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (piece, next) = rest.split_at((*cut).min(rest.len()));
            pieces.extend(framer.push(piece));
            rest = next;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn a_framer_holds_no_more_than_one_frame(
        framing in any_framing(),
        start in prop::collection::vec(any_byte(), 0..10),
        byte in any_byte(),
    ) {
        let mut framer = Framer::new(framing);
        framer.push(&start);
        for _ in 0..1200 {
            framer.push(&[byte]);
            prop_assert!(framer.held.len() <= MAX_FRAME + 2, "{}", framer.held.len());
        }
    }

    #[test]
    fn a_good_frame_after_any_noise_is_read(noise in prop::collection::vec(any::<u8>(), 0..1200)) {
        let good = Some(ok("SEAL1"));
        let framed = [&noise[..], b"\x02SEAL1\x03"].concat();
        prop_assert_eq!(texts(stx(), &framed).pop(), good.clone());
        let lined = [&noise[..], b"\r\nSEAL1\r\n"].concat();
        prop_assert_eq!(texts(line(), &lined).pop(), good.clone());
        let checked = [&noise[..], b"\x03\r\x02SEAL1\x03\x29"].concat();
        prop_assert_eq!(texts(framing(FrameKind::StxEtx, true, false), &checked).pop(), good);
    }

    #[test]
    fn every_scan_is_clean_text_with_its_frame(
        framing in any_framing(),
        bytes in prop::collection::vec(any_byte(), 0..600),
    ) {
        for scan in all(framing, &bytes).into_iter().flatten() {
            prop_assert!(!scan.text.is_empty() && scan.text.len() <= MAX_FRAME);
            prop_assert!(!scan.text.chars().any(|c| c.is_control() && c != GS));
            prop_assert!(scan.raw.windows(scan.text.len()).any(|part| part == scan.text.as_bytes()));
        }
    }
}

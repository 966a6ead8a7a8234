//! The directory parser against a second reading of the format, with a million buffers: true
//! records, damaged, cut and glued together. AIO_SEED repeats a run, AIO_STRESS makes it longer.

#[path = "common/dirent.rs"]
mod dirent;

/// xorshift64*: the buffers need to be many, not unforeseeable.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }
}

fn record(r: &mut Random, buf: &mut Vec<u8>) {
    let from = buf.len();
    let name = r.below(12);
    let padding = r.below(9);
    // Now and then the length is wrong, most often by little.
    let len = match r.below(12) {
        0 => r.below(65536),
        1 => 17 + r.below(8),
        2 => 20 + name + padding + r.below(3) - r.below(3).min(padding),
        _ => 20 + name + padding,
    };
    buf.extend_from_slice(&r.next().to_ne_bytes());
    buf.extend_from_slice(&r.next().to_ne_bytes());
    buf.extend_from_slice(&(len as u16).to_ne_bytes());
    buf.push(r.next() as u8);
    for _ in 0..name {
        // A NUL within it now and then.
        buf.push(if r.below(30) == 0 { 0 } else { r.next() as u8 });
    }
    buf.resize(from + 20 + name + padding, 0);
    if r.below(16) == 0 {
        // Without an end.
        for b in &mut buf[from + 19..] {
            *b = (*b).max(1);
        }
    }
}

#[test]
fn a_million_buffers_are_read_as_the_format_says() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seed = number("AIO_SEED").unwrap_or_else(|| {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |t| t.as_nanos() as u64)
    });
    println!("seed: AIO_SEED={seed}");
    let mut r = Random(seed | 1);
    let (mut whole, mut records) = (0u64, 0);
    let count = 1_000_000 * number("AIO_STRESS").unwrap_or(1);
    let mut buf = Vec::new();
    for _ in 0..count {
        buf.clear();
        for _ in 0..r.below(5) {
            record(&mut r, &mut buf);
        }
        if !buf.is_empty() {
            match r.below(6) {
                0 => buf.truncate(r.below(buf.len())),
                1 => {
                    let at = r.below(buf.len());
                    buf[at] = r.next() as u8;
                }
                2 => {
                    let at = r.below(buf.len());
                    buf[at] ^= 1 << r.below(8);
                }
                _ => {}
            }
        }
        dirent::check(&buf);
        let (list, malformed) = dirent::expected(&buf);
        whole += u64::from(!malformed);
        records += list.len();
    }
    println!("figure: directory parser: {count} buffers, {whole} of them whole, {records} records");
    // Both kinds have to be among them, or nothing was tried.
    assert!(whole > count / 10 && whole < count - count / 10);
}

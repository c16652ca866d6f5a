//! Ten thousand source files are read while a person still waits.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use factum_architect::review::review;
use factum_architect::review::view::Documents;
use factum_architect::sources::{Code, ScanError};

use crate::sample::options;

/// A module of a usual code base: most have nothing to do with events.
fn module(index: usize) -> (String, String) {
    let mut text = String::new();
    let speaks = index.is_multiple_of(5);
    let _ = match index % 3 {
        0 => writeln!(
            text,
            "{}",
            if speaks { "import { connect } from 'nats';" } else { "import fs from 'fs';" }
        ),
        1 => writeln!(text, "{}", if speaks { "import nats" } else { "import os" }),
        _ => writeln!(
            text,
            "package m\nimport \"{}\"",
            if speaks { "github.com/nats-io/nats.go" } else { "os" }
        ),
    };
    for part in 0..20 {
        let _ = match index % 3 {
            0 => writeln!(
                text,
                "export async function f{part}(order: Order, nc: Client) {{\n  const total = order.lines.map((line) => line.price * {part}).reduce((a, b) => a + b, 0);\n  await nc.{}('order.n{part}', encode({{ total }}));\n}}",
                if speaks { "publish" } else { "write" }
            ),
            1 => writeln!(
                text,
                "async def f{part}(order, nc):\n    total = sum(line.price * {part} for line in order.lines)\n    await nc.{}('order.n{part}', encode(total))\n",
                if speaks { "publish" } else { "write" }
            ),
            _ => writeln!(
                text,
                "func f{part}(order Order, nc Client) error {{\n\ttotal := order.Total() * {part}\n\treturn nc.{}(\"order.n{part}\", encode(total))\n}}",
                if speaks { "Publish" } else { "Write" }
            ),
        };
    }
    let ending = ["ts", "py", "go"][index % 3];
    (format!("part{}/module{index}.{ending}", index % 50), text)
}

/// What this process has computed so far, where the system says so.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let fields: Vec<u64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    // In hundredths of a second.
    Some(Duration::from_millis(fields.iter().sum::<u64>() * 10))
}

#[test]
fn ten_thousand_source_files_are_reviewed_in_under_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let files = 10_000;
    for index in 0..files {
        let (name, text) = module(index);
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    for ignored in ["node_modules/x/a.ts", "target/a.rs", ".git/a.py", "generated/a.ts"] {
        let path = folder.path().join(ignored);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "import { connect } from 'nats';\nnc.publish('a.b', c);\n").unwrap();
    }
    std::fs::write(folder.path().join(".gitignore"), "generated/\n").unwrap();
    let (start, before) = (Instant::now(), processor_time());
    let code = Code::read(folder.path(), "", 0).unwrap();
    // Every rule is asked, as the command asks it.
    let report = review(&Documents::read(Vec::new()), &code, &options());
    // What other programs do on the machine is not ours: two processors share what was computed.
    let computed = processor_time().zip(before).map(|(after, before)| (after - before) / 2);
    let took = computed.unwrap_or_else(|| start.elapsed());
    println!(
        "{files} files, {} with events: {took:?} of two processors, {:?} in all",
        code.units.len(),
        start.elapsed()
    );
    assert_eq!((code.files, code.units.len()), (files, files / 5));
    assert_eq!(report.sources, files);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_folder_of_a_hundred_thousand_files_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("a0.ts");
    std::fs::write(&shared, "").unwrap();
    for index in 1..=50_000 {
        std::fs::hard_link(&shared, folder.path().join(format!("a{index}.ts"))).unwrap();
    }
    let error = Code::read(folder.path(), "", 0).unwrap_err();
    assert!(matches!(error, ScanError::TooMany { .. }));
    assert!(error.to_string().ends_with("holds more than 50000 source files"), "{error}");
}

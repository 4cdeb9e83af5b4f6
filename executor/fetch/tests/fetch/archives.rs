//! Archives, also those made to do harm.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use dialect::Uri;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use crate::packing::{Tar, bz2, gz, xz, zip};
use crate::sandbox::{Sandbox, uri};

/// Where archives lie before they are fetched.
struct Shelf(TempDir);

impl Shelf {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn put(&self, name: &str, content: &[u8]) -> Uri {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        uri(path.to_str().unwrap())
    }
}

/// Fetches an archive that must not be extracted: the reason, and the sandbox as it was left.
fn refused(name: &str, content: &[u8]) -> (String, Sandbox) {
    let shelf = Shelf::new();
    let mut sandbox = Sandbox::new();
    let error = sandbox.refused(shelf.put(name, content));
    let reason = error
        .split_once(&format!("extract '{name}': "))
        .unwrap_or_else(|| panic!("{error}"))
        .1
        .to_owned();
    assert!(
        !sandbox
            .names()
            .iter()
            .any(|name| name.starts_with(".fetching")),
        "{:?}",
        sandbox.names()
    );
    (reason, sandbox)
}

#[test]
fn every_kind_of_archive_is_extracted_into_the_sandbox_and_kept_beside_its_content() {
    let shelf = Shelf::new();
    let plain = Tar::default()
        .member(EntryType::Directory, "./", "", b"")
        .member(EntryType::Directory, "app/", "", b"")
        .file("app/file", "content")
        .link("app/link", "/usr/bin/env")
        .member(EntryType::Link, "hard", "app/file", b"")
        .end();
    let archives = [
        ("a.tar", plain.clone()),
        ("a.tgz", gz(&plain)),
        ("a.tar.gz", gz(&plain)),
        ("a.tbz2", bz2(&plain)),
        ("a.tar.bz2", bz2(&plain)),
        ("a.txz", xz(&plain)),
        ("a.tar.xz", xz(&plain)),
        // The name tells that, the content tells how.
        ("b.tar", xz(&plain)),
    ];
    for (name, content) in archives {
        let mut sandbox = Sandbox::new();
        let directory = Some(format!("archives/{name}"));
        let summary = sandbox
            .fetch([Uri {
                output_file: directory,
                ..shelf.put(name, &content)
            }])
            .unwrap();
        assert_eq!((summary.members, summary.extracted), (5, 7), "{name}");
        assert_eq!(sandbox.names(), ["app", "archives", "hard"], "{name}");
        assert_eq!(
            std::fs::read(sandbox.path("archives").join(name)).unwrap(),
            content
        );
        assert_eq!(sandbox.read("app/file"), "content");
        assert_eq!(sandbox.read("hard"), "content");
        assert_eq!(
            sandbox.mode("app/file"),
            0o755,
            "set-user-id is not extracted"
        );
        assert_eq!(
            sandbox.path("app/file").metadata().unwrap().mtime(),
            1_000_000_000
        );
        assert_eq!(
            std::fs::read_link(sandbox.path("app/link")).unwrap(),
            Path::new("/usr/bin/env")
        );
        assert!(
            sandbox
                .log
                .contains(&format!("Extracted 'archives/{name}': 5 members, 7 bytes")),
            "{:?}",
            sandbox.log
        );
    }
}

#[test]
fn a_zip_is_extracted_with_its_permissions_and_links() {
    let content = zip(|zip| {
        zip.add_directory("app/", SimpleFileOptions::default().unix_permissions(0o500))
            .unwrap();
        zip.start_file(
            "app/run",
            SimpleFileOptions::default().unix_permissions(0o4755),
        )
        .unwrap();
        zip.write_all(b"content").unwrap();
        zip.start_file("made/on/the/way", SimpleFileOptions::default())
            .unwrap();
        zip.add_symlink("link", "app/run", SimpleFileOptions::default())
            .unwrap();
    });
    let shelf = Shelf::new();
    let mut sandbox = Sandbox::new();
    let summary = sandbox.fetch([shelf.put("a.zip", &content)]).unwrap();
    assert_eq!((summary.members, summary.extracted), (4, 7));
    assert_eq!(sandbox.read("link"), "content");
    assert_eq!(
        (sandbox.mode("app/run"), sandbox.mode("app")),
        (0o755, 0o700)
    );
    assert_eq!(sandbox.read("made/on/the/way"), "");
}

#[test]
fn a_compressed_file_is_decompressed_into_the_sandbox_and_other_files_are_let_be() {
    let shelf = Shelf::new();
    let mut sandbox = Sandbox::new();
    let compressed = Uri {
        output_file: Some("in/words.gz".into()),
        ..shelf.put("x", &gz(b"content"))
    };
    let kept = Uri {
        extract: false,
        ..shelf.put("kept.tar", b"no archive at all")
    };
    sandbox
        .fetch([compressed, kept, shelf.put("app.jar", &zip(|_| {}))])
        .unwrap();
    assert_eq!(sandbox.read("words"), "content");
    assert_eq!(sandbox.names(), ["app.jar", "in", "kept.tar", "words"]);
}

#[test]
fn empty_archives_are_archives() {
    let shelf = Shelf::new();
    let mut sandbox = Sandbox::new();
    let archives = [
        shelf.put("a.tar", b""),
        shelf.put("b.tar", &Tar::default().end()),
        shelf.put("c.zip", &zip(|_| {})),
    ];
    assert_eq!(sandbox.fetch(archives).unwrap().members, 0);
}

#[test]
fn a_later_member_takes_the_place_of_an_earlier_one_and_of_what_was_there() {
    let shelf = Shelf::new();
    let mut sandbox = Sandbox::new();
    std::fs::write(sandbox.path("a"), "old").unwrap();
    let first = Tar::default()
        .file("a", "first")
        .link("b", "nowhere")
        .file("a", "second")
        .file("b", "file")
        .end();
    sandbox.fetch([shelf.put("x.tar", &first)]).unwrap();
    assert_eq!(
        (sandbox.read("a"), sandbox.read("b")),
        ("second".into(), "file".into())
    );
}

#[test]
fn a_member_that_leads_out_is_refused() {
    let outside = TempDir::new().unwrap();
    let absolute = outside.path().join("file");
    for name in ["../file", "a/../../file", ".."] {
        let (reason, sandbox) = refused("a.tar", &Tar::default().file(name, "x").end());
        assert_eq!(reason, format!("member: the path '{name}' holds '..'"));
        assert_eq!(sandbox.names(), ["a.tar"]);
    }
    let (reason, _) = refused(
        "a.tar",
        &Tar::default().file(absolute.to_str().unwrap(), "x").end(),
    );
    assert!(reason.ends_with("is absolute"), "{reason}");
    let (reason, _) = refused(
        "a.tar",
        &Tar::default()
            .member(EntryType::Link, "shadow", "/etc/shadow", b"")
            .end(),
    );
    assert!(reason.ends_with("is absolute"), "{reason}");
    let (reason, _) = refused(
        "a.tar",
        &Tar::default()
            .member(EntryType::Link, "shadow", "../../shadow", b"")
            .end(),
    );
    assert!(reason.ends_with("holds '..'"), "{reason}");
    for name in ["../file", absolute.to_str().unwrap()] {
        let content = zip(|zip| zip.start_file(name, SimpleFileOptions::default()).unwrap());
        let (reason, _) = refused("a.zip", &content);
        assert!(
            reason.ends_with("is absolute") || reason.ends_with("holds '..'"),
            "{reason}"
        );
    }
    assert!(!absolute.exists());
}

#[test]
fn nothing_is_written_through_a_link_that_the_archive_made() {
    let outside = TempDir::new().unwrap();
    let target = outside.path().to_str().unwrap();
    std::fs::write(outside.path().join("file"), "untouched").unwrap();

    let (reason, _) = refused(
        "a.tar",
        &Tar::default()
            .link("out", target)
            .file("out/file", "x")
            .end(),
    );
    assert_eq!(
        reason,
        "enter directory 'out': Not a directory (os error 20)"
    );
    let inner =
        Tar::default()
            .link("a", target)
            .link("b", "a")
            .member(EntryType::Directory, "b/", "", b"");
    let (reason, _) = refused("a.tar", &inner.end());
    assert!(reason.starts_with("enter directory 'b'"), "{reason}");
    let hard = Tar::default()
        .link("out", target)
        .member(EntryType::Link, "mine", "out/file", b"")
        .file("mine", "x");
    let (reason, _) = refused("a.tar", &hard.end());
    assert!(reason.starts_with("enter directory 'out'"), "{reason}");
    let content = zip(|zip| {
        zip.add_symlink("out", target, SimpleFileOptions::default())
            .unwrap();
        zip.start_file("out/file", SimpleFileOptions::default())
            .unwrap();
    });
    let (reason, _) = refused("a.zip", &content);
    assert!(reason.starts_with("enter directory 'out'"), "{reason}");

    // A file of the link's own name is another matter.
    let shelf = Shelf::new();
    let mut sandbox = Sandbox::new();
    let same =
        Tar::default()
            .link("x", &format!("{target}/file"))
            .member(EntryType::Link, "y", "x", b"");
    sandbox
        .fetch([shelf.put("a.tar", &same.file("y", "ours").file("x", "ours").end())])
        .unwrap();
    assert_eq!(sandbox.read("x"), "ours");
    assert_eq!(
        std::fs::read_to_string(outside.path().join("file")).unwrap(),
        "untouched"
    );
}

#[test]
fn devices_and_pipes_are_refused() {
    for (kind, what) in [
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
    ] {
        let (reason, sandbox) =
            refused("a.tar", &Tar::default().member(kind, "node", "", b"").end());
        assert_eq!(
            reason,
            format!("member 'node' is {what}, which is not extracted")
        );
        assert_eq!(sandbox.names(), ["a.tar"]);
    }
}

#[test]
fn what_unpacks_to_more_than_the_quota_is_cut_off() {
    let big = vec![0; 3_000_000];
    let mut bombs = vec![
        ("a.gz", gz(&big)),
        (
            "a.tgz",
            gz(&Tar::default()
                .member(EntryType::Regular, "big", "", &big)
                .end()),
        ),
        (
            "a.zip",
            zip(|zip| {
                zip.start_file("big", SimpleFileOptions::default()).unwrap();
                zip.write_all(&big).unwrap();
            }),
        ),
    ];
    let many = (0..1000).fold(Tar::default(), |tar, number| {
        tar.file(&format!("d{number}/empty"), "")
    });
    bombs.push(("many.tgz", gz(&many.end())));
    for (name, content) in bombs {
        let shelf = Shelf::new();
        let mut sandbox = Sandbox::new();
        sandbox.order.quota = Some(1_000_000);
        let error = sandbox.refused(shelf.put(name, &content));
        assert!(error.contains(&format!("extract '{name}': ")), "{error}");
        assert!(error.contains("that the task may use"), "{error}");
        let blocks: u64 = sandbox
            .names()
            .iter()
            .map(|name| sandbox.path(name).symlink_metadata().unwrap().blocks())
            .sum();
        assert!(blocks * 512 <= 1_000_000, "{name}: {blocks} blocks");
        assert!(!sandbox.names().contains(&"big".to_owned()));
    }
}

#[test]
fn a_bomb_without_a_quota_is_cut_off_by_its_ratio() {
    // 1100 MiB of zeros in a sparse member: a few hundred bytes of archive.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("zeros").unwrap();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(0);
    let size = 1100u64 << 20;
    let gnu = header.as_gnu_mut().unwrap();
    octal(&mut gnu.sparse[0].offset, size);
    octal(&mut gnu.sparse[0].numbytes, 0);
    octal(&mut gnu.realsize, size);
    header.set_cksum();
    let mut content = header.as_bytes().to_vec();
    content.resize(content.len() + 1024, 0);
    let (reason, sandbox) = refused("a.tar", &content);
    assert_eq!(
        reason,
        "an archive of 1536 bytes that unpacks to more than 1073741824 bytes"
    );
    assert_eq!(sandbox.names(), ["a.tar"]);
}

fn octal(field: &mut [u8; 12], value: u64) {
    field.copy_from_slice(format!("{value:011o}\0").as_bytes());
}

#[test]
fn headers_without_end_are_refused_before_they_fill_the_memory() {
    let long = vec![b'a'; 5_000_000];
    let names = Tar::default()
        .member(EntryType::GNULongName, "././@LongLink", "", &long)
        .file("x", "")
        .end();
    let (reason, _) = refused("a.tgz", &gz(&names));
    assert_eq!(reason, "a member with more than 1048576 bytes of headers");
    let pax = Tar::default()
        .member(EntryType::XHeader, "pax", "", &long)
        .file("x", "")
        .end();
    let (reason, _) = refused("a.tgz", &gz(&pax));
    assert_eq!(reason, "a member with more than 1048576 bytes of headers");
}

#[test]
fn long_names_are_understood() {
    let mut builder = Builder::new(Vec::new());
    let name = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder.append_data(&mut header, &name, &b"x"[..]).unwrap();
    let shelf = Shelf::new();
    let mut sandbox = Sandbox::new();
    sandbox
        .fetch([shelf.put("a.tar", &builder.into_inner().unwrap())])
        .unwrap();
    assert_eq!(sandbox.read(&name), "x");
}

#[test]
fn a_damaged_archive_leaves_no_partial_file() {
    let whole = Tar::default()
        .file("first", "whole")
        .file("second", &"x".repeat(100_000))
        .end();
    let cut = &whole[..50_000];
    for (name, content) in [
        ("a.tar", cut.to_vec()),
        ("a.tgz", gz(cut)),
        ("a.tar.gz", gz(&whole)[..200].to_vec()),
        ("a.tbz2", bz2(&whole)[..60].to_vec()),
        ("a.txz", xz(&whole)[..100].to_vec()),
    ] {
        let (reason, sandbox) = refused(name, &content);
        assert!(
            reason.starts_with("read it: ") || reason.starts_with("member 'second' has "),
            "{name}: {reason}"
        );
        assert!(!sandbox.names().contains(&"second".to_owned()), "{name}");
    }
    let (reason, _) = refused("a.zip", b"PK\x03\x04 and nothing more");
    assert!(reason.starts_with("read it as zip: "), "{reason}");
    let (reason, _) = refused("a.tar", &[b'?'; 2000]);
    assert!(reason.starts_with("read it: "), "{reason}");
    let (reason, sandbox) = refused("a.gz", b"not compressed");
    assert!(reason.starts_with("read it: "), "{reason}");
    assert_eq!(sandbox.names(), ["a.gz"]);
}

#[test]
fn a_damaged_byte_is_found_by_the_checksum_behind_it() {
    let whole = gz(&Tar::default().file("first", "whole").end());
    let mut damaged = whole.clone();
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    let (reason, _) = refused("a.tgz", &damaged);
    assert!(reason.starts_with("read it: "), "{reason}");
}

//! What becomes of the files of an image folder: read by content, refused or left out, and always said.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use data::{DataError, DataSpec, Dataset, Places, SetName};

/// A file that Pillow wrote, see `pictures/write.py`.
fn picture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name)).unwrap()
}

fn spec(classes: u32) -> DataSpec {
    let (path, size, channels) = (Some("set".into()), Some(16), Some(3));
    DataSpec { path, size, channels, classes: Some(classes), ..DataSpec::new(SetName::ImageFolder) }
}

/// A folder with so many whole images in each class.
fn folder(classes: &[(&str, usize)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (class, count) in classes {
        let class = folder.path().join("set/train").join(class);
        fs::create_dir_all(&class).unwrap();
        for i in 0..*count {
            fs::write(class.join(format!("{i:03}.png")), picture("rgb.png")).unwrap();
        }
    }
    folder
}

fn load(folder: &Path, classes: u32) -> Result<Dataset, DataError> {
    spec(classes).dataset(&Places::only([folder.to_owned()]))
}

/// What becomes of a file of that name, the first of its class.
fn load_with(name: &str, bytes: &[u8]) -> Result<Dataset, DataError> {
    let folder = folder(&[("a", 2), ("b", 2)]);
    fs::write(folder.path().join("set/train/a").join(name), bytes).unwrap();
    load(folder.path(), 2)
}

#[test]
fn an_image_is_what_it_holds_whatever_its_name_says() {
    let (red, blue) = ([250, 10, 10], [10, 10, 250]);
    let table = [
        ("0.jpg", "rgb.png", red, blue, 0, "a PNG called .jpg"),
        ("0.png", "baseline.jpg", red, blue, 3, "a JPEG called .png, with a thumbnail in it"),
        ("0", "baseline.jpg", red, blue, 3, "no extension"),
        ("0.txt", "rgb.png", red, blue, 0, "another extension"),
        ("0.JPEG", "progressive.jpg", red, blue, 3, "a progressive JPEG"),
        ("0.jpg", "restarts.jpg", red, blue, 3, "a JPEG with restart markers"),
        ("0.jpg", "cmyk.jpg", red, blue, 12, "a JPEG in four colours"),
        ("0.png", "palette.png", red, blue, 0, "a PNG with a palette"),
        ("0.png", "alpha.png", red, blue, 0, "a PNG with transparency, which is dropped"),
        ("0.png", "grey16.png", [128; 3], [255; 3], 0, "a PNG in 65536 shades"),
    ];
    for (name, file, left, right, off, why) in table {
        let dataset = load_with(name, &picture(file)).unwrap();
        assert_eq!((dataset.len(), dataset.warnings.as_slice()), (5, [].as_slice()), "{why}");
        for (place, colour) in [(2, left), (13, right)] {
            for (channel, expected) in colour.into_iter().enumerate() {
                let found = dataset.image(0)[channel * 256 + place];
                assert!(
                    found.abs_diff(expected) <= off,
                    "{why}: channel {channel} is {found}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused_with_its_path() {
    for file in [
        "baseline.jpg",
        "progressive.jpg",
        "restarts.jpg",
        "cmyk.jpg",
        "rgb.png",
        "palette.png",
        "grey16.png",
    ] {
        let whole = picture(file);
        for length in (0..whole.len()).step_by(whole.len() / 20).chain([whole.len() - 1]) {
            let error = load_with(&format!("0{file}"), &whole[..length]).unwrap_err();
            let text = error.to_string();
            let refused = matches!(error, DataError::Format { .. } | DataError::Image { .. });
            assert!(
                refused && text.contains(&format!("train/a/0{file}`")),
                "{file} of {length} bytes: {text}"
            );
            assert!(text.contains("remove it"), "what to do: {text}");
        }
        let longer = [whole.as_slice(), b"appended by a careless tool"].concat();
        assert!(load_with("0.png", &longer).is_ok(), "{file}: what stands behind the end does no harm");
    }
}

#[test]
fn what_is_no_single_image_of_a_size_that_fits_is_refused() {
    /// The header of a PNG with so many pixels, and a whole file of nothing else.
    fn huge_png() -> Vec<u8> {
        let mut file = picture("rgb.png");
        file[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let checksum = crc32(&file[12..29]);
        file[29..33].copy_from_slice(&checksum.to_be_bytes());
        file
    }
    fn huge_jpeg() -> Vec<u8> {
        let mut file = picture("baseline.jpg");
        let frame = file.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        file[frame + 5..frame + 9].fill(0xFF);
        file
    }
    let flipped = |name: &str, at: usize| {
        let mut file = picture(name);
        let end = file.len();
        file[end - at] ^= 0x55;
        file
    };
    let table = [
        (picture("gif.png"), "expected a PNG or JPEG, found a GIF image; convert it", "a GIF called .png"),
        (picture("animated.png"), "expected a single image, found an animation", "an animated PNG"),
        (vec![], "is damaged: it is empty", "nothing"),
        (b"<html>404".to_vec(), "expected a PNG or JPEG, found a file that begins with", "a page"),
        (
            huge_png(),
            "expected at most 67108864 pixels (8192 by 8192), found 65536 by 65536",
            "before it is decoded",
        ),
        (huge_jpeg(), "expected at most 67108864 pixels (8192 by 8192), found 65535 by 65535", "also a JPEG"),
        (flipped("rgb.png", 20), "is damaged: ", "a changed byte in a PNG, by its checksum"),
    ];
    for (bytes, expected, why) in table {
        let found = load_with("0.png", &bytes).unwrap_err().to_string();
        assert!(found.contains("train/a/0.png`") && found.contains(expected), "{why}: {found}");
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[test]
fn every_class_has_an_image_for_each_side() {
    let cases: [(&[(&str, usize)], &str); 3] = [
        (&[("a", 12), ("b", 0)], "`b` has none: expected two images or more in each class"),
        (&[("a", 12), ("b", 1)], "`b` has one: expected two images or more in each class"),
        (
            &[("a", 0), ("b", 1), ("c", 0), ("d", 0), ("e", 1), ("f", 0), ("g", 2)],
            "`a` has none, `b` has one, `c` has none, `d` has none, `e` has one and 1 more",
        ),
    ];
    for (classes, expected) in cases {
        let folder = folder(classes);
        let found = load(folder.path(), classes.len() as u32).unwrap_err();
        let text = found.to_string();
        assert!(matches!(found, DataError::Unfit { .. }) && text.contains(expected), "{text}");
        assert!(text.contains("set/train`"), "{text}");
    }
    // A tenth of class b is none: it gets one all the same.
    let folder = folder(&[("a", 38), ("b", 2)]);
    let split = spec(2).load_from(&Places::only([folder.path().to_owned()])).unwrap();
    assert_eq!((split.train.len(), split.validation.labels.as_slice()), (36, [0, 0, 0, 1].as_slice()));
    assert!(split.train.labels.contains(&1));
}

#[test]
fn a_part_with_fewer_images_than_classes_is_refused() {
    let folder = folder(&[("a", 3), ("b", 3), ("c", 3)]);
    let load = |validation| {
        let spec = DataSpec { validation, ..spec(3) };
        spec.load_from(&Places::only([folder.path().to_owned()]))
    };
    for (validation, expected) in [
        (None, "`data.validation`, which is 0: expected 1 to 8"),
        (Some(7), "`data.train`, which is left out, which means 2: expected at least one image per class, 3"),
    ] {
        let found = load(validation).unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
    }
    assert_eq!(load(Some(3)).unwrap().train.labels, [0, 0, 1, 1, 2, 2]);
}

#[test]
fn what_is_left_out_is_said() {
    let folder = folder(&[("a", 2), ("b", 2)]);
    let train = folder.path().join("set/train");
    fs::write(train.join("README"), "about").unwrap();
    fs::write(train.join("b/.hidden"), "").unwrap();
    fs::create_dir(train.join("a/more")).unwrap();
    for i in 0..6 {
        fs::write(train.join(format!("a/{i}.gif")), picture("gif.png")).unwrap();
    }
    let warnings = load(folder.path(), 2).unwrap().warnings;
    let train = train.display();
    let expected = [
        format!("`{train}`: 1 entry that is no PNG or JPEG is left out: README"),
        format!(
            "`{train}/a`: 7 entries that are no PNG or JPEG are left out: 0.gif, 1.gif, 2.gif, 3.gif, 4.gif and 2 more"
        ),
    ];
    assert_eq!(warnings, expected);
}
